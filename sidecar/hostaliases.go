package sidecar

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// HostAliases adds lines to /etc/hosts. Names for an address that the Pod has an entry for join that entry: with two
// entries of one address, one gets lost when the Pod's owner is edited (kubernetes/kubernetes#107668).
type HostAliases struct{}

const hostsKey = "hosts"

// Name is "hosts".
func (HostAliases) Name() string { return "hosts" }

func (HostAliases) rank() int { return 5 }

func (HostAliases) validate() []error { return nil }

func (HostAliases) keys() []Key {
	return []Key{{
		Name: hostsKey, Values: "`10.0.0.1=a.corp,b.corp`, several one a line or between semicolons",
		Doc: "Names in `/etc/hosts`.", parse: parseHosts,
	}}
}

func (HostAliases) asked(v *values) bool { return v.has(hostsKey) }

func parseHosts(text string) (any, error) {
	var aliases []corev1.HostAlias
	owner := map[string]string{}
	for _, item := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' || r == '\r' }) {
		ip, names, ok := strings.Cut(strings.TrimSpace(item), "=")
		if ip == "" && !ok {
			continue
		}
		addr, err := netip.ParseAddr(strings.TrimSpace(ip))
		if !ok || err != nil || addr.Zone() != "" || addr.Is4In6() {
			return nil, fmt.Errorf("%q: write an address, '=' and names, such as 10.0.0.1=a.corp,b.corp", shorten(item))
		}
		hosts, err := parseList(names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", addr, err)
		}
		for _, h := range hosts {
			if len(validation.IsDNS1123Subdomain(h)) > 0 {
				return nil, fmt.Errorf("%q is no host name of lower-case letters, digits, '-' and '.'", shorten(h))
			}
			if other, taken := owner[h]; taken {
				return nil, fmt.Errorf("%s is given to %s and %s", h, other, addr)
			}
			owner[h] = addr.String()
		}
		aliases = append(aliases, corev1.HostAlias{IP: addr.String(), Hostnames: hosts})
		if len(aliases) > maxItems {
			return nil, fmt.Errorf("there are more than %d addresses", maxItems)
		}
	}
	if len(aliases) == 0 {
		return nil, errors.New("write an address, '=' and names, such as 10.0.0.1=a.corp,b.corp")
	}
	return aliases, nil
}

func (h HostAliases) inject(e *edit) {
	spec := &e.pod.Spec
	theirs, entries := map[string]string{}, map[string]int{}
	for i, a := range spec.HostAliases {
		if _, again := entries[spelled(a.IP)]; !again {
			entries[spelled(a.IP)] = i
		}
		for _, name := range a.Hostnames {
			theirs[name] = a.IP
		}
	}
	for _, want := range get(e.values, hostsKey, []corev1.HostAlias(nil)) {
		var names []string
		for _, name := range want.Hostnames {
			switch ip, ok := theirs[name]; {
			case !ok:
				names = append(names, name)
			case spelled(ip) != want.IP:
				e.refuse(hostsKey, "the Pod's hostAliases give %s to %s already; write that, or leave one of them out", name, ip)
			}
		}
		if len(names) > 0 {
			h.add(e, entries, want.IP, names)
		}
	}
	e.applied(h.Name())
}

// add gives names to the first entry of an address, whose places are in entries.
func (h HostAliases) add(e *edit, entries map[string]int, ip string, names []string) {
	spec := &e.pod.Spec
	i, ok := entries[ip]
	if !ok {
		entries[ip] = len(spec.HostAliases)
		spec.HostAliases = append(spec.HostAliases, corev1.HostAlias{IP: ip, Hostnames: names})
		e.record.HostAliases = append(e.record.HostAliases, corev1.HostAlias{IP: ip, Hostnames: slices.Clone(names)})
		return
	}
	entry := &spec.HostAliases[i]
	entry.Hostnames = append(entry.Hostnames, names...)
	for j := range e.record.HostAliases { // an entry of ours, to which another line adds
		if own := &e.record.HostAliases[j]; own.IP == entry.IP {
			own.Hostnames = append(own.Hostnames, names...)
			return
		}
	}
	e.record.Hostnames = append(e.record.Hostnames, corev1.HostAlias{IP: entry.IP, Hostnames: names})
}

// spelled is the one spelling of an address, of which IPv6 has several.
func spelled(ip string) string {
	if addr, err := netip.ParseAddr(ip); err == nil {
		return addr.String()
	}
	return ip
}
