package admissiontest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDir(t *testing.T) { Dir(t, newHandler(t), "testdata/*.txtar") }

// withUpdate sets -update for the time of a function.
func withUpdate(t *testing.T, fn func()) {
	t.Helper()
	before := flag.Lookup(updateFlag).Value.String()
	require.NoError(t, flag.Set(updateFlag, "true"))
	defer func() { require.NoError(t, flag.Set(updateFlag, before)) }()
	fn()
}

// archiveFailures runs one archive and returns what is reported.
func archiveFailures(t *testing.T, h Handler, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "case.txtar")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	r := &recorder{TB: t}
	Dir(r, h, name)
	return r.text()
}

func TestDirReports(t *testing.T) {
	h := newHandler(t)
	for _, tc := range []struct{ name, archive, text string }{
		{"no input", "-- request.yaml --\n", "file input.yaml is missing: write the object under review"},
		{"unknown file", "-- input.yaml --\n" + podYAML + "-- output.yaml --\n", "unknown file output.yaml: write one of input.yaml, old.yaml, request.yaml, patched.yaml, findings.txt"},
		{"file twice", "-- input.yaml --\n-- input.yaml --\n", "file input.yaml stands twice"},
		{"unknown member", "-- input.yaml --\n" + podYAML + "-- request.yaml --\nobject: {}\n", `request.yaml: error unmarshaling JSON: while decoding JSON: json: unknown field "object"`},
		{"bad case", "-- input.yaml --\n" + podYAML + "-- request.yaml --\noperation: UPDATE\n", "case has no old object, which UPDATE needs"},
		{"two documents", "-- input.yaml --\n" + podYAML + "---\n" + podYAML, "object: holds 2 documents"},
		{"failure", "-- input.yaml --\n{apiVersion: v1, kind: Secret}\n", "review failed: request is not for this webhook"},
		{"no patched", "-- input.yaml --\n" + podYAML, "has no patched.yaml, but there is a patch (go test -update takes its result over):\n{\"op\":\"add\""},
		{"no patch", "-- input.yaml --\n" + latestYAML + "-- patched.yaml --\na: b\n", "has patched.yaml, but there is no patch: the request is denied"},
		{"other patch", "-- input.yaml --\n" + podYAML + "-- patched.yaml --\n" + podYAML, "patched.yaml (- wanted, + patched object; go test -update takes it over):\n  apiVersion: v1\n  kind: Pod\n  metadata:\n+   annotations:\n"},
		{"bad patched", "-- input.yaml --\n" + podYAML + "-- patched.yaml --\na: [}", "patched object; go test -update takes it over):\n- "},
		{"no findings", "-- input.yaml --\n" + latestYAML, "findings.txt (- wanted, + found; go test -update takes it over):\n+ deny no-latest spec.containers[app].image"},
		{"other findings", "-- input.yaml --\n" + latestYAML + "-- findings.txt --\ndeny owner: no\n", "- deny owner: no\n+ deny no-latest"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Contains(t, archiveFailures(t, h, tc.archive), tc.text)
		})
	}
}

func TestDirChecksLaws(t *testing.T) {
	h := &tampered{Handler: newHandler(t), review: patchWith(`[{"op":"remove","path":"/nowhere"}]`)}
	require.Contains(t, archiveFailures(t, h, "-- input.yaml --\n"+podYAML), "law broken: the patch applies")
}

func TestDirFindsNothing(t *testing.T) {
	r := &recorder{TB: t}
	Dir(r, newHandler(t), "testdata/*.nothing")
	require.Equal(t, `admissiontest.Dir: "testdata/*.nothing" matches no file: it would test nothing`, r.text())
	r = &recorder{TB: t}
	Dir(r, newHandler(t), "[")
	require.Equal(t, `admissiontest.Dir: "[": syntax error in pattern`, r.text())
	r = &recorder{TB: t}
	Dir(r, newHandler(t), t.TempDir())
	require.Contains(t, r.text(), "is a directory")
}

func TestDirUpdates(t *testing.T) {
	h := newHandler(t)
	name := filepath.Join(t.TempDir(), "case.txtar")
	require.NoError(t, os.WriteFile(name, []byte("why\n-- findings.txt --\nwarn x: y\n-- input.yaml --\n"+podYAML), 0o600))
	withUpdate(t, func() { Dir(t, h, name) })
	Dir(t, h, name)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "why\n-- input.yaml --\n"+podYAML+"-- patched.yaml --\napiVersion: v1\n"), string(text))

	changed := strings.Replace(string(text), podYAML, latestYAML, 1)
	require.NoError(t, os.WriteFile(name, []byte(changed), 0o600))
	withUpdate(t, func() { Dir(t, h, name) })
	text, err = os.ReadFile(name)
	require.NoError(t, err)
	require.NotContains(t, string(text), "patched.yaml")
	require.Contains(t, string(text), "-- findings.txt --\ndeny no-latest spec.containers[app].image: ")
}

// An update leaves alone what is right, so that comments and order survive.
func TestUpdateKeepsWhatIsRight(t *testing.T) {
	archive := "-- input.yaml --\n" + latestYAML + "-- findings.txt --\n\n" + strings.Join(latestFindings(t), "\n")
	name := filepath.Join(t.TempDir(), "case.txtar")
	require.NoError(t, os.WriteFile(name, []byte(archive+"\n"), 0o400))
	withUpdate(t, func() { Dir(t, newHandler(t), name) })
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, archive+"\n", string(text))
}

func latestFindings(t *testing.T) []string {
	t.Helper()
	tr, err := newBench(newHandler(t)).try(t, Case{Object: latestYAML})
	require.NoError(t, err)
	return lines(tr.findings)
}

func TestGolden(t *testing.T) {
	h := newHandler(t)
	name := filepath.Join(t.TempDir(), "deep", "x.golden.yaml")
	c := Case{Object: podYAML, Want: Allowed().Patched(name)}
	requireFailure(t, h, c, "golden file "+name+" does not exist: go test -update writes it")
	withUpdate(t, func() { Run(t, h, c) })
	Run(t, h, c)

	text, err := os.ReadFile(name)
	require.NoError(t, err)
	commented := append([]byte("# sidecar comes first\n"), text...)
	require.NoError(t, os.WriteFile(name, commented, 0o600))
	withUpdate(t, func() { Run(t, h, c) })
	text, err = os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, commented, text)

	require.NoError(t, os.WriteFile(name, []byte(strings.Replace(string(text), "sidecar:1.0", "sidecar:0.9", 1)), 0o600))
	requireFailure(t, h, c, name+" (- golden, + patched object; go test -update takes it over):", "-   - image: sidecar:0.9\n+   - image: sidecar:1.0\n")
	requireFailure(t, h, Case{Object: podYAML, Want: Allowed().Patched(t.TempDir())}, "golden file: read ")
	withUpdate(t, func() {
		requireFailure(t, h, Case{Object: podYAML, Want: Allowed().Patched("/dev/null/x.yaml")}, "golden file: ")
	})
}

func TestWriteGoldenReports(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Error(t, writeGolden(filepath.Join(file, "x", "y"), nil))
}

// Whoever comes first defines the flag.
func TestUpdateFlag(t *testing.T) {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	require.False(t, defineUpdate(flags, false), "no flag in programs")
	require.True(t, defineUpdate(flags, true))
	require.False(t, defineUpdate(flags, true), "defined already")
	require.False(t, isSet(flags.Lookup(updateFlag)))
	require.NoError(t, flags.Parse([]string{"-update"}))
	require.True(t, isSet(flags.Lookup(updateFlag)))

	others := flag.NewFlagSet("", flag.ContinueOnError)
	others.String(updateFlag, "", "another type")
	require.False(t, defineUpdate(others, true))
	require.False(t, isSet(others.Lookup(updateFlag)))
	require.False(t, isSet(nil))
	withUpdate(t, func() { require.True(t, Update()) })
}

func TestArchive(t *testing.T) {
	for _, text := range []string{
		"",
		"only a comment\n",
		"-- a --\n",
		"comment\n-- a --\nx\n-- b/c d --\n\n-- not a marker\n--  --\n--a --\ny\n",
		"-- a --\nx\n-- a --\nx\n",
	} {
		require.Equal(t, text, string(parseArchive([]byte(text)).format()))
	}
	a := parseArchive([]byte("why\n-- a --\r\nx"))
	data, ok := a.get("a")
	require.True(t, ok)
	require.Equal(t, "x", string(data))
	_, ok = a.get("b")
	require.False(t, ok)
	a.set("b", nil)
	a.set("b", []byte("y\n"))
	a.set("a", []byte("z"))
	require.Equal(t, "why\n-- a --\nz\n-- b --\ny\n", string(a.format()))
	a.set("a", nil)
	require.Equal(t, "why\n-- b --\ny\n", string(a.format()))
}

func TestDiff(t *testing.T) {
	for _, tc := range []struct{ name, a, b, want string }{
		{"equal", "a\nb\n", "a\nb", ""},
		{"from nothing", "", "a\nb", "+ a\n+ b"},
		{"to nothing", "a", "", "- a"},
		{"in the middle", "1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\nx\ny\n6\n7\n8\n9", "  ...\n  2\n  3\n  4\n- 5\n+ x\n+ y\n  6\n  7\n  8\n  ..."},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, diff(tc.a, tc.b)) })
	}
}

func FuzzArchive(f *testing.F) {
	f.Add([]byte("comment\n-- a --\nx\n-- b --\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		once := parseArchive(text).format()
		require.Equal(t, string(once), string(parseArchive(once).format()))
	})
}
