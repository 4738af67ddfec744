package sidecar

import (
	"bytes"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
)

// record is what Apply did to a Pod, kept in an annotation: enough to undo it, and to tell what is ours from what is
// the user's. Whatever is no longer as it was left has become somebody else's.
type record struct {
	// Main is the container that counts as the application. Another webhook may have put its own before it since.
	Main           string               `json:"main"`
	Containers     []string             `json:"containers,omitempty"`
	InitContainers []string             `json:"initContainers,omitempty"`
	Volumes        []string             `json:"volumes,omitempty"`
	PullSecrets    []string             `json:"imagePullSecrets,omitempty"`
	HostAliases    []corev1.HostAlias   `json:"hostAliases,omitempty"` // whole entries
	Hostnames      []corev1.HostAlias   `json:"hostnames,omitempty"`   // added to entries of the user's
	ReadinessGates []string             `json:"readinessGates,omitempty"`
	Annotations    []string             `json:"annotations,omitempty"` // names without prefix
	Grace          *grace               `json:"terminationGracePeriodSeconds,omitempty"`
	In             map[string]*recordIn `json:"in,omitempty"` // the user's containers
}

// grace is a change of terminationGracePeriodSeconds.
type grace struct {
	From *int64 `json:"from"` // null where there was none
	To   int64  `json:"to"`
}

// recordIn is what was done to a container of the user's.
type recordIn struct {
	Env    []corev1.EnvVar      `json:"env,omitempty"`
	Words  []word               `json:"words,omitempty"`
	Mounts []corev1.VolumeMount `json:"mounts,omitempty"`
	// Probes that were taken away.
	Liveness *corev1.Probe `json:"livenessProbe,omitempty"`
	Startup  *corev1.Probe `json:"startupProbe,omitempty"`
}

// word is one that was appended to a variable which is a list, such as LD_PRELOAD.
type word struct {
	Name string `json:"name"`
	Word string `json:"word"`
}

// readRecord decodes the annotation. One that was written by hand can be anything.
func (s *Set) readRecord(text string, ok bool) (*record, *AnnotationError) {
	rec := &record{}
	if !ok {
		return rec, nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	err := d.Decode(rec)
	if err != nil || d.More() || rec.tooLong() {
		return nil, &AnnotationError{
			Key: s.prefix + "/" + recordKey, Value: shorten(text),
			Message: "it is no record of an injection, which the webhook writes; remove it",
		}
	}
	for name, in := range rec.In {
		if in == nil {
			delete(rec.In, name)
		}
	}
	s.disclaim(rec)
	return rec, nil
}

func (r *record) encode() string {
	text, err := json.Marshal(r)
	if err != nil {
		return err.Error() // of strings, numbers and probes: never
	}
	return string(text)
}

// in returns what was done to a container, to be added to.
func (r *record) in(container string) *recordIn {
	if r.In == nil {
		r.In = map[string]*recordIn{}
	}
	if r.In[container] == nil {
		r.In[container] = &recordIn{}
	}
	return r.In[container]
}

// tooLong bounds what a record written by hand costs: every entry is looked for in the Pod.
func (r *record) tooLong() bool {
	long := max(len(r.Containers), len(r.InitContainers), len(r.Volumes), len(r.PullSecrets), len(r.HostAliases),
		len(r.Hostnames), len(r.ReadinessGates), len(r.Annotations))
	for _, in := range r.In {
		if in != nil {
			long = max(long, len(in.Env), len(in.Words), len(in.Mounts))
		}
	}
	return long > maxRecord
}

// maxRecord is more than injectors can add: they are the platform's.
const maxRecord = 512
