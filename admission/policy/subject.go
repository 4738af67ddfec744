package policy

import (
	"iter"
	"reflect"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Subject is what a check looks at: a Pod, or the Pod template of a workload. Make it with [SubjectOf]. A check must
// not change what Meta and Spec point to.
type Subject struct {
	// Kind is the object's kind: Pod, Deployment, CronJob …
	Kind string
	// Template says that Meta and Spec are those of a Pod template. The API server defaults Pods further than
	// templates: in a template, requests are not yet filled in from limits, nor host ports from hostNetwork.
	Template bool
	// LongRunning says that the Pod is meant to run until it is replaced: those of a Deployment, StatefulSet,
	// DaemonSet, ReplicaSet or ReplicationController are, those of a Job or CronJob are not. A bare Pod or a
	// PodTemplate is when its restartPolicy is Always (the default) and no Job owns it.
	LongRunning bool
	// Meta is the metadata of the Pod or of the template, not that of the workload. Never nil.
	Meta *metav1.ObjectMeta
	// Spec is the Pod's or the template's. Never nil.
	Spec *corev1.PodSpec
	// Path is where Spec is: "spec", "spec.template.spec", "spec.jobTemplate.spec.template.spec".
	Path string
}

// SubjectOf returns the subject in obj: a pointer to a Pod, PodTemplate or ReplicationController (v1), a Deployment,
// StatefulSet, DaemonSet or ReplicaSet (apps/v1), a Job or CronJob (batch/v1). It returns false for anything else, for
// a nil pointer and for a ReplicationController without a template. The subject points into obj.
func SubjectOf(obj metav1.Object) (Subject, bool) {
	if v := reflect.ValueOf(obj); v.Kind() != reflect.Pointer || v.IsNil() {
		return Subject{}, false
	}
	switch o := obj.(type) {
	case *corev1.Pod:
		return podSubject(o), true
	case *corev1.PodTemplate:
		s := templateSubject("PodTemplate", "template.spec", false, &o.Template)
		s.LongRunning = restartsAlways(s.Spec)
		return s, true
	case *corev1.ReplicationController:
		if o.Spec.Template == nil {
			return Subject{}, false
		}
		return templateSubject("ReplicationController", "spec.template.spec", true, o.Spec.Template), true
	case *appsv1.Deployment:
		return templateSubject("Deployment", "spec.template.spec", true, &o.Spec.Template), true
	case *appsv1.StatefulSet:
		return templateSubject("StatefulSet", "spec.template.spec", true, &o.Spec.Template), true
	case *appsv1.DaemonSet:
		return templateSubject("DaemonSet", "spec.template.spec", true, &o.Spec.Template), true
	case *appsv1.ReplicaSet:
		return templateSubject("ReplicaSet", "spec.template.spec", true, &o.Spec.Template), true
	case *batchv1.Job:
		return templateSubject("Job", "spec.template.spec", false, &o.Spec.Template), true
	case *batchv1.CronJob:
		return templateSubject("CronJob", "spec.jobTemplate.spec.template.spec", false, &o.Spec.JobTemplate.Spec.Template), true
	}
	return Subject{}, false
}

func podSubject(p *corev1.Pod) Subject {
	return Subject{
		Kind:        "Pod",
		LongRunning: restartsAlways(&p.Spec) && !ownedByJob(&p.ObjectMeta),
		Meta:        &p.ObjectMeta,
		Spec:        &p.Spec,
		Path:        "spec",
	}
}

func templateSubject(kind, path string, longRunning bool, t *corev1.PodTemplateSpec) Subject {
	return Subject{
		Kind:        kind,
		Template:    true,
		LongRunning: longRunning,
		Meta:        &t.ObjectMeta,
		Spec:        &t.Spec,
		Path:        path,
	}
}

func restartsAlways(spec *corev1.PodSpec) bool {
	return spec.RestartPolicy == corev1.RestartPolicyAlways || spec.RestartPolicy == ""
}

func ownedByJob(meta *metav1.ObjectMeta) bool {
	for i := range meta.OwnerReferences {
		if o := &meta.OwnerReferences[i]; o.Kind == "Job" && strings.HasPrefix(o.APIVersion, "batch/") {
			return true
		}
	}
	return false
}

// ContainerKind tells the ways apart in which a container takes part in a Pod.
type ContainerKind string

// The kinds of containers.
const (
	Init      ContainerKind = "init"      // runs to its end before the Pod's containers start
	Sidecar   ContainerKind = "sidecar"   // an init container with restartPolicy Always: runs beside the containers
	App       ContainerKind = "app"       // one of spec.containers
	Ephemeral ContainerKind = "ephemeral" // added to a running Pod for debugging
)

// Container is a container of a [Subject], with its place. Of an ephemeral container it shows the fields that it
// shares with the others, which are all but targetContainerName.
type Container struct {
	*corev1.Container
	Kind ContainerKind

	pod   string // the path of the Pod's spec
	index int
}

// Containers walks over all containers of the Pod, whatever their kind: initContainers, containers,
// ephemeralContainers, each in the order of the list. A check that walks otherwise will miss the kinds that are easily
// forgotten, and what hides in them.
func (s Subject) Containers() iter.Seq[Container] {
	return func(yield func(Container) bool) {
		for i := range s.Spec.InitContainers {
			c := &s.Spec.InitContainers[i]
			if !yield(Container{c, initKind(c), s.Path, i}) {
				return
			}
		}
		for i := range s.Spec.Containers {
			if !yield(Container{&s.Spec.Containers[i], App, s.Path, i}) {
				return
			}
		}
		for i := range s.Spec.EphemeralContainers {
			c := (*corev1.Container)(&s.Spec.EphemeralContainers[i].EphemeralContainerCommon)
			if !yield(Container{c, Ephemeral, s.Path, i}) {
				return
			}
		}
	}
}

func initKind(c *corev1.Container) ContainerKind {
	if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
		return Sidecar
	}
	return Init
}

// Field is the path of a field of the container: Field("image") is spec.containers[app].image, or
// spec.containers[0].image when the container has no name. Field("") is the path of the container.
func (c Container) Field(name string) string {
	path := element(c.pod+"."+c.list(), c.Name, c.index)
	if name != "" {
		path += "." + name
	}
	return path
}

func (c Container) list() string {
	switch c.Kind {
	case Init, Sidecar:
		return "initContainers"
	case Ephemeral:
		return "ephemeralContainers"
	}
	return "containers"
}

// element is the path of a list's element, by its key or, without one, by its index.
func element(list, key string, index int) string {
	if key == "" {
		key = strconv.Itoa(index)
	}
	return list + "[" + key + "]"
}
