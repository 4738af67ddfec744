// Command report runs the benchmarks and writes BENCHMARKS.md:
//
//	go run ./report            (in internal/bench)
//	go run ./report -in FILE   from the output of an earlier run
package main

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed BENCHMARKS.md.tmpl
var page string

func main() {
	in := flag.String("in", "", "read the benchmarks' output from a `file` instead of running them")
	out := flag.String("out", "../../BENCHMARKS.md", "the `file` to write")
	count := flag.Int("count", 6, "how often to run each benchmark")
	flag.Parse()
	if err := run(*in, *out, *count); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(in, out string, count int) error {
	output, err := output(in, count)
	if err != nil {
		return err
	}
	results, err := parse(bytes.NewReader(output))
	if err != nil {
		return err
	}
	versions, err := versions()
	if err != nil {
		return err
	}
	t, err := template.New("page").Funcs(template.FuncMap{"table": results.table, "line": results.line}).Parse(page)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, map[string]any{"Versions": versions, "CPU": results.cpu, "Count": count}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Clean(out), text.Bytes(), 0o644)
}

// output is that of the benchmarks: of the comparison in this module and of the parts in the library's own.
func output(in string, count int) ([]byte, error) {
	if in != "" {
		return os.ReadFile(filepath.Clean(in))
	}
	var all bytes.Buffer
	for _, dir := range []string{".", "../../admission/patch", "../../sidecar"} {
		cmd := exec.Command("go", "test", "-run=^$", "-bench=.", "-benchmem", "-cpu=1", fmt.Sprint("-count=", count), ".")
		cmd.Dir = dir
		cmd.Stdout, cmd.Stderr = io.MultiWriter(&all, os.Stderr), os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("benchmarks in %s: %w", dir, err)
		}
	}
	return all.Bytes(), nil
}

// versions of what is compared, as this module requires it.
func versions() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Version}}",
		"sigs.k8s.io/controller-runtime", "k8s.io/api", "go.uber.org/automaxprocs", "github.com/KimMachineGun/automemlimit",
		"github.com/aws/aws-sdk-go-v2", "github.com/go-fed/httpsig", "github.com/dunglas/httpsfv", "go.etcd.io/bbolt").Output()
	if err != nil {
		return "", err
	}
	goVersion, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return "", err
	}
	lines := append(strings.Split(strings.TrimSpace(string(out)), "\n"), strings.TrimSpace(string(goVersion)))
	return strings.Join(lines, ", "), nil
}
