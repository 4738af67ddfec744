package staticip

import (
	"net/netip"
	"strconv"
)

// Spiderpool writes ipam.spidernet.io/ippool. Spiderpool cannot be asked for an address, only for a pool, so every
// ordinal gets a SpiderIPPool of one address: [Report.Manifests] has them, and they must exist before the Pods. A
// SpiderIPPool belongs to the subnet of its address, so pools should have masks; without one the enclosing block of
// the [Network] is taken.
type Spiderpool struct {
	// Interface names the interface in the annotation; empty is Spiderpool's own default.
	Interface string
}

const spiderpoolKey = "ipam.spidernet.io/ippool"

func (s Spiderpool) render(t target, have map[string]string) (map[string]string, *Problem) {
	value := struct {
		Interface string   `json:"interface,omitempty"`
		V4        []string `json:"ipv4,omitempty"`
		V6        []string `json:"ipv6,omitempty"`
	}{Interface: s.Interface}
	if t.V4.IsValid() {
		value.V4 = []string{t.poolName(true)}
	}
	if t.V6.IsValid() {
		value.V6 = []string{t.poolName(false)}
	}
	return fill(s, t, have, annotation{spiderpoolKey, mustJSON(value)})
}

func (s Spiderpool) claims(_ string, have map[string]string) []claim {
	return claimed(have, false, canonicalJSON, spiderpoolKey)
}

func (s Spiderpool) validate() *Problem { return nil }

func (s Spiderpool) manifest(t target, is4 bool, addr, subnet netip.Prefix) map[string]any {
	version := 6
	if is4 {
		version = 4
	}
	return object("spiderpool.spidernet.io/v2beta1", "SpiderIPPool", t.poolName(is4), map[string]any{
		"ipVersion": version,
		"subnet":    subnet.String(),
		"ips":       []any{addr.Addr().String()},
	})
}

// Cilium writes ipam.cilium.io/ipv4-pool and ipam.cilium.io/ipv6-pool, for the multi-pool IPAM. Cilium cannot be asked
// for an address, only for a pool, so every ordinal gets a CiliumPodIPPool of one address for each family:
// [Report.Manifests] has them, and they must exist before the Pods. Their addresses must lie outside all other pools.
type Cilium struct{}

const (
	cilium4Key = "ipam.cilium.io/ipv4-pool"
	cilium6Key = "ipam.cilium.io/ipv6-pool"
)

func (c Cilium) render(t target, have map[string]string) (map[string]string, *Problem) {
	var want []annotation
	if t.V4.IsValid() {
		want = append(want, annotation{cilium4Key, t.poolName(true)})
	}
	if t.V6.IsValid() {
		want = append(want, annotation{cilium6Key, t.poolName(false)})
	}
	return fill(c, t, have, want...)
}

func (c Cilium) claims(_ string, have map[string]string) []claim {
	return claimed(have, false, func(s string) string { return s }, cilium4Key, cilium6Key)
}

func (c Cilium) validate() *Problem { return nil }

func (c Cilium) manifest(t target, is4 bool, addr, _ netip.Prefix) map[string]any {
	family, full := "ipv6", width(is4)
	if is4 {
		family = "ipv4"
	}
	return object("cilium.io/v2alpha1", "CiliumPodIPPool", t.poolName(is4), map[string]any{
		family: map[string]any{
			"cidrs":    []any{netip.PrefixFrom(addr.Addr(), full).String()},
			"maskSize": full,
		},
	})
}

// poolName names the pool of one ordinal and family. Pools have no namespace, so theirs is in the name; it has no
// dots, so the name is unique.
func (t target) poolName(is4 bool) string {
	name := t.namespace + "." + t.set + "-" + strconv.Itoa(int(t.ordinal))
	if is4 {
		return name + ".v4"
	}
	return name + ".v6"
}

// object is a manifest in the form that JSON and YAML encoders print.
func object(apiVersion, kind, name string, spec map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": apiVersion,
		"kind":       kind,
		"metadata":   map[string]any{"name": name},
		"spec":       spec,
	}
}
