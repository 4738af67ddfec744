package policy

import (
	"strings"
	"testing"
)

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestImage(t *testing.T) {
	const app = "spec.containers[app].image: image "
	one := func(image string) string { return `{containers: [{name: app, image: "` + image + `"}]}` }
	noTag := " has no tag, which means latest: add the version, as in :1.2.3"
	invalid := " is not a valid reference: write registry/repository:tag"
	runCases(t, []specCase{
		{"a tag", Image{}, one("nginx:1.29"), nil},
		{"a digest", Image{}, one("nginx@" + someDigest), nil},
		{"a digest beside latest", Image{}, one("nginx:latest@" + someDigest), nil},
		{"a registry's port is no tag", Image{}, one("registry:5000/app"), []string{app + `"registry:5000/app"` + noTag}},
		{"no tag", Image{}, one("nginx"), []string{app + `"nginx"` + noTag}},
		{"latest", Image{}, one("nginx:latest"), []string{app + `"nginx:latest" is whatever was pushed last: write the version instead of latest`}},
		{"a tag that starts with latest", Image{}, one("nginx:latest-alpine"), nil},
		{"latest allowed", Image{AllowLatest: true}, `{containers: [{name: app, image: nginx}, {name: b, image: "nginx:latest"}]}`, nil},
		{
			"digest required",
			Image{RequireDigest: true, AllowLatest: true},
			`{containers: [{name: app, image: "nginx:1.29"}, {name: b, image: "nginx:1@` + someDigest + `"}]}`,
			[]string{app + `"nginx:1.29" has no digest: add it, as in @sha256:…`},
		},
		{"no image", Image{}, one(""), []string{app + `""` + invalid}},
		{"a space, which the API takes", Image{}, one(" "), []string{app + `" "` + invalid}},
		{"upper case", Image{}, one("Nginx:1"), []string{app + `"Nginx:1"` + invalid}},
		{"a long one is cut", Image{}, one(strings.Repeat("x", 300)), []string{app + `"` + strings.Repeat("x", 80) + `"…` + invalid}},
		{
			"all kinds of containers, and volumes",
			Image{},
			`{volumes: [{name: v, image: {reference: nginx}}, {name: w, image: {}}, {name: x, emptyDir: {}}], initContainers: [{name: a, image: nginx}, {name: b, restartPolicy: Always, image: nginx}], ephemeralContainers: [{name: c, image: nginx}]}`,
			[]string{
				`spec.volumes[v].image.reference: image "nginx"` + noTag,
				`spec.volumes[w].image.reference: image ""` + invalid,
				`spec.initContainers[a].image: image "nginx"` + noTag,
				`spec.initContainers[b].image: image "nginx"` + noTag,
				`spec.ephemeralContainers[c].image: image "nginx"` + noTag,
			},
		},
		{
			"from elsewhere, and without a tag",
			Image{Allow: []string{"registry.example.com"}},
			one("nginx"),
			[]string{
				app + `"nginx" is of "docker.io/library/nginx", which is not allowed: use one of registry.example.com`,
				app + `"nginx"` + noTag,
			},
		},
	})
}

func TestImageFields(t *testing.T) {
	requireFields(t, Image{}, `{volumes: [{name: v, image: {reference: a}}], containers: [{name: app, image: nginx}]}`,
		"volumes[v].image.reference", "containers[app].image")
}

func TestImageOptions(t *testing.T) {
	for _, text := range []string{
		"", "nginx", "team/app", "https://registry.example.com", "registry.example.com/app:1", "registry.example.com/*", "*.example.com",
		"registry.example.com/App", "registry.example.com//app", "registry.example.com/app@" + someDigest, "-a.example.com", "a..b", "[::1", "x[::1]/a", "[::1]x",
	} {
		requireProblems(t, Image{Allow: []string{"docker.io", text}}, "image: allow[1] "+quote(text))
	}
}
