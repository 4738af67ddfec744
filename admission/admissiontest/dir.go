package admissiontest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The files of an archive.
const (
	inputFile    = "input.yaml"
	oldFile      = "old.yaml"
	requestFile  = "request.yaml"
	patchedFile  = "patched.yaml"
	findingsFile = "findings.txt"
)

// Dir runs the case of each txtar archive that the pattern matches, as a subtest with the file's name. The package
// comment says what an archive holds. It is an error if the pattern matches nothing.
func Dir(t testing.TB, h Handler, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Errorf("admissiontest.Dir: %q: %v", pattern, err)
		return
	}
	if len(names) == 0 {
		t.Errorf("admissiontest.Dir: %q matches no file: it would test nothing", pattern)
	}
	b := newBench(h)
	for _, name := range names {
		subtest(t, strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), func(t testing.TB) {
			t.Helper()
			b.runArchive(t, name)
		})
	}
}

func (b *bench) runArchive(t testing.TB, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	a := parseArchive(text)
	c, err := a.toCase()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	tr, err := b.try(t, c)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if tr.err != nil {
		t.Errorf("%s: review failed: %s", name, explain(tr.err))
		return
	}
	if Update() {
		a.update(t, name, text, tr)
	}
	a.compare(t, name, tr)
	tr.obey()
}

// toCase reads what is asked.
func (a archive) toCase() (Case, error) {
	var c Case
	seen := map[string]bool{}
	for _, f := range a.files {
		if seen[f.name] {
			return c, fmt.Errorf("file %s stands twice", f.name)
		}
		seen[f.name] = true
		switch f.name {
		case inputFile:
			c.Object = f.data
		case oldFile:
			c.Old = f.data
		case requestFile:
			if err := yaml.UnmarshalStrict(f.data, &c); err != nil {
				return c, fmt.Errorf("%s: %w", f.name, err)
			}
		case patchedFile, findingsFile:
		default:
			known := []string{inputFile, oldFile, requestFile, patchedFile, findingsFile}
			return c, fmt.Errorf("unknown file %s: write one of %s", f.name, strings.Join(known, ", "))
		}
	}
	if c.Object == nil {
		return c, fmt.Errorf("file %s is missing: write the object under review", inputFile)
	}
	return c, nil
}

// compare holds what is wanted against the review. A file that is not there wants nothing there.
func (a archive) compare(t testing.TB, name string, tr *trial) {
	t.Helper()
	golden, ok := a.get(patchedFile)
	switch {
	case ok && len(tr.resp.Patch) == 0:
		t.Errorf("%s has %s, but there is no patch: the request is %s", name, patchedFile, tr.verdict())
	case !ok && len(tr.resp.Patch) > 0:
		t.Errorf("%s has no %s, but there is a patch (go test -update takes its result over):\n%s", name, patchedFile, patchLines(tr.resp.Patch))
	case ok && tr.patched != nil:
		if d := diffYAML(golden, tr.patched); d != "" {
			t.Errorf("%s: %s (- wanted, + patched object; go test -update takes it over):\n%s", name, patchedFile, d)
		}
	}
	want, _ := a.get(findingsFile)
	if d := diffLines(wantedLines(want), lines(tr.findings)); d != "" {
		t.Errorf("%s: %s (- wanted, + found; go test -update takes it over):\n%s", name, findingsFile, d)
	}
}

func wantedLines(text []byte) []string {
	var out []string
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, string(line))
		}
	}
	return out
}

// update writes what the review said into the archive, and the archive if that changed it.
func (a *archive) update(t testing.TB, name string, text []byte, tr *trial) {
	t.Helper()
	golden, _ := a.get(patchedFile)
	switch {
	case tr.patched == nil:
		a.set(patchedFile, nil)
	case golden == nil || diffYAML(golden, tr.patched) != "":
		a.set(patchedFile, toYAML(tr.patched))
	}
	var findings []byte
	for _, line := range lines(tr.findings) {
		findings = append(findings, line+"\n"...)
	}
	if want, _ := a.get(findingsFile); !slices.Equal(wantedLines(want), wantedLines(findings)) {
		a.set(findingsFile, findings)
	}
	if out := a.format(); !bytes.Equal(out, text) {
		if err := os.WriteFile(name, out, 0o644); err != nil {
			t.Errorf("%v", err)
		}
	}
}
