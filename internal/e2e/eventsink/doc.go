// Package eventsink shows examples/collector on the real thing: Events of kube-apiserver, real controllers and client-go's
// recorders, shipped to a real OpenSearch node and counted by a real Prometheus, while processes are killed, servers stop
// and etcd is compacted.
//
// KUBEWRIGHT_E2E_SOAK=full makes TestSoak and TestDrain as large as the promise: 2,000 Events a second for two minutes,
// and 200,000 Events that exist. Without it they take seconds.
package eventsink
