package sidecar

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// DefaultPrefix is the domain of the annotations where [New] is given none.
const DefaultPrefix = "sidecar.kubewright.io"

// Injector is one feature that Pods can ask for: [Filebeat], [LXCFS], [FakeTime], [CPUCount], [TimeZone], [HostAliases],
// [Debug] or [Sidecar]. Its fields are the platform's configuration.
type Injector interface {
	// Name says which injector it is in [Outcome] and [Namespace]: "log", "lxcfs", "sidecar.<name>" …
	Name() string
	// validate reports what is wrong with the configuration.
	validate() []error
	// keys are the annotations that the injector knows.
	keys() []Key
	// asked reports whether the Pod wants it.
	asked(v *values) bool
	// inject does the work on a Pod that nothing of ours is in.
	inject(e *edit)
	// rank orders injectors: the result must not depend on the order in which they were given.
	rank() int
}

// Set is a number of injectors that know Pods by their annotations. Make it with [New]. It is immutable and safe for
// concurrent use.
type Set struct {
	prefix    string
	injectors []Injector // by rank and name
	missing   []Injector // those that Pods can name and the platform has not configured
	schema    schema     // of all injectors there are, configured or not
}

// New makes a Set of injectors for annotations of a domain, [DefaultPrefix] if it is empty. The error has everything
// that is wrong with the configuration. The order of the injectors does not matter.
func New(prefix string, injectors ...Injector) (*Set, error) {
	s := &Set{prefix: cmp.Or(prefix, DefaultPrefix)}
	var errs []error
	if problems := validation.IsDNS1123Subdomain(s.prefix); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("prefix %q: write a domain name such as %s", s.prefix, DefaultPrefix))
	}
	seen := map[string]bool{}
	for _, i := range injectors {
		if i = plain(i); i == nil {
			errs = append(errs, errors.New("an injector is nil"))
			continue
		}
		if seen[i.Name()] {
			errs = append(errs, fmt.Errorf("%s is given twice", i.Name()))
		}
		seen[i.Name()] = true
		for _, err := range i.validate() {
			errs = append(errs, fmt.Errorf("%s: %w", i.Name(), err))
		}
		s.injectors = append(s.injectors, i)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	slices.SortFunc(s.injectors, func(a, b Injector) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, i := range builtins() {
		if !seen[i.Name()] {
			s.missing = append(s.missing, i)
		}
	}
	s.schema = newSchema(s.prefix, s.injectors)
	return s, nil
}

// plain is an injector as a value: what is behind a pointer could be changed later. It is nil if there is none.
func plain(i Injector) Injector {
	v := reflect.ValueOf(i)
	if v.Kind() != reflect.Pointer {
		return i
	}
	if v.IsNil() {
		return nil
	}
	if value, ok := reflect.TypeAssert[Injector](v.Elem()); ok {
		return value
	}
	return i
}

// maxContainers is more than a node can run for one Pod. Each of ours is looked for among the user's, and nobody has
// counted those before admission.
const maxContainers = 1000

// builtins is one injector of each kind that a Pod can name without the platform having configured it.
func builtins() []Injector {
	return []Injector{CPUCount{}, Debug{}, FakeTime{}, Filebeat{}, HostAliases{}, LXCFS{}, TimeZone{}}
}

// Namespace is what the caller knows of where the Pod goes; the zero value is that nothing is known. It is a value of
// the caller and not read from the Pod, because Pods reach admission without their namespace.
type Namespace struct {
	// Level is the Pod Security level that is enforced. Features that it forbids are skipped.
	Level Level
	// Defaults are annotations, prefix included, that count where the Pod has none of that key. Keys of other domains
	// are ignored, so the annotations of a Namespace or of an owner can be passed as they are.
	Defaults map[string]string
	// Disabled names injectors that are off here.
	Disabled []string
}

// Apply returns the Pod with everything its annotations ask for, and says what was done. The Pod that is given is not
// modified, and the result shares nothing with it.
//
// A Pod that was through Apply before comes back as it is, or brought up to date where its annotations, the
// configuration or its containers have changed since. A Pod without annotations of the Set's domain comes back
// unchanged, whatever else is in it.
//
// The error joins one [*AnnotationError] for each annotation that cannot be done, sorted by key; nothing is applied
// then. What is skipped for a good reason is no error but in the [Outcome].
func (s *Set) Apply(pod *corev1.Pod, ns Namespace) (*corev1.Pod, Outcome, error) {
	v := s.schema.read(pod.Annotations, ns.Defaults)
	text, injected := pod.Annotations[s.prefix+"/"+recordKey]
	if len(v.typed) == 0 && !injected && len(v.problems) == 0 {
		return pod.DeepCopy(), Outcome{}, nil
	}
	rec, err := s.readRecord(text, injected)
	if err != nil {
		v.problems = append(v.problems, err)
	}
	if v.optedOut() { // also of defaults that are wrong
		v.problems = slices.DeleteFunc(v.problems, func(p *AnnotationError) bool { return p.Default })
	}
	if err := v.problems.err(); err != nil {
		return nil, Outcome{}, err
	}
	if n := len(pod.Spec.Containers) + len(pod.Spec.InitContainers); n > maxContainers {
		first := append(sortedKeys(v.text), recordKey)[0]
		v.refuse(first, fmt.Sprintf("the Pod has %d containers; write at most %d, or remove the annotation", n, maxContainers))
		return nil, Outcome{}, v.problems.err()
	}
	base := pod.DeepCopy()
	if injected {
		rec.eject(base, s.prefix)
	}
	e := newEdit(base, s.prefix, v, ns, rec)
	s.inject(e)
	e.finish()
	if err := e.problems.err(); err != nil {
		return nil, Outcome{}, err
	}
	if injected {
		rec.restore(pod, e)
	}
	return base, e.outcome, nil
}

func (s *Set) inject(e *edit) {
	reason, detail := e.hopeless()
	if e.values.optedOut() {
		reason, detail = ReasonOptedOut, s.prefix+"/"+optKey+" is false"
	}
	duplicate := e.duplicate()
	if reason != ReasonOptedOut {
		s.schema.requireTriggers(e.values, s.injectors...)
	}
	for _, i := range s.injectors {
		if !i.asked(e.values) {
			continue
		}
		switch {
		case reason != "":
			e.skip(i.Name(), reason, detail)
		case slices.Contains(e.ns.Disabled, i.Name()):
			e.skip(i.Name(), ReasonDisabled, "it is off in this namespace")
		case duplicate != "":
			e.refuse(i.keys()[0].Name, "the Pod has two containers or two volumes named %q, so it can't be said which is meant; rename one", duplicate)
		default:
			i.inject(e)
		}
	}
	for _, i := range s.missing {
		if i.asked(e.values) {
			e.skip(i.Name(), ReasonNotConfigured, "this cluster does not have it")
		}
	}
	e.problems = append(e.problems, e.values.problems...)
}

// Eject returns the Pod without what [Set.Apply] added, exactly as it was before: what others changed since stays. It
// needs no configuration but the prefix and what [Sidecar] and [CPUCount] name, because the Pod carries a record of what
// was done, in which only names that the Set can give count. The error is a record that can't be read.
func (s *Set) Eject(pod *corev1.Pod) (*corev1.Pod, error) {
	text, injected := pod.Annotations[s.prefix+"/"+recordKey]
	rec, err := s.readRecord(text, injected)
	if err != nil {
		return nil, err
	}
	out := pod.DeepCopy()
	if injected {
		rec.eject(out, s.prefix)
	}
	return out, nil
}

// Keys are all annotations that Pods may carry under the Set's prefix, those of features that are not configured
// included, sorted by name.
func (s *Set) Keys() []Key { return slices.Clone(s.schema.list) }

// sortedKeys is the keys of a map in order, because no output may depend on that of the map.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
