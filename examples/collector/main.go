// Command collector ships every Event of a cluster to Elasticsearch, OpenSearch, Kafka, a file or standard output, and
// folds them into a bounded number of Prometheus series. It is the thin shell around
// [github.com/kubewright/kubewright/eventsink]: sockets, clients, leader election and flags.
//
//	go run ./examples/collector -kubeconfig ~/.kube/config                            # documents on standard output
//	go run ./examples/collector -from examples/collector/testdata/events.ndjson       # the same without a cluster
//	go run ./examples/collector -kubeconfig ~/.kube/config -sink http://localhost:9200
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
