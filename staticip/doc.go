// Package staticip computes the IP address of each Pod of a StatefulSet from one annotation and the Pod's ordinal, and
// says before anything runs what would go wrong.
//
// A StatefulSet carries a pool, an ordered list of addresses; the Pod with ordinal i owns the i-th one of each family.
// An admission webhook asks [Assign] for the annotations that make the CNI give the Pod that address. The same webhook
// refuses a StatefulSet, a change of it or a request to scale it that could not work ([CheckCreate], [CheckUpdate],
// [CheckScale]), so that no Pod waits in ContainerCreating, and [Plan] looks at all StatefulSets of a cluster at once.
//
//	apiVersion: apps/v1
//	kind: StatefulSet
//	metadata:
//	  name: redis
//	  annotations:
//	    staticip.kubewright.io/pool: 10.0.0.10-10.0.0.15/24, fd00::a-fd00::f/64
//
//	w := staticip.Workload{Namespace: "shop", Name: "redis", UID: uid, Replicas: 6, Annotations: annotations}
//	if err := staticip.CheckCreate(w, network, opts).Err(); err != nil {
//		return err // the StatefulSet, its key, what is wrong and what to write instead
//	}
//	set, err := staticip.Assign(pod, w, opts) // for redis-1, with Calico:
//	// cni.projectcalico.org/ipAddrs: ["10.0.0.11","fd00::b"]
//
// The mapping has no state: nothing is allocated, stored or locked. A Pod that is recreated, or a set that is scaled
// down and up again, gets the same address because the computation is the same.
//
// # Mapping
//
// Index i is ordinal i. The annotation <prefix>/first-ordinal beside the pool says which ordinal owns the first address
// where that is not 0. spec.ordinals.start is not looked at for this: it may be edited while Pods run, and moving
// ordinals between clusters must not move addresses. [ParsePool] has the grammar.
//
// The pool may stand on the StatefulSet, where it can grow without a restart, or in the Pod template, where each change
// rolls all Pods. Both may carry it if they mean the same. The word "none" in place of the pool gives the addresses of
// running Pods up.
//
// # Laws
//
// Each is a test on generated pools against a model that enumerates:
//
//   - [Pool.At] is injective, and [Pool.IndexOf] is its inverse.
//   - ParsePool(p.String()) is p.
//   - Appending to a pool, or raising the end of its last range, moves no ordinal. Prepending, reordering, excluding and
//     widening a block move some; [Moved] says which, from the segments alone.
//   - Assigning twice changes nothing, and no other entry of an annotation changes.
//   - An update that [CheckUpdate] admits does not deadlock the rolling update from the one pool to the other. If it is
//     told what the Pods have, no ordinal waits for an address for ever that did not before, whatever that is.
//   - The answer of [Plan] does not depend on the order of its input.
//
// # Limits
//
// A pool has at most 4096 items and 64 KiB, the number of its addresses is not limited. Addresses must be unicast and
// must not be IPv4-mapped. No function panics, whatever it is given.
//
// The package sees only what it is told. It cannot know which node a Pod lands on, so a CNI that binds addresses to
// nodes or racks is only warned of ([CodeStrictAffinity]). Between two Pods of one ordinal the address is free, and the
// CNI may give it away unless it is reserved ([Report.Reservations]). [CheckCreate] does not see other workloads; that
// is what Plan is for. [CheckUpdate] compares two objects; what the Pods have, which may be addresses of an older pool,
// it knows from [Network.InUse] alone.
//
// Functions are pure and safe for concurrent use. They do not modify their arguments, and what they return shares
// nothing with them but the maps and slices of the workload in [Usage].
package staticip
