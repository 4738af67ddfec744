// Package kubewright is the root of a module of independent packages for the people who run an in-house
// Kubernetes platform. Each package answers one question that every such team meets, as pure functions that can be
// imported alone, embedded in an operator or unit-tested with plain "go test":
//
//   - admission: how do I change or refuse objects on their way in, without ever breaking a create?
//   - admission/policy: ready-made checks for Pods and everything that carries a Pod template.
//   - admission/admissiontest: the harness with which policies are unit-tested.
//   - admission/patch: the JSON Patch (RFC 6902) between two typed objects, that keeps what Go's type does not know.
//   - staticip: how does each Pod of a StatefulSet keep its IP, by ordinal?
//
// To come:
//
//   - sidecar: how do log shippers, LXCFS, fake time and CPU counts get into Pods without touching project templates?
//   - eventsink: where did last night's Events go, and how healthy is the cluster?
//   - etcddecode: the API server is down: what is in etcd?
//   - ipwhitelist: Pods have no fixed IP: what replaces the IP whitelist, and how do we get there?
//   - cgroupview: how many CPUs and how much memory does this container really have?
//
// The root package holds no code. The binaries under examples are thin: flags, sockets and signals around the packages.
package kubewright
