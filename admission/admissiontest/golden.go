package admissiontest

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"sigs.k8s.io/yaml"
)

const updateFlag = "update"

// Flags are global, and -update is the name that everybody gives to this one, so it is left to a package that came
// first. Programs that are no tests do not get it.
var _ = defineUpdate(flag.CommandLine, testing.Testing())

func defineUpdate(flags *flag.FlagSet, inTest bool) bool {
	if !inTest || flags.Lookup(updateFlag) != nil {
		return false
	}
	flags.Bool(updateFlag, false, "rewrite golden files")
	return true
}

// Update reports whether go test was given -update, which rewrites golden files. Test packages with golden files of
// their own ask it instead of defining the flag.
func Update() bool { return isSet(flag.Lookup(updateFlag)) }

func isSet(f *flag.Flag) bool {
	if f == nil {
		return false
	}
	set, err := strconv.ParseBool(f.Value.String())
	return err == nil && set
}

// compareGolden compares an object with a golden file, or writes it.
func compareGolden(t testing.TB, name string, object []byte) {
	t.Helper()
	want, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !Update() {
		t.Errorf("golden file %s does not exist: go test -update writes it", name)
		return
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("golden file: %v", err)
		return
	}
	difference := diffYAML(want, object)
	if difference == "" {
		return
	}
	if !Update() {
		t.Errorf("%s (- golden, + patched object; go test -update takes it over):\n%s", name, difference)
		return
	}
	if err := writeGolden(name, toYAML(object)); err != nil {
		t.Errorf("golden file: %v", err)
	}
}

func writeGolden(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

// diffYAML compares values and not texts, so that comments and the order of members in a golden file are free.
func diffYAML(golden, object []byte) string {
	text, err := yaml.YAMLToJSONStrict(golden)
	if err != nil {
		return fmt.Sprintf("- %v", err)
	}
	return diff(string(toYAML(text)), string(toYAML(object)))
}

// toYAML is the form in which objects are written: sorted members.
func toYAML(object []byte) []byte {
	out, err := yaml.JSONToYAML(object)
	if err != nil {
		return object
	}
	return out
}
