package staticip

import (
	"reflect"
	"slices"
	"strings"
)

const defaultPrefix = "staticip.kubewright.io"

// Options are what the users of one cluster agree on. The zero value works: annotations below staticip.kubewright.io,
// Calico, StatefulSets of the group apps. Every function that takes Options accepts any value of them and reports what
// is wrong when it meets it; call [Options.Validate] once at the start to know before.
type Options struct {
	// Prefix is the domain of the annotations <prefix>/pool and <prefix>/first-ordinal; empty is
	// staticip.kubewright.io.
	Prefix string
	// Mask4 and Mask6 are the prefix lengths of pool items that are written without one. 0 is the full length. Only
	// renderers that need a mask, such as Multus, show them.
	Mask4, Mask6 int
	// Renderer writes the annotations of the CNI. Nil is [Calico].
	Renderer Renderer
	// OwnerKinds are further owners whose Pods are named <owner>-<ordinal>, as "group/Kind". OpenKruise's Advanced
	// StatefulSet is "apps.kruise.io/StatefulSet".
	OwnerKinds []string
}

// PoolKey is the annotation that holds the pool. A Pod, or another workload, that carries it wants a fixed address,
// unless its value is "none": see [CheckUpdate].
func (o Options) PoolKey() string { return o.domain() + "/pool" }

// Asks reports whether any of these annotations, those of an object and of its template, ask for a fixed address: a pool
// is written there, right or wrong, and not "none".
func (o Options) Asks(annotations ...map[string]string) bool {
	k := o.keys()
	return slices.ContainsFunc(annotations, func(set map[string]string) bool { return k.section(set).asked })
}

// firstKey is the annotation that says which ordinal owns the first address. It stands beside the pool and is not
// spec.ordinals.start, because that field may be edited while Pods run.
func (o Options) firstKey() string { return o.domain() + "/first-ordinal" }

func (o Options) domain() string {
	if o.Prefix == "" {
		return defaultPrefix
	}
	return o.Prefix
}

func (o Options) renderer() Renderer {
	if o.Renderer == nil {
		return Calico{}
	}
	if v := reflect.ValueOf(o.Renderer); v.Kind() == reflect.Pointer && v.IsNil() {
		return noRenderer{}
	}
	return o.Renderer
}

// noRenderer stands for a pointer to nothing.
type noRenderer struct{}

func (noRenderer) render(target, map[string]string) (map[string]string, *Problem) {
	return nil, noRenderer{}.validate()
}

func (noRenderer) claims(string, map[string]string) []claim { return nil }

func (noRenderer) validate() *Problem {
	return refuse(CodeBadOptions, "the renderer is a pointer to nothing; give one such as Calico{}, or nil for that")
}

// allows reports whether Pods of this owner have ordinals.
func (o Options) allows(group, kind string) bool {
	return group == "apps" && kind == "StatefulSet" || slices.Contains(o.OwnerKinds, group+"/"+kind)
}

// Validate returns every problem of the options, each with [CodeBadOptions], or nil.
func (o Options) Validate() error {
	var problems Problems
	bad := func(format string, args ...any) {
		problems = append(problems, *refuse(CodeBadOptions, format, args...))
	}
	if !isDomain(o.domain()) {
		bad("prefix %q is not a DNS name; write one such as %s", o.Prefix, defaultPrefix)
	}
	for _, is4 := range []bool{true, false} {
		if length := (masks{o.Mask4, o.Mask6}).raw(is4); length < 0 || length > width(is4) {
			bad("%s mask is %d; write 1 to %d, or 0 for none", familyName(is4), length, width(is4))
		}
	}
	for _, kind := range o.OwnerKinds {
		if group, name, _ := strings.Cut(kind, "/"); group == "" || name == "" || strings.Contains(name, "/") {
			bad("owner kind %q is not group/Kind; write one such as apps.kruise.io/StatefulSet", kind)
		}
	}
	if p := o.renderer().validate(); p != nil {
		problems = append(problems, *p)
	}
	return problems.on("options", "").Err()
}

// isKey reports whether s can be the key of an annotation, with or without a prefix.
func isKey(s string) bool {
	name := s
	if domain, rest, prefixed := strings.Cut(s, "/"); prefixed {
		if !isDomain(domain) {
			return false
		}
		name = rest
	}
	const ends = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return name != "" && len(name) <= 63 && strings.Trim(name, ends+"-_.") == "" &&
		strings.ContainsRune(ends, rune(name[0])) && strings.ContainsRune(ends, rune(name[len(name)-1]))
}

// isDomain reports whether s can be the prefix of an annotation key.
func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}
