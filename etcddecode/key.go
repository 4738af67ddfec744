package etcddecode

import "strings"

// Key is an etcd key taken apart: /<prefix>/<resource>/[<namespace>/]<name>, with the group after the prefix for
// custom resources, CustomResourceDefinitions and APIServices.
type Key struct {
	Prefix   string // registry, or kubernetes.io and openshift.io for OpenShift
	Group    string // only where the key has it; keys of built-in kinds lack it
	Resource string // plural, in lower case: pods
	// Rest is the segments after the resource: a name, or a namespace and a name. Only the object itself tells, since
	// a custom resource may be either.
	Rest []string
}

// special are the resources that do not stand under their own name
// (k8s.io/kubernetes pkg/kubeapiserver SpecialDefaultResourcePrefixes).
//
//nolint:gochecknoglobals // constant
var special = [][2]string{
	{"controllers", "replicationcontrollers"},
	{"services/endpoints", "endpoints"},
	{"services/specs", "services"},
	{"minions", "nodes"},
	{"ingress", "ingresses"},
}

// ParseKey takes a key apart. ok is false for keys that are no object's: compact_rev_key, and the allocations and
// leases that API servers keep for themselves are objects without a resource.
func ParseKey(key string) (k Key, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) < 4 || parts[0] != "" || parts[1] == "" {
		return Key{}, false
	}
	k.Prefix = parts[1]
	rest := parts[2:]
	// Resources have no dots, groups of custom resources and of the two that are stored likewise have.
	if strings.Contains(rest[0], ".") && len(rest) > 2 {
		k.Group, rest = rest[0], rest[1:]
	}
	k.Resource, k.Rest = rest[0], rest[1:]
	if k.Group == "" {
		joined := strings.Join(rest[:2], "/")
		for _, s := range special {
			switch s[0] {
			case rest[0]:
				k.Resource = s[1]
			case joined:
				k.Resource, k.Rest = s[1], rest[2:]
			}
		}
	}
	return k, len(k.Rest) > 0 && len(k.Rest) <= 2 && k.Rest[len(k.Rest)-1] != ""
}

// String is the key again. The resource name of the API becomes that of the key.
func (k Key) String() string {
	var b strings.Builder
	for _, part := range append([]string{k.Prefix, k.Group, k.storedResource()}, k.Rest...) {
		if part != "" {
			b.WriteByte('/')
			b.WriteString(part)
		}
	}
	return b.String()
}

func (k Key) storedResource() string {
	if k.Group == "" {
		for _, s := range special {
			if s[1] == k.Resource {
				return s[0]
			}
		}
	}
	return k.Resource
}
