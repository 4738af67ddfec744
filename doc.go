// Package kubewright is the root of a module of independent packages for the people who run an in-house
// Kubernetes platform. Each package answers one question that every such team meets, as pure functions that can be
// imported alone, embedded in an operator or unit-tested with plain "go test":
//
//   - admission: how do I change or refuse objects on their way in, without ever breaking a create?
//   - admission/policy: ready-made checks for Pods and everything that carries a Pod template.
//   - admission/admissiontest: the harness with which policies are unit-tested.
//   - admission/patch: the JSON Patch (RFC 6902) between two typed objects, that keeps what Go's type does not know.
//   - sidecar: how do log shippers, LXCFS, fake time and CPU counts get into Pods without touching project templates?
//   - staticip: how does each Pod of a StatefulSet keep its IP, by ordinal?
//   - eventsink: where did last night's Events go, and how healthy is the cluster?
//   - eventsink/watchcodec: how is a watch of Events decoded straight into records?
//   - eventsink/elastic: what does an answer of Elasticsearch or OpenSearch mean, and what now?
//   - eventsink/spool: where do documents wait while the sink is away for hours?
//   - eventsink/readiness: do the Pods of a workload start slower than they used to?
//   - etcddecode: the API server is down: what is in etcd?
//   - etcddecode/etcddb: what is in a snapshot, a data directory, a damaged file of etcd?
//   - ipwhitelist: Pods have no fixed IP: what replaces the IP whitelist, and how do we get there?
//   - ipwhitelist/httpsig: a strict profile of HTTP Message Signatures (RFC 9421).
//   - ipwhitelist/clientip: the address of a client behind proxies, and the rule that it falls under.
//   - cgroupview: how many CPUs and how much memory does this container really have?
//   - cgroupview/node: the containers of a node, and what is wrong with them.
//
// The root package holds no code. The binaries under examples are thin: flags, sockets and signals around the packages.
package kubewright
