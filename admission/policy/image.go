package policy

import (
	"slices"

	"github.com/kubewright/kubewright/admission"
)

// Image is the check "image": images of containers and of image volumes come from allowed registries and say which
// version they are. An image without tag or digest means the tag latest, which changes under a running workload: two
// Pods of one ReplicaSet may run different code, and a rollback does not roll back. A digest is a version whatever the
// tag beside it.
//
// References are read as the container runtimes do: nginx is docker.io/library/nginx. What is no valid reference is a
// finding.
type Image struct {
	// Allow lists registries and repositories below them, by whole segments: registry.example.com allows
	// registry.example.com/team/app but neither registry.example.com.evil.io/app nor registry.example.com:5000/app. An
	// entry starts with the registry, Docker Hub's too: docker.io/library. Empty allows all.
	Allow []string `json:"allow,omitempty"`
	// AllowLatest allows the tag latest and images without tag.
	AllowLatest bool `json:"allowLatest,omitempty"`
	// RequireDigest requires a digest, with or without a tag.
	RequireDigest bool `json:"requireDigest,omitempty"`
}

// Check validates the options and returns the check.
func (o Image) Check() (Check, error) {
	p := problems{check: nameImage}
	c := images{Image: o, text: list(o.Allow)}
	for i, text := range o.Allow {
		place, ok := parseRepository(text)
		if !ok {
			p.add("allow[%d] %s: write a registry or a repository, such as registry.example.com/team or docker.io/library", i, quote(text))
		}
		c.places = append(c.places, place)
	}
	return p.done(Check{Name: nameImage, Evaluate: c.evaluate})
}

type images struct {
	Image
	places []reference // of Allow; only registry and path are set
	text   string      // the allow-list, for messages
}

func (c images) evaluate(s Subject) []admission.Finding {
	r := report{rule: nameImage}
	for i := range s.Spec.Volumes {
		if v := &s.Spec.Volumes[i]; v.Image != nil {
			field := func() string { return element(s.Path+".volumes", v.Name, i) + ".image.reference" }
			c.judge(&r, v.Image.Reference, field)
		}
	}
	for ctr := range s.Containers() {
		c.judge(&r, ctr.Image, func() string { return ctr.Field("image") })
	}
	return r.findings
}

// judge takes the field's path as a function, because most images need none.
func (c images) judge(r *report, image string, field func() string) {
	ref, ok := parseReference(image)
	if !ok {
		r.add(field(), "image %s is not a valid reference: write registry/repository:tag", quote(image))
		return
	}
	if !c.allowed(ref) {
		r.add(field(), "image %s is of %s, which is not allowed: use one of %s", quote(image), quote(ref.name()), c.text)
	}
	switch {
	case ref.digest != "":
	case c.RequireDigest:
		r.add(field(), "image %s has no digest: add it, as in @sha256:…", quote(image))
	case c.AllowLatest:
	case ref.tag == "":
		r.add(field(), "image %s has no tag, which means latest: add the version, as in :1.2.3", quote(image))
	case ref.tag == "latest":
		r.add(field(), "image %s is whatever was pushed last: write the version instead of latest", quote(image))
	}
}

func (c images) allowed(ref reference) bool {
	return len(c.places) == 0 || slices.ContainsFunc(c.places, ref.in)
}
