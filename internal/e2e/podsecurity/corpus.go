package podsecurity

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"sigs.k8s.io/yaml"
)

// Case is a Pod of the corpus and what the authors of the standards expect of it.
type Case struct {
	Name    string // restricted/v1.35/fail/hostports0
	Level   api.Level
	Version api.Version
	Check   string // the check it is about, as the file has it: hostports; "base" for a minimal Pod
	Pass    bool
	Pod     *corev1.Pod
}

// Corpus returns the test Pods of k8s.io/pod-security-admission: for every level, version and check
// some that pass and some that fail. It fails the test if there are none.
//
// The module holds them as files that no package embeds, but they come with its source.
func Corpus(t testing.TB) []Case {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	require.NoError(t, err)
	cases, err := readCorpus(os.DirFS(strings.TrimSpace(string(out))), "test/testdata")
	require.NoError(t, err)
	require.NotEmpty(t, cases, "the corpus has moved")
	return cases
}

func readCorpus(module fs.FS, root string) ([]Case, error) {
	files, err := fs.Glob(module, path.Join(root, "*/*/*/*.yaml"))
	if err != nil {
		return nil, err
	}
	cases := make([]Case, 0, len(files))
	for _, file := range files {
		c, err := parseName(strings.TrimPrefix(file, root+"/"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		data, err := fs.ReadFile(module, file)
		if err != nil {
			return nil, err
		}
		if err := yaml.UnmarshalStrict(data, &c.Pod); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		setDefaults(&c.Pod.Spec)
		cases = append(cases, c)
	}
	return cases, nil
}

// setDefaults does what the API server does before it asks any check: a volume that names no source is
// an emptyDir. The corpus needs no other default.
func setDefaults(spec *corev1.PodSpec) {
	for i := range spec.Volumes {
		if source := &spec.Volumes[i].VolumeSource; *source == (corev1.VolumeSource{}) {
			source.EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
}

// parseName understands level/version/pass|fail/check0.yaml.
func parseName(name string) (Case, error) {
	name = strings.TrimSuffix(name, ".yaml")
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return Case{}, fmt.Errorf("want level/version/verdict/check")
	}
	level, err := api.ParseLevel(parts[0])
	if err != nil {
		return Case{}, err
	}
	version, err := api.ParseVersion(parts[1])
	if err != nil {
		return Case{}, err
	}
	if parts[2] != "pass" && parts[2] != "fail" {
		return Case{}, fmt.Errorf("verdict %q is neither pass nor fail", parts[2])
	}
	return Case{
		Name:    name,
		Level:   level,
		Version: version,
		Check:   strings.TrimRight(parts[3], "0123456789"),
		Pass:    parts[2] == "pass",
	}, nil
}
