// Command signedapi takes a small orders API from an IP whitelist to signed requests, with package
// [github.com/kubewright/kubewright/ipwhitelist]: a provider, a caller, the proxy of the first phase, and the commands
// that people need on the way.
//
//	go run ./examples/signedapi demo     # all three phases, with real processes
//	go run ./examples/signedapi          # the commands
//
// README.md beside it tells more.
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
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
