package staticip_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/kubewright/kubewright/staticip"
)

// redis is a StatefulSet as a webhook fills it in from the object of the request.
func redis(replicas int32, pool string) staticip.Workload {
	return staticip.Workload{
		Namespace: "shop", Name: "redis", UID: "7c1e", Replicas: replicas,
		Annotations: map[string]string{"staticip.kubewright.io/pool": pool},
	}
}

func Example() {
	var opts staticip.Options
	w := redis(3, "10.0.0.10-10.0.0.12, fd00::a-fd00::c")
	fmt.Println("create:", staticip.CheckCreate(w, staticip.Network{}, opts).Err())
	fmt.Println("scale to 4:", staticip.CheckScale(w, 4, staticip.Network{}, opts).Err())

	pod := staticip.Pod{
		Namespace: "shop", Name: "redis-1",
		Owners: []staticip.Owner{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "redis", UID: "7c1e", Controller: true}},
	}
	annotations, err := staticip.Assign(pod, w, opts)
	fmt.Println(annotations, err)
	// Output:
	// create: <nil>
	// scale to 4: StatefulSet shop/redis: staticip.kubewright.io/pool: ordinal 3: no address; replicas 4 need ordinals 0-3 but the pool has 3 IPv4 addresses (ordinals 0-2) and 3 IPv6 addresses (ordinals 0-2): add 1 IPv4 address and 1 IPv6 address at the end
	// map[cni.projectcalico.org/ipAddrs:["10.0.0.11","fd00::b"]] <nil>
}

func ExampleParsePool() {
	pool, warnings, err := staticip.ParsePool("10.0.0.0/29, !10.0.0.3, 10.0.8.1, !10.0.9.9")
	fmt.Println(pool, err)
	fmt.Println(warnings)
	for i := range uint64(7) {
		a, ok := pool.At(i)
		fmt.Println(i, a.V4, ok)
	}
	fmt.Println(pool.IndexOf(netip.MustParseAddr("10.0.8.1")))
	// Output:
	// 10.0.0.1-10.0.0.2/29,10.0.0.4-10.0.0.6/29,10.0.8.1 <nil>
	// item 4 "!10.0.9.9": excludes no address of the pool; remove it or correct it
	// 0 10.0.0.1/29 true
	// 1 10.0.0.2/29 true
	// 2 10.0.0.4/29 true
	// 3 10.0.0.5/29 true
	// 4 10.0.0.6/29 true
	// 5 10.0.8.1/32 true
	// 6 invalid Prefix false
	// 5 true
}

// Everything that is wrong is said at once, with what to write instead.
func ExampleParsePool_errors() {
	_, _, err := staticip.ParsePool("10.0.0.10-20, 010.0.0.1, 10.0.0.5/24, 10.0.0.9-10.0.0.1")
	fmt.Println(err)
	fmt.Println(errors.Is(err, staticip.CodeHostBits))
	// Output:
	// item 1 "10.0.0.10-20": the end is not a whole address; write 10.0.0.10-10.0.0.20
	// item 2 "010.0.0.1": leading zeros are not allowed; write 10.0.0.1
	// item 3 "10.0.0.5/24": has host bits set; write 10.0.0.0/24 for the block or 10.0.0.5-10.0.0.5/24 for one address with mask /24
	// item 4 "10.0.0.9-10.0.0.1": range is reversed; write 10.0.0.1-10.0.0.9
	// true
}

func ExampleIdentify() {
	pod := staticip.Pod{
		Namespace: "shop", Name: "web-5d4f8-24567",
		Labels: map[string]string{"pod-template-hash": "5d4f8"},
		Owners: []staticip.Owner{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d4f8", Controller: true}},
	}
	_, _, err := staticip.Identify(pod, staticip.Options{})
	fmt.Println(err)
	// Output:
	// Pod shop/web-5d4f8-24567: is owned by ReplicaSet web-5d4f8 (Deployment web), whose Pods have random names: a fixed address needs a stable ordinal, which only StatefulSets give; use a StatefulSet or remove the annotation staticip.kubewright.io/pool
}

// What a Pod already attaches to is kept.
func ExampleAssign_multus() {
	pod := staticip.Pod{
		Namespace: "shop", Name: "redis-1",
		Annotations: map[string]string{"k8s.v1.cni.cncf.io/networks": "storage@net1"},
		Owners:      []staticip.Owner{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "redis", UID: "7c1e", Controller: true}},
	}
	opts := staticip.Options{Renderer: staticip.Multus{Network: "macvlan", Attachment: true}}
	annotations, err := staticip.Assign(pod, redis(3, "10.0.0.10-10.0.0.12/24"), opts)
	fmt.Println(annotations["k8s.v1.cni.cncf.io/networks"], err)
	// Output:
	// [{"name":"storage","interface":"net1"},{"name":"macvlan","ips":["10.0.0.11/24"]}] <nil>
}

func ExampleCheckCreate() {
	network := staticip.Network{
		Blocks:   []staticip.Block{{Name: "IPPool default", Prefix: netip.MustParsePrefix("10.0.0.0/29")}},
		Reserved: []staticip.Block{{Name: "gateway", Prefix: netip.MustParsePrefix("10.0.0.1/32")}},
	}
	for _, p := range staticip.CheckCreate(redis(8, "10.0.0.1-10.0.0.10"), network, staticip.Options{}) {
		fmt.Println(p.Severity, p.Code, p.Ordinals, p.Message)
	}
	// Output:
	// error OutsideCNI [7] 10.0.0.8 (ordinal 7) is in no enabled block of the CNI; write addresses of IPPool default 10.0.0.0/29
	// warning OutsideCNI [8-9] 10.0.0.9 (first of ordinals 8-9) is in no enabled block of the CNI; write addresses of IPPool default 10.0.0.0/29
	// error Reserved [0] 10.0.0.1 (ordinal 0) is reserved: gateway 10.0.0.1/32; exclude it with "!" before Pods use the pool
}

func ExampleCheckUpdate() {
	old, updated := redis(3, "10.0.0.10-10.0.0.12"), redis(3, "10.0.0.9-10.0.0.12")
	for _, p := range staticip.CheckUpdate(old, updated, staticip.Network{}, staticip.Options{}) {
		fmt.Println(p.Severity, p.Code, p.Message)
	}
	// Output:
	// error Moves ordinals 1-2 would move to addresses of other ordinals (ordinal 1: 10.0.0.11 -> 10.0.0.10); append new addresses at the end instead
	// warning Moves ordinal 0 will move to new addresses (ordinal 0: 10.0.0.10 -> 10.0.0.9) at the next restart
	// error RolloutDeadlock ordinal 1 would wait for 10.0.0.10 that ordinal 0 still holds: a rolling update goes from high ordinals to low ones and never gets there; append new addresses at the end instead, or scale to 0 first
}

// The Pods still have the addresses of a pool from before the one that is replaced.
func ExampleCheckUpdate_inUse() {
	old, updated := redis(3, "10.0.8.1-10.0.8.3"), redis(3, "10.0.0.11-10.0.0.13")
	var network staticip.Network
	if staticip.NeedsInUse(old, updated, staticip.Options{}) { // else there is no need to list the Pods
		network.InUse = map[netip.Addr]string{
			netip.MustParseAddr("10.0.0.10"): "shop/redis-0",
			netip.MustParseAddr("10.0.0.11"): "shop/redis-1",
		}
		waiting := staticip.Pod{Namespace: "shop", Name: "redis-2", Annotations: map[string]string{"cni.projectcalico.org/ipAddrs": `["10.0.0.12"]`}}
		for _, addr := range staticip.Requested(waiting, staticip.Options{}) {
			network.InUse[addr] = "shop/redis-2"
		}
	}
	fmt.Println(staticip.CheckUpdate(old, updated, network, staticip.Options{}).Err())
	// Output:
	// StatefulSet shop/redis: staticip.kubewright.io/pool: 10.0.0.11 (first of ordinals 0-1) is in use by Pod shop/redis-1, and 1 more address by other Pods; delete these Pods or write other addresses
}

func ExampleCheckScale() {
	w := redis(3, "10.0.0.10-10.0.0.12")
	fmt.Println(staticip.CheckScale(w, 5, staticip.Network{}, staticip.Options{}).Err())
	fmt.Println(staticip.CheckScale(w, 2, staticip.Network{}, staticip.Options{}).Err())
	// Output:
	// StatefulSet shop/redis: staticip.kubewright.io/pool: ordinals 3-4: no address; replicas 5 need ordinals 0-4 but the pool has 3 IPv4 addresses (ordinals 0-2): add 2 IPv4 addresses at the end
	// <nil>
}

func ExampleCheckPodUpdate() {
	pod := staticip.Pod{
		Namespace: "shop", Name: "redis-0",
		Owners:      []staticip.Owner{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "redis", Controller: true}},
		Annotations: map[string]string{"cni.projectcalico.org/ipAddrs": `["10.0.0.10"]`},
	}
	edited := pod
	edited.Annotations = map[string]string{"cni.projectcalico.org/ipAddrs": `["10.0.0.99"]`}
	fmt.Println(staticip.CheckPodUpdate(pod, edited, staticip.Options{}))
	// Output:
	// Pod shop/redis-0: cni.projectcalico.org/ipAddrs: "[\"10.0.0.99\"]": the address of a Pod cannot change while it runs; keep ["10.0.0.10"], or change the pool and delete the Pod
}

func ExampleCheckOther() {
	deployment := staticip.Owner{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	template := map[string]string{"staticip.kubewright.io/pool": "10.0.0.10"}
	fmt.Println(staticip.CheckOther("shop", deployment, staticip.Options{}, nil, template))
	// Output:
	// Deployment shop/web: staticip.kubewright.io/pool: "10.0.0.10": is a Deployment, whose Pods have random names: a fixed address needs a stable ordinal, which only StatefulSets give; use a StatefulSet or remove the annotation staticip.kubewright.io/pool
}

func ExampleMoved() {
	old, _, _ := staticip.ParsePool("10.0.0.10-10.0.0.15")
	updated, _, _ := staticip.ParsePool("10.0.0.10-10.0.0.15, !10.0.0.12")
	for _, m := range staticip.Moved(old, updated, 0, 0) {
		fmt.Println(m.Ordinals, m.From, "->", m.To)
	}
	// Output:
	// 2-4 10.0.0.12 -> 10.0.0.13
	// 5 10.0.0.15 ->
}

func ExamplePlan() {
	cache := redis(2, "10.0.0.12-10.0.0.20")
	cache.Name, cache.UID = "cache", "51d0"
	report := staticip.Plan([]staticip.Workload{redis(3, "10.0.0.10-10.0.0.15"), cache}, staticip.Network{}, staticip.Options{})
	for row := range report.Rows() {
		fmt.Printf("%s/%s-%d\t%s\n", row.Namespace, row.Set, row.Ordinal, row.Assignment)
	}
	for _, u := range report.Usage {
		fmt.Println(u.Workload, "has room for", u.Headroom, "more")
	}
	for _, p := range report.Problems {
		fmt.Println(p.Severity, p.Code, p)
	}
	// Output:
	// shop/cache-0	10.0.0.12
	// shop/cache-1	10.0.0.13
	// shop/redis-0	10.0.0.10
	// shop/redis-1	10.0.0.11
	// shop/redis-2	10.0.0.12
	// StatefulSet shop/cache has room for 7 more
	// StatefulSet shop/redis has room for 3 more
	// error Conflict StatefulSet shop/cache: staticip.kubewright.io/pool: "10.0.0.12-10.0.0.20": 10.0.0.12 (ordinal 0) is also that of StatefulSet shop/redis ordinal 2, of the pool "10.0.0.10-10.0.0.15"; give one of them other addresses
	// warning Conflict StatefulSet shop/cache: staticip.kubewright.io/pool: "10.0.0.12-10.0.0.20": 10.0.0.13 (first of ordinals 1-3) is also that of StatefulSet shop/redis ordinal 3, of the pool "10.0.0.10-10.0.0.15", though not all have a Pod yet; give one of them other addresses
}

func ExampleReport_Reservations() {
	report := staticip.Plan([]staticip.Workload{redis(3, "10.0.0.10-10.0.0.15")}, staticip.Network{}, staticip.Options{})
	fmt.Println(report.Reservations(""))
	fmt.Println(report.Reservations(".."))
	// Output:
	// [10.0.0.10/31 10.0.0.12/30]
	// [10.0.0.10..10.0.0.15]
}

func ExampleReport_Manifests() {
	opts := staticip.Options{Renderer: staticip.Cilium{}}
	report := staticip.Plan([]staticip.Workload{redis(1, "10.0.0.10")}, staticip.Network{}, opts)
	for object := range report.Manifests() {
		text, _ := json.Marshal(object)
		fmt.Println(string(text))
	}
	// Output:
	// {"apiVersion":"cilium.io/v2alpha1","kind":"CiliumPodIPPool","metadata":{"name":"shop.redis-0.v4"},"spec":{"ipv4":{"cidrs":["10.0.0.10/32"],"maskSize":32}}}
}

func ExampleTemplate() {
	template := staticip.Template{"example.com/address": `{"cidr":"$(v4cidr)","owner":"$(namespace)/$(pod)"}`}
	pod := staticip.Pod{
		Namespace: "shop", Name: "redis-1",
		Owners: []staticip.Owner{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "redis", UID: "7c1e", Controller: true}},
	}
	annotations, err := staticip.Assign(pod, redis(3, "10.0.0.0/24"), staticip.Options{Renderer: template})
	fmt.Println(annotations["example.com/address"], err)
	// Output:
	// {"cidr":"10.0.0.2/24","owner":"shop/redis-1"} <nil>
}

func ExampleOptions_Validate() {
	fmt.Println(staticip.Options{Mask4: 64, Renderer: staticip.Multus{}}.Validate())
	// Output:
	// options: IPv4 mask is 64; write 1 to 32, or 0 for none
	// options: Multus needs the name of a NetworkAttachmentDefinition in Network
}
