package sidecar

import (
	"errors"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// preload is the variable by which the dynamic loader loads more libraries: a list between blanks or colons.
const preload = "LD_PRELOAD"

// Library is a shared library, or another part of an image, that is copied into Pods.
type Library struct {
	// Image has the files, and cp. It is made for all architectures of the cluster, and may run as any user.
	Image string `json:"image"`
	// Paths are those of the library in the image, by C library: "glibc" and "musl". A program with the other one does not
	// start, so Pods have to say which they have.
	Paths map[string]string `json:"paths"`
}

func libcs() []string { return []string{"glibc", "musl"} }

func (l Library) validate() (errs []error) {
	if l.Image == "" {
		errs = append(errs, errors.New("image is missing"))
	}
	if len(l.Paths) == 0 {
		errs = append(errs, errors.New("paths are missing: write those of the library for glibc and musl"))
	}
	for _, libc := range sortedKeys(l.Paths) {
		p := l.Paths[libc]
		if !slices.Contains(libcs(), libc) || !path.IsAbs(p) || strings.ContainsAny(p, " :$") {
			errs = append(errs, errors.New("paths."+libc+": write glibc or musl, and an absolute path without blanks"))
		}
	}
	return errs
}

// copied is an init container that copies something out of an image into a volume of ours.
type copied struct {
	name     string // of the container and the volume
	image    string
	from, to string // cp -R from to
	dir      string // where the init container has the volume
}

// copyIn adds the init container and the volume. It comes behind the user's init containers, which do without.
func (e *edit) copyIn(key string, c copied) {
	e.addVolume(key, emptyDir(c.name))
	security := e.confined(e.main())
	e.anyUser(security)
	e.addInitContainer(key, corev1.Container{
		Name:            c.name,
		Image:           c.image,
		Command:         []string{"cp", "-R", c.from, c.to},
		VolumeMounts:    []corev1.VolumeMount{{Name: c.name, MountPath: c.dir}},
		Resources:       e.resources(defaultResources()),
		SecurityContext: security,
	})
}

// preloadIn has a container load a library from a volume of ours.
func (e *edit) preloadIn(key string, c *corev1.Container, volume, dir, file string) {
	if m := covering(c, dir); m != nil && cleanPath(m.MountPath) != "/" || below(c, dir) != nil || deviceAt(c, dir) {
		e.refuse(key, "container %s has a volume at %s; mount that elsewhere", c.Name, dir)
		return
	}
	if lastEnv(c, preload) == nil {
		e.warn(key + ": if the image of container " + c.Name + " sets LD_PRELOAD, that is overruled; set it in the Pod too")
	}
	e.addMount(c, corev1.VolumeMount{Name: volume, MountPath: dir, ReadOnly: true})
	e.addWord(key, c, preload, file)
}
