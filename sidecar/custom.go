package sidecar

import (
	"errors"
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Sidecar is a team's own: containers and volumes that join Pods with the annotation sidecar.<name>, by the same rules
// as everything else. What its containers leave open of their security context and resources is filled in so that the
// Pod keeps its Pod Security level and its quality of service.
type Sidecar struct {
	Title string `json:"name"` // behind "sidecar." in the annotation: a DNS label of at most 40

	// Containers and InitContainers come behind the Pod's own. An init container with restartPolicy Always is a native
	// sidecar. An ordinary container keeps a Pod from ending, so it is for Pods that always restart: Jobs are refused, or
	// skipped where only a default asks for it. Volumes they mount have to be among Volumes.
	Containers     []corev1.Container `json:"containers,omitempty"`
	InitContainers []corev1.Container `json:"initContainers,omitempty"`
	Volumes        []corev1.Volume    `json:"volumes,omitempty"`
	// Env and Mounts are for the Pod's own containers. A variable that one sets itself stays; a path that is taken is an
	// error.
	Env    []corev1.EnvVar      `json:"env,omitempty"`
	Mounts []corev1.VolumeMount `json:"mounts,omitempty"`

	ImagePullSecrets []string `json:"imagePullSecrets,omitempty"` // added to those of the Pod
	GraceSeconds     int64    `json:"graceSeconds,omitempty"`     // added to the Pod's termination grace period
}

// Name is "sidecar." and the title.
func (s Sidecar) Name() string { return "sidecar." + s.Title }

func (Sidecar) rank() int { return 6 }

func (s Sidecar) keys() []Key {
	return []Key{{Name: s.Name(), Values: boolWords, Doc: "Adds the platform's sidecar " + s.Title + ".", parse: parseBool}}
}

func (s Sidecar) asked(v *values) bool { return get(v, s.Name(), false) }

func (s Sidecar) validate() (errs []error) {
	if len(validation.IsDNS1123Label(s.Title)) > 0 || len(s.Title) > 40 {
		errs = append(errs, fmt.Errorf("name %q: write at most 40 of a-z, 0-9 and '-'", s.Title))
	}
	seen := map[string]bool{}
	for _, c := range slices.Concat(s.InitContainers, s.Containers) {
		if len(validation.IsDNS1123Label(c.Name)) > 0 || seen[c.Name] || c.Image == "" {
			errs = append(errs, fmt.Errorf("container %q: write a name of a-z, 0-9 and '-', each once, and an image", c.Name))
		}
		seen[c.Name] = true
		errs = append(errs, checkMounts("container "+c.Name, c.VolumeMounts)...)
		for _, m := range c.VolumeMounts {
			if !slices.ContainsFunc(s.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
				errs = append(errs, fmt.Errorf("container %q: %s is none of the volumes", c.Name, m.Name))
			}
		}
		for _, d := range c.VolumeDevices {
			if !slices.ContainsFunc(s.Volumes, func(v corev1.Volume) bool { return v.Name == d.Name }) {
				errs = append(errs, fmt.Errorf("container %q: device %s is none of the volumes", c.Name, d.Name))
			}
		}
		if len(c.Resources.Claims) > 0 {
			errs = append(errs, fmt.Errorf("container %q: resources.claims are for the Pod to declare; leave them out", c.Name))
		}
	}
	for _, c := range s.InitContainers {
		if c.RestartPolicy == nil && (c.Lifecycle != nil || c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil) {
			errs = append(errs, fmt.Errorf("container %q: an init container that ends has no probes and no lifecycle; write restartPolicy: Always, or leave them out", c.Name))
		}
	}
	clear(seen)
	for _, v := range s.Volumes {
		if len(validation.IsDNS1123Label(v.Name)) > 0 || seen[v.Name] {
			errs = append(errs, fmt.Errorf("volume %q: write a name of a-z, 0-9 and '-', each once", v.Name))
		}
		seen[v.Name] = true
	}
	for _, m := range s.Mounts {
		if !seen[m.Name] {
			errs = append(errs, fmt.Errorf("mounts: %s is none of the volumes", m.Name))
		}
	}
	errs = append(errs, checkMounts("mounts", s.Mounts)...)
	clear(seen)
	for _, v := range s.Env {
		if len(validation.IsEnvVarName(v.Name)) > 0 || seen[v.Name] {
			errs = append(errs, fmt.Errorf("env: %q is no name of a variable, or there twice", v.Name))
		}
		seen[v.Name] = true
	}
	if s.GraceSeconds < 0 || s.GraceSeconds > 3600 {
		errs = append(errs, fmt.Errorf("graceSeconds %d: write 0 to 3600", s.GraceSeconds))
	}
	if len(s.Containers)+len(s.InitContainers)+len(s.Volumes)+len(s.Env)+len(s.ImagePullSecrets) == 0 {
		errs = append(errs, errors.New("it adds nothing"))
	}
	return append(errs, checkSecretNames(s.ImagePullSecrets)...)
}

func checkMounts(where string, mounts []corev1.VolumeMount) (errs []error) {
	seen := map[string]bool{}
	for _, m := range mounts {
		if !path.IsAbs(m.MountPath) || path.Clean(m.MountPath) != m.MountPath || seen[m.MountPath] {
			errs = append(errs, fmt.Errorf("%s: mountPath %q: write an absolute, clean path, each once", where, m.MountPath))
		}
		seen[m.MountPath] = true
	}
	return errs
}

// level is the strictest level under which a Pod may have the sidecar.
func (s Sidecar) level() Level {
	level := LevelRestricted
	for _, c := range slices.Concat(s.InitContainers, s.Containers) {
		if l := levelOf(&c); l.strictness() < level.strictness() {
			level = l
		}
	}
	for i := range s.Volumes {
		if l := levelOfVolume(&s.Volumes[i]); l.strictness() < level.strictness() {
			level = l
		}
	}
	return level
}

func (s Sidecar) inject(e *edit) {
	if level := s.level(); level.strictness() < e.ns.Level.strictness() {
		e.skip(s.Name(), ReasonPodSecurity, fmt.Sprintf("it needs Pod Security level %s, and the namespace has %s", level, e.ns.Level))
		return
	}
	if len(s.Containers) > 0 && e.wouldHang(s.Name(), s.Name()) {
		return
	}
	for _, v := range s.Volumes {
		e.addVolume(s.Name(), *v.DeepCopy())
	}
	for _, c := range e.containers() {
		for _, v := range s.Env {
			e.setEnv(c, *v.DeepCopy())
		}
		for _, m := range s.Mounts {
			if mountAt(c, m.MountPath) != nil || deviceAt(c, m.MountPath) {
				e.refuse(s.Name(), "container %s has a volume at %s already; mount that elsewhere", c.Name, m.MountPath)
				continue
			}
			e.addMount(c, *m.DeepCopy())
		}
	}
	for _, c := range s.InitContainers {
		e.addInitContainer(s.Name(), s.fitted(e, c))
	}
	for _, c := range s.Containers {
		e.addContainer(s.Name(), s.fitted(e, c))
	}
	e.addPullSecrets(s.ImagePullSecrets)
	e.addGrace(s.GraceSeconds)
	e.applied(s.Name())
}

// fitted is a container with what it leaves open.
func (s Sidecar) fitted(e *edit, c corev1.Container) corev1.Container {
	c = *c.DeepCopy()
	confined := e.confined(e.main())
	confined.ReadOnlyRootFilesystem = nil // not for us to know
	if own := c.SecurityContext; own != nil {
		escalates := privileged(&c) || own.Capabilities != nil && slices.Contains(own.Capabilities.Add, "SYS_ADMIN")
		if escalates && own.AllowPrivilegeEscalation == nil {
			confined.AllowPrivilegeEscalation = nil // the two contradict each other
		}
		if own.Capabilities != nil {
			confined.Capabilities = nil
		}
		confined.RunAsUser = nil
		if e.ns.Level != LevelRestricted { // under which it must be said, and levelOf has seen that it does not contradict
			confined.RunAsNonRoot = nil
		}
		own := overlay(*own, *confined)
		confined = &own
	}
	c.SecurityContext = confined
	want := c.Resources
	if len(want.Limits)+len(want.Requests) == 0 {
		want = defaultResources()
	}
	c.Resources = e.resources(want)
	return c
}
