package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"path"
	"strings"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// filter selects objects: by their keys, before a value is read, and by what is in them.
type filter struct {
	prefix, resource, namespace, name, kind, labels string

	requirements []requirement
}

func (f *filter) add(fs *flag.FlagSet) {
	fs.StringVar(&f.prefix, "prefix", "", "only keys that begin with this, /registry/pods/ say")
	fs.StringVar(&f.resource, "resource", "", "only this resource: pods, deploy, widgets.example.com")
	fs.StringVar(&f.namespace, "n", "", "only this namespace")
	fs.StringVar(&f.name, "name", "", "only names that match this pattern: web-*")
	fs.StringVar(&f.kind, "kind", "", "only this kind: Pod")
	fs.StringVar(&f.labels, "labels", "", "only objects with these labels: app=web,tier!=db,canary,!legacy")
}

// requirement is one part of a label selector.
type requirement struct {
	key, value string
	equal      bool // to value, or there at all
	hasValue   bool
}

// check parses what flags can't.
func (f *filter) check() error {
	if _, err := path.Match(f.name, ""); err != nil {
		return fmt.Errorf("--name %q: no valid pattern", f.name)
	}
	if f.labels == "" {
		return nil
	}
	for part := range strings.SplitSeq(f.labels, ",") {
		r := requirement{equal: true}
		switch key, value, ok := strings.Cut(part, "="); {
		case ok:
			r.equal = !strings.HasSuffix(key, "!")
			r.key, r.value, r.hasValue = strings.TrimRight(key, "!="), strings.TrimPrefix(value, "="), true
		default:
			r.key, r.equal = strings.TrimPrefix(part, "!"), !strings.HasPrefix(part, "!")
		}
		if r.key == "" {
			return errors.New("--labels: a part without a key; write app=web,tier!=db,canary,!legacy")
		}
		f.requirements = append(f.requirements, r)
	}
	return nil
}

// query pushes down what the key can tell.
func (f *filter) query(rev int64) etcddb.Query {
	q := etcddb.Query{Revision: rev, Prefix: f.prefix}
	if f.resource == "" && f.namespace == "" && f.name == "" {
		return q
	}
	resource, group, _ := strings.Cut(f.resource, ".")
	resources := plural(resource)
	q.Match = func(key []byte) bool {
		k, ok := etcddecode.ParseKey(string(key))
		if !ok {
			return false
		}
		// Keys of built-in kinds lack the group.
		if f.resource != "" && (k.Resource != resource && k.Resource != resources || group != "" && k.Group != "" && k.Group != group) {
			return false
		}
		if f.namespace != "" && (len(k.Rest) != 2 || k.Rest[0] != f.namespace) {
			return f.namespace == k.Rest[0] && k.Resource == "namespaces"
		}
		return f.name == "" || matches(f.name, k.Rest[len(k.Rest)-1])
	}
	return q
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// accepts looks at what only the object tells.
func (f *filter) accepts(o *etcddecode.Object) bool {
	if f.kind != "" && !strings.EqualFold(f.kind, o.Kind) {
		return false
	}
	if len(f.requirements) == 0 {
		return true
	}
	labels := maps.Collect(o.Labels())
	for _, r := range f.requirements {
		value, there := labels[r.key]
		if there && (!r.hasValue || value == r.value) != r.equal || !there && r.equal {
			return false
		}
	}
	return true
}
