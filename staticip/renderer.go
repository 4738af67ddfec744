package staticip

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Renderer writes the annotations with which one CNI is asked for an address: [Calico], [KubeOVN], [Antrea], [Multus],
// [Spiderpool], [Cilium], or [Template] for any other. Renderers are plain values, safe for concurrent use.
type Renderer interface {
	// render returns the annotations to add to a Pod that has the annotations have; nil when nothing is missing.
	render(t target, have map[string]string) (map[string]string, *Problem)
	// claims returns what the annotations of an object in a namespace ask of this CNI already, at most one for a key.
	claims(namespace string, have map[string]string) []claim
	validate() *Problem
}

// besideRenderer is a [Renderer] that writes annotations which are no claims, such as the subnet of the address.
type besideRenderer interface {
	beside() (keys []string)
}

// networkRenderer is a [Renderer] that may be for another network than the one of status.podIPs.
type networkRenderer interface {
	additional() bool
}

// target is the Pod that an assignment is rendered for.
type target struct {
	namespace, set, pod string
	ordinal             int32
	Assignment
}

// claim is a request for an address that stands in an annotation.
type claim struct {
	key   string
	value string // canonical, so that two spellings of the same request are equal
	// exact is a request for one address, which a template cannot make for several replicas. A request for a pool is
	// not exact.
	exact bool
}

// annotation is a key and the value it should have.
type annotation struct{ key, value string }

// fill returns what is missing in have of want, or refuses if have asks for something else. Claims are compared in
// their canonical form, other keys of want byte for byte.
func fill(r Renderer, t target, have map[string]string, want ...annotation) (map[string]string, *Problem) {
	var settled map[string]string
	if theirs := r.claims(t.namespace, have); theirs != nil {
		settled = claimValues(theirs)
		wanted := make(map[string]string, len(want))
		for _, a := range want {
			wanted[a.key] = a.value
		}
		mine := claimValues(r.claims(t.namespace, wanted))
		for _, c := range theirs {
			if mine[c.key] != c.value {
				return nil, alreadySet(c.key, have[c.key], t)
			}
		}
	}
	var missing map[string]string
	for _, a := range want {
		if _, done := settled[a.key]; done {
			continue
		}
		switch value, exists := have[a.key]; {
		case !exists && missing == nil:
			missing = map[string]string{a.key: a.value}
		case !exists:
			missing[a.key] = a.value
		case value != a.value:
			return nil, alreadySet(a.key, value, t)
		}
	}
	return missing, nil
}

func alreadySet(key, value string, t target) *Problem {
	p := refuse(CodeAlreadySet, "already set, but ordinal %d owns %s; remove the annotation, it is written at creation", t.ordinal, t.Assignment)
	p.Key, p.Value = key, shorten(value)
	return p.about([]Span{{t.ordinal, t.ordinal}}, t.first())
}

func claimValues(claims []claim) map[string]string {
	values := map[string]string{}
	for _, c := range claims {
		values[c.key] = c.value
	}
	return values
}

// first is the first address of an assignment.
func (a Assignment) first() netip.Addr {
	if a.V4.IsValid() {
		return a.V4.Addr()
	}
	return a.V6.Addr()
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// claimed returns the claims of have for the given keys.
func claimed(have map[string]string, exact bool, canonical func(string) string, keys ...string) (claims []claim) {
	for _, key := range keys {
		if value, ok := have[key]; ok {
			claims = append(claims, claim{key, canonical(value), exact})
		}
	}
	return claims
}

// canonicalList puts a comma list of addresses into one form, IPv4 first.
func canonicalList(text string) string { return canonicalWords(strings.Split(text, ",")) }

// canonicalArray does the same for a JSON list.
func canonicalArray(text string) string {
	var words []string
	if json.Unmarshal([]byte(text), &words) != nil {
		return unreadable + text
	}
	return canonicalWords(words)
}

// unreadable keeps text that is no list of addresses from being equal to one.
const unreadable = "unreadable: "

// canonicalWords sorts and spells addresses.
func canonicalWords(words []string) string {
	addrs := make([]netip.Addr, len(words))
	for i, word := range words {
		a, err := netip.ParseAddr(strings.TrimSpace(word))
		if err != nil {
			return unreadable + strings.Join(words, ",")
		}
		addrs[i] = a
	}
	slices.SortFunc(addrs, netip.Addr.Compare) // IPv4 sorts before IPv6
	sorted := make([]string, len(addrs))
	for i, a := range addrs {
		sorted[i] = a.String()
	}
	return strings.Join(sorted, ",")
}

// canonicalJSON drops the white space of JSON.
func canonicalJSON(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return unreadable + text
	}
	return mustJSON(v)
}

// mustJSON encodes values that this package built itself from strings, numbers, lists and maps; these cannot fail.
func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
