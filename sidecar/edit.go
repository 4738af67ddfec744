package sidecar

import (
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
)

// edit is a Pod that is being worked on. Everything that injectors add goes through it: it never overwrites what the
// user wrote, and it writes the record. What it is given becomes part of the Pod, so injectors copy what is theirs.
type edit struct {
	pod      *corev1.Pod
	values   *values
	ns       Namespace
	prefix   string
	outcome  Outcome
	problems problems
	record   record
	before   *record // of an earlier pass

	users, initUsers int // how many containers are the user's: ours come behind them
	class            corev1.PodQOSClass
}

func newEdit(pod *corev1.Pod, prefix string, v *values, ns Namespace, before *record) *edit {
	e := &edit{
		pod: pod, prefix: prefix, values: v, ns: ns, before: before,
		users: len(pod.Spec.Containers), initUsers: len(pod.Spec.InitContainers),
		class: qosClass(&pod.Spec),
	}
	switch {
	case e.isApp(before.Main):
		e.record.Main = before.Main
	case e.users > 0:
		e.record.Main = pod.Spec.Containers[0].Name
	}
	return e
}

// main is the container that counts as the application, or nil if the Pod has none.
func (e *edit) main() *corev1.Container { return e.container(e.record.Main) }

// isApp reports whether a container of the user's is no init container.
func (e *edit) isApp(name string) bool {
	return slices.ContainsFunc(e.containers(), func(c *corev1.Container) bool { return c.Name == name })
}

// containers are the user's own ones that run beside each other.
func (e *edit) containers() []*corev1.Container { return pointers(e.pod.Spec.Containers[:e.users]) }

// allContainers are the user's own, init containers first.
func (e *edit) allContainers() []*corev1.Container {
	return append(pointers(e.pod.Spec.InitContainers[:e.initUsers]), e.containers()...)
}

func pointers(list []corev1.Container) []*corev1.Container {
	out := make([]*corev1.Container, len(list), len(list)+1)
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

func (e *edit) container(name string) *corev1.Container {
	for _, c := range e.allContainers() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// hopeless says why nothing can be injected, if so.
func (e *edit) hopeless() (Reason, string) {
	spec := &e.pod.Spec
	windows := spec.OS != nil && spec.OS.Name == corev1.Windows || spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows) ||
		spec.SecurityContext != nil && spec.SecurityContext.WindowsOptions != nil
	switch _, mirror := e.pod.Annotations[corev1.MirrorPodAnnotationKey]; {
	case mirror:
		return ReasonMirror, "it mirrors a static Pod"
	case windows:
		return ReasonWindows, "the Pod is for Windows"
	}
	return "", ""
}

func (e *edit) refuse(key, format string, args ...any) {
	e.problems.add(e.values.problem(key, fmt.Sprintf(format, args...)))
}

// setEnv gives a container a variable, before its own so that those can refer to it. One that it has stays.
func (e *edit) setEnv(c *corev1.Container, env corev1.EnvVar) {
	if lastEnv(c, env.Name) != nil {
		return
	}
	in := e.record.in(c.Name)
	c.Env = slices.Insert(c.Env, len(in.Env), env)
	in.Env = append(in.Env, env)
}

// addWord appends a word to a variable that is a list of words. One that comes from elsewhere cannot be appended to.
func (e *edit) addWord(key string, c *corev1.Container, name, w string) {
	env := lastEnv(c, name)
	switch {
	case env == nil:
		e.setEnv(c, corev1.EnvVar{Name: name, Value: w})
	case env.ValueFrom != nil:
		e.refuse(key, "container %s takes %s from elsewhere (valueFrom), so %q can't be appended to it; write its value, or leave this out", c.Name, name, w)
	case slices.Contains(strings.FieldsFunc(env.Value, func(r rune) bool { return r == ' ' || r == ':' && name == preload }), w):
	case env.Value == "":
		e.refuse(key, "container %s sets %s to nothing on purpose, it seems; remove that, or leave this out", c.Name, name)
	default:
		in := e.record.in(c.Name)
		in.replaced(env, w)
		env.Value += " " + w
	}
}

// replaced notes a word that is to be appended. If the variable is one that another injector has just made, it is the
// made one that grows.
func (in *recordIn) replaced(env *corev1.EnvVar, w string) {
	for i := range in.Env {
		if in.Env[i].Name == env.Name {
			in.Env[i].Value += " " + w
			return
		}
	}
	in.Words = append(in.Words, word{env.Name, w})
}

// addMount mounts a volume of ours in a container of the user's, which has nothing at that path.
func (e *edit) addMount(c *corev1.Container, m corev1.VolumeMount) {
	c.VolumeMounts = append(c.VolumeMounts, m)
	in := e.record.in(c.Name)
	in.Mounts = append(in.Mounts, m)
}

// mountAt is the mount at a path, or nil.
func mountAt(c *corev1.Container, path string) *corev1.VolumeMount {
	for i := range c.VolumeMounts {
		if cleanPath(c.VolumeMounts[i].MountPath) == path {
			return &c.VolumeMounts[i]
		}
	}
	return nil
}

// deviceAt reports whether a block device is at a path, where nothing can be mounted then.
func deviceAt(c *corev1.Container, path string) bool {
	return slices.ContainsFunc(c.VolumeDevices, func(d corev1.VolumeDevice) bool { return cleanPath(d.DevicePath) == path })
}

func (e *edit) addVolume(key string, v corev1.Volume) {
	if slices.Contains(e.before.Volumes, v.Name) { // it has stayed for another container that mounts it
		e.pod.Spec.Volumes = without(e.pod.Spec.Volumes, func(o corev1.Volume) bool { return o.Name == v.Name })
	}
	if slices.ContainsFunc(e.pod.Spec.Volumes, func(o corev1.Volume) bool { return o.Name == v.Name }) {
		e.nameTaken(key, "volume", v.Name, e.record.Volumes)
		return
	}
	e.pod.Spec.Volumes = append(e.pod.Spec.Volumes, v)
	e.record.Volumes = append(e.record.Volumes, v.Name)
}

// emptyDir is a volume that lives and dies with the Pod. It has no size limit: exceeding one evicts the Pod.
func emptyDir(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

func (e *edit) free(key, container string) bool {
	for _, list := range [][]corev1.Container{e.pod.Spec.InitContainers, e.pod.Spec.Containers} {
		if slices.ContainsFunc(list, func(c corev1.Container) bool { return c.Name == container }) {
			e.nameTaken(key, "container", container, e.record.Containers, e.record.InitContainers)
			return false
		}
	}
	return true
}

// nameTaken refuses a name that the Pod has, or that another injector has just given.
func (e *edit) nameTaken(key, what, name string, ours ...[]string) {
	if slices.Contains(slices.Concat(ours...), name) {
		e.refuse(key, "it needs a %s named %s, and so does another annotation of the Pod; leave one of the two out", what, name)
		return
	}
	e.refuse(key, "it needs a %s named %s, and the Pod has another of that name; rename that", what, name)
}

func (e *edit) addContainer(key string, c corev1.Container) {
	if e.free(key, c.Name) {
		e.pod.Spec.Containers = append(e.pod.Spec.Containers, c)
		e.record.Containers = append(e.record.Containers, c.Name)
	}
}

func (e *edit) addInitContainer(key string, c corev1.Container) {
	if e.free(key, c.Name) {
		e.pod.Spec.InitContainers = append(e.pod.Spec.InitContainers, c)
		e.record.InitContainers = append(e.record.InitContainers, c.Name)
	}
}

func (e *edit) addPullSecrets(names []string) {
	for _, name := range names {
		if !slices.Contains(e.pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name}) {
			e.pod.Spec.ImagePullSecrets = append(e.pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
			e.record.PullSecrets = append(e.record.PullSecrets, name)
		}
	}
}

// appGrace is how long the user gives the application to end, in seconds.
func (e *edit) appGrace() int64 {
	g := e.pod.Spec.TerminationGracePeriodSeconds
	if e.record.Grace != nil {
		g = e.record.Grace.From
	}
	if g == nil {
		return corev1.DefaultTerminationGracePeriodSeconds
	}
	return max(*g, 1) // the API server makes 1 of what is negative
}

// addGrace lets the Pod end later. Several injectors add up, as they end one after the other.
func (e *edit) addGrace(seconds int64) {
	if seconds == 0 {
		return
	}
	now := e.appGrace()
	if e.record.Grace == nil {
		e.record.Grace = &grace{From: e.pod.Spec.TerminationGracePeriodSeconds, To: now}
	}
	to := e.record.Grace.To
	to += min(seconds, math.MaxInt64-to)
	e.record.Grace.To = to
	e.pod.Spec.TerminationGracePeriodSeconds = &to
}

func (e *edit) annotate(name, text string) {
	if e.pod.Annotations == nil {
		e.pod.Annotations = map[string]string{}
	}
	e.pod.Annotations[e.prefix+"/"+name] = text
	e.record.Annotations = append(e.record.Annotations, name)
}

// finish writes the record, and refuses what cannot be a Pod any more.
func (e *edit) finish() {
	if len(e.outcome.Applied) == 0 {
		return
	}
	text := e.record.encode()
	if e.pod.Annotations == nil {
		e.pod.Annotations = map[string]string{}
	}
	e.pod.Annotations[e.prefix+"/"+recordKey] = text
	total := 0
	for key, value := range e.pod.Annotations {
		total += len(key) + len(value)
	}
	if total > validation.TotalAnnotationSizeLimitB {
		e.problems = append(e.problems, &AnnotationError{
			Key: e.prefix + "/" + recordKey, Message: fmt.Sprintf("all annotations together would have %d bytes, more than the %d that an object may have; shorten them", total, validation.TotalAnnotationSizeLimitB),
		})
	}
}

// duplicate finds a name that is used twice: a Pod with one is not valid, and a record by names would undo the wrong one.
func (e *edit) duplicate() string {
	seen := map[string]bool{}
	for _, c := range e.allContainers() {
		if seen[c.Name] {
			return c.Name
		}
		seen[c.Name] = true
	}
	clear(seen)
	for _, v := range e.pod.Spec.Volumes {
		if seen[v.Name] {
			return v.Name
		}
		seen[v.Name] = true
	}
	return ""
}
