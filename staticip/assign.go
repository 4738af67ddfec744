package staticip

// Assign returns the annotations to set on a Pod so that its CNI gives it the address of its ordinal: nil when the
// workload asks for no pool, or when the Pod carries them already. So a second call with the result applied changes
// nothing.
//
// w must be the StatefulSet that controls the Pod, read live: a cached one may have an older pool, and so another
// address. It is compared with the Pod's owner reference by UID. The pool that counts is that of w as it is now, also
// when the Pod's own copy of the annotation is from an older revision of the template. Where w has no pool any more,
// that copy counts: while the pool is rolled out of the template, the controller still makes Pods of the old revision,
// and waits for them, so to refuse them would stop the rollout for good. "none" in place of the pool of w is for all.
//
// The error, of type [Problems], says why the Pod can have no fixed address; then it must not be created, because it
// would get a random one.
func Assign(pod Pod, w Workload, opts Options) (map[string]string, error) {
	s, problems := read(w, opts)
	if err := problems.on(w.String(), "").Err(); err != nil {
		return nil, err
	}
	if !s.asked && !s.released {
		k := opts.keys()
		if s.placement, problems = k.parse(k.section(pod.Annotations)); problems.Err() != nil {
			return nil, problems.on(pod.String(), k.pool).Err()
		}
	}
	if s.pool.IsZero() {
		return nil, nil
	}
	owner, ordinal, err := Identify(pod, opts)
	if err != nil {
		return nil, err
	}
	if owner.UID != w.UID || owner.Name != w.Name || pod.Namespace != w.Namespace {
		p := refuse(CodeOwnerUID, "%s has UID %q, but the Pod is controlled by %s with UID %q: it was recreated; try again", w, w.UID, owner.Name, owner.UID)
		return nil, p.err(pod.String())
	}
	if pod.HostNetwork {
		return nil, hostNetwork("Pod").err(pod.String())
	}
	a, complete := s.at(ordinal)
	if !complete {
		return nil, s.capacity([]Span{{ordinal, ordinal}}, opts).on(pod.String(), opts.PoolKey()).Err()
	}
	t := target{pod.Namespace, w.Name, pod.Name, ordinal, a}
	annotations, p := opts.renderer().render(t, pod.Annotations)
	if p != nil {
		return nil, p.err(pod.String())
	}
	return annotations, nil
}

func hostNetwork(what string) *Problem {
	return refuse(CodeHostNetwork, "the %s uses hostNetwork: no CNI is called, so it has the node's address; remove hostNetwork or the pool", what)
}

// CheckPodUpdate refuses an update of a Pod that changes what its CNI was asked for. The CNI reads the annotation at
// each start of the sandbox, also after a reboot of the node, so an edit would change the address later and silently.
// Pods that no StatefulSet controls, and Pods that ask for no address yet, may be changed. Annotations that the
// renderer writes beside the address must stay too; what was not there may be added, as Kube-OVN itself does.
func CheckPodUpdate(old, updated Pod, opts Options) Problems {
	if owner := old.controller(); !opts.allows(owner.group(), owner.Kind) {
		return nil
	}
	r := opts.renderer()
	before := r.claims(old.Namespace, old.Annotations)
	if before == nil {
		return nil
	}
	values := claimValues(r.claims(old.Namespace, updated.Annotations))
	var problems Problems
	for _, c := range before {
		if value, ok := values[c.key]; !ok || value != c.value {
			problems = append(problems, *immutable(c.key, updated.Annotations[c.key], old.Annotations[c.key]))
		}
		delete(values, c.key)
	}
	for _, key := range sortedKeys(values) {
		problems = append(problems, *immutable(key, values[key], ""))
	}
	if b, ok := r.(besideRenderer); ok {
		for _, key := range b.beside() {
			if value, had := old.Annotations[key]; had && updated.Annotations[key] != value {
				problems = append(problems, *immutable(key, updated.Annotations[key], value))
			}
		}
	}
	return problems.on(old.String(), "")
}

func immutable(key, value, old string) *Problem {
	instead := "remove it"
	if old != "" {
		instead = "keep " + shorten(old)
	}
	p := refuse(CodeImmutable, "the address of a Pod cannot change while it runs; %s, or change the pool and delete the Pod", instead)
	p.Key, p.Value = key, shorten(value)
	return p
}
