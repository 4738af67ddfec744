package staticip

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Template is the [Renderer] for CNIs that have none here: annotation keys and the text of their values, with the
// placeholders
//
//	$(v4) $(v6)                      the address, 10.0.0.11
//	$(v4cidr) $(v6cidr)              the address with its mask, 10.0.0.11/24
//	$(ips) $(cidrs)                  those of both families that the pool has, with a comma between
//	$(namespace) $(set) $(pod)       names
//	$(ordinal)                       the number
//
// "$$" is a dollar sign, as in the args of a container; a dollar sign before any other character stands for itself.
// Values need no quoting: addresses and Kubernetes names have no character that JSON or YAML would escape. A Pod whose
// pool lacks the family of a placeholder is refused with [CodeDualShort].
type Template map[string]string

func (m Template) render(t target, have map[string]string) (map[string]string, *Problem) {
	if p := m.validate(); p != nil {
		return nil, p
	}
	want := make([]annotation, 0, len(m))
	for _, key := range sortedKeys(m) {
		value, p := expand(m[key], t.placeholder)
		if p != nil {
			p.Key = key
			return nil, p
		}
		want = append(want, annotation{key, value})
	}
	return fill(m, t, have, want...)
}

// claims has the keys whose values depend on the Pod.
func (m Template) claims(_ string, have map[string]string) (claims []claim) {
	one, other := probe(1), probe(2)
	for _, key := range sortedKeys(m) {
		a, p := expand(m[key], one.placeholder)
		b, q := expand(m[key], other.placeholder)
		if p == nil && q == nil && a != b {
			claims = append(claims, claimed(have, true, strings.TrimSpace, key)...)
		}
	}
	return claims
}

// beside has the other keys, which are the same for all Pods.
func (m Template) beside() []string {
	return slices.DeleteFunc(sortedKeys(m), func(key string) bool {
		return m.claims("", map[string]string{key: ""}) != nil
	})
}

// probe is a Pod that has everything.
func probe(n byte) target {
	return target{pod: string('a' + rune(n)), ordinal: int32(n), Assignment: Assignment{
		V4: netip.PrefixFrom(netip.AddrFrom4([4]byte{3: n}), 32),
		V6: netip.PrefixFrom(netip.AddrFrom16([16]byte{15: n}), 128),
	}}
}

func (m Template) validate() *Problem {
	if len(m) == 0 {
		return refuse(CodeBadOptions, `template has no annotation; write one such as "example.com/ip": "$(ips)"`)
	}
	for _, key := range sortedKeys(m) {
		if !isKey(key) {
			return refuse(CodeBadOptions, "template: %q is no key of an annotation; write one such as example.com/ip", shorten(key))
		}
		if _, p := expand(m[key], probe(0).placeholder); p != nil {
			p.Key = key
			return p
		}
	}
	return nil
}

// expand replaces the placeholders of text.
func expand(text string, value func(name string) (string, *Problem)) (string, *Problem) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), nil
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "("):
			name, after, closed := strings.Cut(rest[1:], ")")
			if !closed {
				return "", refuse(CodeBadOptions, `placeholder %q has no end; write $(name), or "$$(" for the text itself`, shorten("$"+rest))
			}
			v, p := value(name)
			if p != nil {
				return "", p
			}
			b.WriteString(v)
			text = after
		default:
			b.WriteByte('$')
			text = rest
		}
	}
}

// placeholder returns the value of one name.
func (t target) placeholder(name string) (string, *Problem) {
	switch name {
	case "v4", "v4cidr":
		return t.one(name, t.V4)
	case "v6", "v6cidr":
		return t.one(name, t.V6)
	case "ips":
		return strings.Join(t.texts(false), ","), nil
	case "cidrs":
		return strings.Join(t.texts(true), ","), nil
	case "namespace":
		return t.namespace, nil
	case "set":
		return t.set, nil
	case "pod":
		return t.pod, nil
	case "ordinal":
		return strconv.Itoa(int(t.ordinal)), nil
	}
	return "", refuse(CodeBadOptions, "unknown placeholder $(%s); write one of v4 v6 v4cidr v6cidr ips cidrs namespace set pod ordinal", shorten(name))
}

func (t target) one(name string, p netip.Prefix) (string, *Problem) {
	switch {
	case !p.IsValid():
		return "", refuse(CodeDualShort, "the template has $(%s) but the pool has no such address; list addresses of that family", name)
	case strings.HasSuffix(name, "cidr"):
		return p.String(), nil
	}
	return p.Addr().String(), nil
}
