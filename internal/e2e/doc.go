// Package e2e proves kubewright against the real thing: kube-apiserver, kube-controller-manager,
// kubectl and etcd, built from source and run on loopback. The tests of the webhook are in
// this directory. The harness is in packages below it:
//
//	binaries     builds the Kubernetes programs, once
//	cluster      runs them
//	events       the Events in etcd, beside the documents that the collector made of them
//	service      a load balancer that behaves like kube-proxy in front of restarting Pods
//	oracle       the API server's own webhook plugin, in process, for many cheap patches
//	podsecurity  Kubernetes' own Pod Security evaluator and its test Pods
//
//	components   programs of Debian's packages, and those of examples/
//	opensearch   a real node of OpenSearch, by Maven
//
// Tests with a directory of their own:
//
//	bulkmodel    the model of _bulk, against a real node and under the vendors' clients
//	cgroupview   real cgroups, the runtimes installed here, LXCFS, FUSE
//	embedding    each package imported alone; admission in a controller-runtime manager
//	etcddb       etcd's files, beside a running etcd and after its death
//	etcddecode   what an API server stores with each provider of encryption; recovery
//	eventsink    examples/collector: kills, outages, compactions, Prometheus, Kafka
//	images       the recipes of the examples' container images, without a registry
//	ipwhitelist  nginx, Redis, libfaketime, wrk
//	platform     all of it on one cluster, as a story: run it with -v and read the log
//	readme       every command of every README
//	release      the script that compares the public API with the last release's
//	sidecar      generated Pods by dry run, go-ucfg, a real Filebeat, reinvocation, what is injected under the programs it is for
//
// # What is shown here
//
//	admission_oracle, spoiled_patch,   thousands of generated patches, applied by the API server's
//	unstructured_patch                 own plugin
//	podsecurity_agreement              the verdicts of package policy, against Kubernetes' own
//	webhook, webhook_existing,         examples/webhook, installed by itself, as users of kubectl
//	webhook_manifests                  and the controllers meet it
//	failurepolicy, reinvocation,       what the API server makes of failures, of a second webhook,
//	customresource                     and of fields that a webhook does not know
//	rotation, rollout                  new certificates, new CAs and new replicas, under load
//
// # Running
//
//	go test -count=1 -p 1 -timeout 45m -v ./...
//
// The first run on a machine builds Kubernetes, which takes about 12 minutes on two cores; hence the
// timeout. The binaries stay in the user's cache directory, or in $KUBEWRIGHT_E2E_BIN. -p 1 is for
// small machines: every package of tests has a control plane of its own. -count=1 keeps the go
// command from repeating an old result, which does not know that the binaries have changed.
//
// If a module of the Kubernetes build cannot be downloaded, the tests that need the binaries are
// skipped, and with -v the last line of each package says "e2e: skipped:" and why. Everything else
// that is missing is a failure.
//
// If a test fails, it shows the last lines of the components' logs. The whole logs, the audit log
// and etcd's data stay in the directory that is printed at the end.
package e2e
