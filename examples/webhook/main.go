// Command webhook judges and completes what is created in a cluster: it serves the checks of
// [github.com/kubewright/kubewright/admission/policy] and a small mutator as admission webhooks, chosen by a
// configuration file, and runs the same checks on manifests without a cluster.
//
//	go run ./examples/webhook                                # serve with a certificate of its own, and say how to try it
//	go run ./examples/webhook review -f pod.yaml             # exit code 1 if the Pod would be refused
//	go run ./examples/webhook plan -f redis.yaml             # which Pod of a StatefulSet has which address
//	go run ./examples/webhook manifests -url https://…       # the webhook configurations as YAML
//	go run ./examples/webhook certs | kubectl apply -f -     # a Secret with a certificate for all replicas
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
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
