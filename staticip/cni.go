package staticip

import "strings"

// Calico writes cni.projectcalico.org/ipAddrs, a JSON list of addresses without masks, for Calico's own IPAM.
type Calico struct {
	// NoIPAM writes ipAddrsNoIpam instead. Calico then records no allocation, so nobody notices duplicates, and only
	// honors it with the feature control ip_addrs_no_ipam.
	NoIPAM bool
}

const (
	calicoKey       = "cni.projectcalico.org/ipAddrs"
	calicoNoIPAMKey = "cni.projectcalico.org/ipAddrsNoIpam"
)

func (c Calico) render(t target, have map[string]string) (map[string]string, *Problem) {
	key := calicoKey
	if c.NoIPAM {
		key = calicoNoIPAMKey
	}
	return fill(c, t, have, annotation{key, `["` + strings.Join(t.texts(false), `","`) + `"]`})
}

// claims has both keys: Calico refuses a Pod that carries both.
func (c Calico) claims(_ string, have map[string]string) []claim {
	return claimed(have, true, canonicalArray, calicoKey, calicoNoIPAMKey)
}

func (c Calico) validate() *Problem { return nil }

func (c Calico) reservation(cidrs []string) map[string]any {
	list := make([]any, len(cidrs))
	for i, cidr := range cidrs {
		list[i] = cidr
	}
	return object("projectcalico.org/v3", "IPReservation", "staticip", map[string]any{"reservedCIDRs": list})
}

// KubeOVN writes <provider>.kubernetes.io/ip_address.
type KubeOVN struct {
	// Provider is "ovn" when empty, the default network; "<nad>.<namespace>.ovn" is an attachment of type OVN.
	Provider string
	// Subnet is written to <provider>.kubernetes.io/logical_switch unless empty. It is needed where the namespace has
	// several subnets.
	Subnet string
	// Interface is appended to the key for Pods with several interfaces in one network.
	Interface string
}

func (k KubeOVN) key(name string) string {
	provider := k.Provider
	if provider == "" {
		provider = "ovn"
	}
	return provider + ".kubernetes.io/" + name
}

func (k KubeOVN) addressKey() string {
	if k.Interface != "" {
		return k.key("ip_address." + k.Interface)
	}
	return k.key("ip_address")
}

func (k KubeOVN) render(t target, have map[string]string) (map[string]string, *Problem) {
	want := []annotation{{k.addressKey(), t.String()}}
	if k.Subnet != "" {
		want = append(want, annotation{k.key("logical_switch"), k.Subnet})
	}
	return fill(k, t, have, want...)
}

// claims has Kube-OVN's own list too: its addresses by ordinal would compete with ours.
func (k KubeOVN) claims(_ string, have map[string]string) []claim {
	list := claimed(have, false, strings.TrimSpace, k.key("ip_pool"))
	return append(claimed(have, true, canonicalList, k.addressKey()), list...)
}

func (k KubeOVN) beside() []string { return []string{k.key("logical_switch")} }

func (k KubeOVN) additional() bool { return k.Provider != "" && k.Provider != "ovn" }

func (k KubeOVN) validate() *Problem {
	if k.Provider != "" && !isDomain(k.Provider) {
		return refuse(CodeBadOptions, `Kube-OVN provider %q is not a DNS name; write "ovn" or "<nad>.<namespace>.ovn"`, k.Provider)
	}
	if !isKey(k.addressKey()) {
		return refuse(CodeBadOptions, "Kube-OVN interface %q can't be part of the key of an annotation; write a name such as net1", shorten(k.Interface))
	}
	return nil
}

// Antrea writes ipam.antrea.io/pod-ips.
type Antrea struct {
	// Pools are the IPPools that hold the addresses, at most one of each family, written to ipam.antrea.io/ippools
	// unless empty: Antrea wants them on the Pod or on its namespace.
	Pools []string
}

const (
	antreaKey      = "ipam.antrea.io/pod-ips"
	antreaPoolsKey = "ipam.antrea.io/ippools"
)

func (a Antrea) render(t target, have map[string]string) (map[string]string, *Problem) {
	want := []annotation{{antreaKey, t.String()}}
	if len(a.Pools) > 0 {
		want = append(want, annotation{antreaPoolsKey, strings.Join(a.Pools, ",")})
	}
	return fill(a, t, have, want...)
}

func (a Antrea) claims(_ string, have map[string]string) []claim {
	return claimed(have, true, canonicalList, antreaKey)
}

func (a Antrea) beside() []string { return []string{antreaPoolsKey} }

func (a Antrea) validate() *Problem {
	if len(a.Pools) > 2 {
		return refuse(CodeBadOptions, "Antrea takes one IPPool of each family, not %d; write at most two", len(a.Pools))
	}
	return nil
}
