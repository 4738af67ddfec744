// Command nodeagent shows what containers really have. It runs on any Linux machine with cgroups, and as a DaemonSet
// that sees the machine below -root.
//
//	go run ./examples/nodeagent explain                # this process: every file that was read, what runtimes will do
//	go run ./examples/nodeagent explain 4711           # another process, or a container by the start of its ID
//	go run ./examples/nodeagent serve                  # metrics of all containers
//	go run ./examples/nodeagent views -dir /run/views  # /proc/cpuinfo and others as the containers should see them
//	go run ./examples/nodeagent reap                   # stale shells and zombies; -apply ends the shells
//
// README.md beside it tells how to install it into a cluster.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal drains, the second one kills
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
