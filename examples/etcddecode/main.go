// Command etcddecode reads what the Kubernetes API server stored in etcd, without an API server: from a pipe, a
// snapshot, a database file, a data directory, a damaged one, or a live etcd.
//
//	etcdctl get KEY --print-value-only | go run ./examples/etcddecode
//	go run ./examples/etcddecode dump -f snapshot.db -d out/
//	go run ./examples/etcddecode -h
//
// README.md beside it goes through an outage.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	context.AfterFunc(ctx, stop)
	debug.SetGCPercent(200) // what lives is small, what is thrown away is not
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}
