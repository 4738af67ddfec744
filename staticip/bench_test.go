package staticip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// manySegments is a pool of n addresses that have no neighbors.
func manySegments(n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i), 1}).String()
	}
	return strings.Join(words, ",")
}

func BenchmarkAt(b *testing.B) {
	for name, text := range map[string]string{"64": "fd00::/64", "1000segments": manySegments(1000)} {
		p := mustPool(b, text)
		v4, v6 := p.Len()
		n := max(v4, v6)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := uint64(0)
			for b.Loop() {
				i += n/7 + 1
				p.At(i % n)
			}
		})
		b.Run(name+"/IndexOf", func(b *testing.B) {
			a, _ := p.At(n / 3)
			addr := a.first()
			b.ReportAllocs()
			for b.Loop() {
				p.IndexOf(addr)
			}
		})
	}
}

func BenchmarkParsePool(b *testing.B) {
	for name, text := range map[string]string{"range": "10.0.0.10-10.0.0.15/24", "dual": "10.0.0.10-10.0.0.15,fd00::a-fd00::f", "1000items": manySegments(1000)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ParsePool(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAssign is the admission of one Pod: annotations of the set are read, the Pod identified, the address
// rendered.
func BenchmarkAssign(b *testing.B) {
	w, pod := redis(6, "10.0.0.10-10.0.0.15,fd00::a-fd00::f"), redisPod(1)
	for name, r := range map[string]Renderer{"calico": Calico{}, "multus": Multus{Network: "net", Attachment: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, err := Assign(pod, w, Options{Renderer: r}); err != nil || got == nil {
					b.Fatal(got, err)
				}
			}
		})
	}
}

// BenchmarkAssignMultusMerge adds addresses to one of the networks that a Pod attaches to already.
func BenchmarkAssignMultusMerge(b *testing.B) {
	w, pod := redis(6, "10.0.0.10-10.0.0.15/24,fd00::a-fd00::f/64"), redisPod(1)
	pod.Annotations = map[string]string{"k8s.v1.cni.cncf.io/networks": `[{"name":"storage","interface":"net1"},{"name":"net","interface":"net2","mac":"02:00:00:00:00:01"}]`}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := Assign(pod, w, Options{Renderer: Multus{Network: "net", Attachment: true}}); err != nil || got == nil {
			b.Fatal(got, err)
		}
	}
}

// BenchmarkCheckUpdate appends to a pool of many segments while its Pods run.
func BenchmarkCheckUpdate(b *testing.B) {
	old, updated := redis(100, manySegments(1000)), redis(100, manySegments(1001))
	n := Network{InUse: map[netip.Addr]string{}}
	for i := range 100 {
		n.InUse[netip.AddrFrom4([4]byte{10, 0, byte(i), 1})] = fmt.Sprintf("shop/redis-%d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if problems := CheckUpdate(old, updated, n, Options{}); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}

// cluster is n StatefulSets with 10 ordinals each and room for 10 more.
func cluster(n int) []Workload {
	sets := make([]Workload, n)
	for i := range sets {
		lo, hi := u128{lo: 0x0a00_0000 + uint64(i)*20}, u128{lo: 0x0a00_0000 + uint64(i)*20 + 19}
		sets[i] = Workload{
			Namespace: fmt.Sprintf("team-%d", i%50), Name: fmt.Sprintf("set-%d", i), UID: fmt.Sprint(i), Replicas: 10,
			Annotations: map[string]string{Options{}.PoolKey(): lo.addr(true).String() + "-" + hi.addr(true).String()},
		}
	}
	return sets
}

func BenchmarkPlan(b *testing.B) {
	sets := cluster(5000)
	n := Network{
		Blocks:   []Block{{Name: "default", Prefix: netip.MustParsePrefix("10.0.0.0/8")}},
		Reserved: []Block{{Name: "Service CIDR", Prefix: netip.MustParsePrefix("10.96.0.0/12")}},
	}
	b.ReportAllocs()
	for b.Loop() {
		rows := 0
		report := Plan(sets, n, Options{})
		for range report.Rows() {
			rows++
		}
		if rows != 50_000 || len(report.Problems) > 0 {
			b.Fatal(rows, report.Problems)
		}
	}
}

func BenchmarkMoved(b *testing.B) {
	old, updated := mustPool(b, manySegments(1000)), mustPool(b, manySegments(1001))
	for b.Loop() {
		Moved(old, updated, 0, 0)
	}
}
