// Package cluster runs a real Kubernetes control plane on loopback for tests: etcd, kube-apiserver
// and, if asked for, kube-controller-manager. There is no kubelet and no scheduler: objects are
// admitted, stored and reconciled, but nothing runs.
//
// A package of tests usually wants one cluster for all of them ([Shared]); a test that stops,
// restarts or reconfigures components wants its own ([New]).
//
// What a test gets is close to what a production cluster does: TLS everywhere but on etcd,
// verified with a CA; RBAC; an audit log; controllers with their own service accounts. Every
// component can be stopped, killed and started again, on the same port and the same data, also with
// other arguments. No process outlives the test binary, however that ends.
package cluster
