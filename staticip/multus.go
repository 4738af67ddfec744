package staticip

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Multus writes the "ips" of one NetworkAttachmentDefinition, whose plugin must have the capability "ips" (the static
// IPAM). The pool should have masks, since that plugin configures the address with the mask it is given.
//
// What the Pod's annotation already lists stays: other entries byte for byte, and in the entry of this network every
// field but "ips", which must be missing or what the pool says, masks included where it has them. The comma form
// "namespace/name@interface" becomes JSON, as it has no place for addresses.
type Multus struct {
	// Network is the name of the NetworkAttachmentDefinition. It is required.
	Network string
	// Namespace is where it is; empty is Multus' own default: kube-system for the default network, the Pod's namespace
	// for attachments.
	Namespace string
	// Attachment selects k8s.v1.cni.cncf.io/networks, the additional interfaces, over
	// v1.multus-cni.io/default-network, the first one.
	Attachment bool
	// Interface is the name of an attachment's interface. It is needed where a Pod attaches to the network twice.
	Interface string
}

// attachment is an element of the annotations of Multus, with what this package reads of it.
type attachment struct {
	Name      string   `json:"name"`
	Namespace string   `json:"namespace,omitempty"`
	Interface string   `json:"interface,omitempty"`
	IPs       []string `json:"ips,omitempty"`
}

// addrs returns the addresses without masks in the canonical form.
func (n attachment) addrs() string {
	words := make([]string, len(n.IPs))
	for i, ip := range n.IPs {
		words[i], _, _ = strings.Cut(ip, "/")
	}
	return canonicalWords(words)
}

// has reports whether the addresses are those of t, with the masks that the pool has.
func (n attachment) has(t target) bool {
	if n.addrs() != t.String() {
		return false
	}
	for _, ip := range n.IPs {
		addr, mask, _ := strings.Cut(ip, "/")
		want := t.V6
		if !strings.Contains(addr, ":") {
			want = t.V4
		}
		if !want.IsSingleIP() && mask != strconv.Itoa(want.Bits()) {
			return false
		}
	}
	return true
}

// maskless warns of addresses without a mask: the static IPAM would configure an interface without a subnet.
func (m Multus) maskless(p Pool) *Problem {
	for _, t := range p.tracks() {
		for _, s := range t.segs {
			if first := s.lo.addr(t.is4); s.length == width(t.is4) {
				return warn(CodeBadMask, "%s has no mask, and Multus' plugins configure the one they are given; write the subnet's behind it, as in %s/%d", first, first, width(t.is4)*3/4).
					about(nil, first)
			}
		}
	}
	return nil
}

// prefixes returns the addresses with their masks, in the order that is written.
func (n attachment) prefixes() string {
	words := make([]string, len(n.IPs))
	for i, ip := range n.IPs {
		addr, mask, _ := strings.Cut(ip, "/")
		words[i] = canonicalWords([]string{addr}) + "/" + mask
	}
	return strings.Join(words, ",")
}

func (m Multus) key() string {
	if m.Attachment {
		return "k8s.v1.cni.cncf.io/networks"
	}
	return "v1.multus-cni.io/default-network"
}

// matches reports whether n, in the annotation of an object in podNamespace, is the network of m.
func (m Multus) matches(n attachment, podNamespace string) bool {
	home := "kube-system"
	if m.Attachment {
		home = podNamespace
	}
	return n.Name == m.Network && cmp.Or(n.Namespace, home) == cmp.Or(m.Namespace, home) &&
		(m.Interface == "" || n.Interface == m.Interface)
}

func (m Multus) render(t target, have map[string]string) (map[string]string, *Problem) {
	if p := m.validate(); p != nil {
		return nil, p
	}
	raws, err := splitNetworks(have[m.key()])
	if err != nil {
		return nil, m.unreadable(have, "neither a JSON list of networks nor namespace/name@interface; correct it", err)
	}
	mine := -1
	for i, raw := range raws {
		n, err := readAttachment(raw)
		if err != nil {
			return nil, m.unreadable(have, "has an entry that is no network; correct it", err)
		}
		switch {
		case !m.matches(n, t.namespace):
		case mine >= 0:
			return nil, m.unreadable(have, "attaches to "+m.Network+" more than once; name the interface in the options", nil)
		case len(n.IPs) == 0:
			mine = i
		case n.has(t):
			return nil, nil
		default:
			p := alreadySet(m.key(), have[m.key()], t)
			p.Message = fmt.Sprintf("already set, but ordinal %d owns %s; remove the addresses, they are written at creation", t.ordinal, strings.Join(t.texts(true), ","))
			return nil, p
		}
	}
	switch {
	case mine >= 0:
		raws[mine] = withIPs(raws[mine], t.texts(true))
	case !m.Attachment && len(raws) > 0:
		// A Pod has one default network, and it is another one.
		return nil, alreadySet(m.key(), have[m.key()], t)
	default:
		added := attachment{Name: m.Network, Namespace: m.Namespace, Interface: m.Interface, IPs: t.texts(true)}
		raws = append(raws, json.RawMessage(mustJSON(added)))
	}
	return map[string]string{m.key(): joinRaw(raws)}, nil
}

func (m Multus) unreadable(have map[string]string, message string, err error) *Problem {
	p := refuse(CodeBadAnnotation, "%s", message)
	p.Key, p.Value, p.Err = m.key(), shorten(have[m.key()]), err
	return p
}

// claims joins the addresses of all entries for this network: they are one annotation, so one claim.
func (m Multus) claims(namespace string, have map[string]string) []claim {
	raws, err := splitNetworks(have[m.key()])
	if err != nil {
		return nil
	}
	var all []string
	for _, raw := range raws {
		n, err := readAttachment(raw)
		if err == nil && len(n.IPs) > 0 && m.matches(n, namespace) {
			all = append(all, n.prefixes())
		}
	}
	if all == nil {
		return nil
	}
	return []claim{{m.key(), strings.Join(all, ";"), true}}
}

func (m Multus) additional() bool { return m.Attachment }

func (m Multus) validate() *Problem {
	if m.Network == "" {
		return refuse(CodeBadOptions, "Multus needs the name of a NetworkAttachmentDefinition in Network")
	}
	return nil
}

// splitNetworks returns the elements of an annotation, without reading more of JSON elements than where they end.
func splitNetworks(text string) (raws []json.RawMessage, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	// Multus tells the forms apart by the same characters.
	if strings.ContainsAny(text, `[{"`) {
		b := []byte(text)
		if start := afterSpace(b, 0); start < len(b) && b[start] == '[' && json.Valid(b) {
			return elements(b), nil
		}
		err = json.Unmarshal(b, &raws)
		return raws, err
	}
	for part := range strings.SplitSeq(text, ",") {
		var n attachment
		name, iface, _ := strings.Cut(strings.TrimSpace(part), "@")
		if namespace, rest, ok := strings.Cut(name, "/"); ok {
			n.Namespace, name = namespace, rest
		}
		n.Name, n.Interface = name, iface
		raws = append(raws, json.RawMessage(mustJSON(n)))
	}
	return raws, nil
}

// readAttachment reads an element of a list. Most have nothing but plain strings where this package looks, and need no
// decoder.
func readAttachment(raw json.RawMessage) (n attachment, err error) {
	if len(raw) > 0 && raw[0] == '{' {
		simple := true
		for name, value := range members(raw) {
			var field *string
			switch {
			case named(name, "name"):
				field = &n.Name
			case named(name, "namespace"):
				field = &n.Namespace
			case named(name, "interface"):
				field = &n.Interface
			case !named(name, "ips"):
				continue
			}
			text, ok := plain(value)
			if simple = ok && field != nil; !simple {
				break
			}
			*field = string(text)
		}
		if simple {
			return n, nil
		}
	}
	n = attachment{}
	err = json.Unmarshal(raw, &n)
	return n, err
}

// withIPs replaces the field "ips" of a JSON object and leaves the other fields, known or not, as and where they are.
func withIPs(raw json.RawMessage, ips []string) json.RawMessage {
	out := append(make([]byte, 0, len(raw)+64), '{')
	for name, value := range members(raw) {
		if !named(name, "ips") {
			out = append(append(out, name...), ':')
			out = append(append(out, value...), ',')
		}
	}
	out = append(append(out, `"ips":["`...), strings.Join(ips, `","`)...)
	return append(out, `"]}`...)
}

func joinRaw(raws []json.RawMessage) string {
	parts := make([][]byte, len(raws))
	for i, raw := range raws {
		parts[i] = raw
	}
	return "[" + string(bytes.Join(parts, []byte(","))) + "]"
}
