package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/staticip"
)

// staticIP is the section that gives Pods of StatefulSets the addresses that an annotation lists: package staticip as
// an admission webhook, and what "plan" takes for granted about the cluster.
type staticIP struct {
	Enabled         bool            `json:"enabled"`
	Prefix          string          `json:"prefix"`
	Renderer        string          `json:"renderer"`
	RendererOptions json.RawMessage `json:"rendererOptions"`
	OwnerKinds      []string        `json:"ownerKinds"`
	Masks           struct {
		IPv4 int `json:"ipv4"`
		IPv6 int `json:"ipv6"`
	} `json:"masks"`
	Network networkConfig `json:"network"`

	sets setReader // where StatefulSets are read: set before a handler is made that answers
}

// networkConfig is what the webhook knows of the cluster's addresses.
type networkConfig struct {
	Blocks []struct {
		Name     string `json:"name"`
		CIDR     cidr   `json:"cidr"`
		Disabled bool   `json:"disabled"`
		Manual   bool   `json:"manual"`
	} `json:"blocks"`
	Reserved []struct {
		Name string `json:"name"`
		CIDR cidr   `json:"cidr"`
	} `json:"reserved"`
	DualStack      bool `json:"dualStack"`
	StrictAffinity bool `json:"strictAffinity"`
}

// cidr is a block, or a single address.
type cidr struct{ netip.Prefix }

func (c *cidr) UnmarshalText(text []byte) error {
	p, err := parseCIDR(string(text))
	c.Prefix = p
	return err
}

func parseCIDR(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a block such as 10.0.0.0/16", text)
	}
	return p, nil
}

func (n *networkConfig) network() staticip.Network {
	out := staticip.Network{DualStack: n.DualStack, StrictAffinity: n.StrictAffinity}
	for _, b := range n.Blocks {
		out.Blocks = append(out.Blocks, staticip.Block{Name: b.Name, Prefix: b.CIDR.Prefix, Disabled: b.Disabled, Manual: b.Manual})
	}
	for _, b := range n.Reserved {
		out.Reserved = append(out.Reserved, staticip.Block{Name: b.Name, Prefix: b.CIDR.Prefix})
	}
	return out
}

// addTo registers nothing while the section is off, but looks at it all the same: switching it on must not be a surprise.
func (s *staticIP) addTo(f *functions) error {
	a, err := s.addresses()
	if err != nil || !s.Enabled {
		return err
	}
	f.registrations = append(f.registrations, a.registrations()...)
	return nil
}

// addresses is the section with everything read and checked.
func (s *staticIP) addresses() (*addresses, error) {
	kinds, errs := s.setKinds()
	renderer, err := newRenderer(s.Renderer, s.RendererOptions)
	a := &addresses{
		options: staticip.Options{Prefix: s.Prefix, Mask4: s.Masks.IPv4, Mask6: s.Masks.IPv6, Renderer: renderer},
		network: s.Network.network(),
		kinds:   kinds,
		sets:    s.sets,
	}
	for _, gvk := range kinds[1:] {
		a.options.OwnerKinds = append(a.options.OwnerKinds, gvk.Group+"/"+gvk.Kind)
	}
	errs = append(errs, err, a.options.Validate(), staticip.Plan(nil, a.network, a.options).Problems.Err())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("staticIP: %w", err)
	}
	return a, nil
}

// setKinds are the kinds whose Pods have ordinals, StatefulSet first. The version, which package staticip does not ask
// for, is the one in which the API server is to show objects to the webhook.
func (s *staticIP) setKinds() (kinds setKinds, errs []error) {
	kinds = setKinds{appsv1.SchemeGroupVersion.WithKind("StatefulSet")}
	for _, text := range s.OwnerKinds {
		parts := strings.Split(text, "/")
		if len(parts) != 3 || slices.Contains(parts, "") {
			errs = append(errs, fmt.Errorf("ownerKinds: %q is not group/version/Kind; write one such as apps.kruise.io/v1beta1/StatefulSet", text))
			continue
		}
		kinds = append(kinds, schema.GroupVersionKind{Group: parts[0], Version: parts[1], Kind: parts[2]})
	}
	return kinds, errs
}

// setKinds are kinds whose Pods have ordinals.
type setKinds []schema.GroupVersionKind

// has reports whether a kind is among them, in whatever version.
func (k setKinds) has(gk schema.GroupKind) bool {
	return slices.ContainsFunc(k, func(gvk schema.GroupVersionKind) bool { return gvk.GroupKind() == gk })
}

// behind returns the kind of which objects are found under a resource.
func (k setKinds) behind(group, resource string) (schema.GroupVersionKind, bool) {
	for _, gvk := range k {
		if gvk.Group == group && resourceOf(gvk).Resource == resource {
			return gvk, true
		}
	}
	return schema.GroupVersionKind{}, false
}

func resourceOf(gvk schema.GroupVersionKind) schema.GroupVersionResource {
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return plural
}
