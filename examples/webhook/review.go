package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const reviewHelp = `
Usage: webhook review [flags] [FILE | DIRECTORY | -]...

Judges manifests as the webhook would judge their creation, without a cluster: for each object the verdict, each
finding on a line, and what mutators would change as a diff; of workloads with sidecars, that of their Pods. Reads YAML
and JSON, several documents a file, and Lists; of directories, all .yaml, .yml and .json files. Objects of kinds that no policy is for are skipped, as are those of
excluded namespaces.

  webhook review -f pod.yaml                            one file
  webhook review -config config.yaml deploy/            a directory, with your configuration
  helm template . | webhook review -f - -o json         a chart, for a program to read
  kubectl get deploy,sts,ds -A -o json | webhook review -f -    what runs already

An API server fills in defaults before it asks the webhook, and other admission plugins change objects too. The policies
allow for the API server's defaults, so manifests get the verdict that their objects will get; what a LimitRange or
another webhook adds is not known here.

Exit code: 0 if nothing is refused, 1 if something is, 2 if something can't be read.
`

func review(ctx context.Context, args []string, s streams) error {
	flags := newFlags("review", s, reviewHelp)
	files := stringsFlag(flags, "f", "`file` or directory to judge, - for standard input; may be repeated")
	config := flags.String("config", "", "configuration `file`")
	output := flags.String("o", "text", "output: text or json")
	namespace := flags.String("namespace", "default", "`namespace` of objects that name none")
	names, err := flags.ParseFiles(args)
	if err != nil {
		return err
	}
	names = append(*files, names...)
	switch {
	case len(names) == 0:
		return cli.Usagef("nothing to judge: give -f FILE, or -f - for standard input")
	case *output != "text" && *output != "json":
		return cli.Usagef("-o %q: write text or json", *output)
	}
	c, err := loadConfig(*config)
	if err != nil {
		return err
	}
	j, err := newJudge(c, *namespace)
	if err != nil {
		return cli.Usage(err)
	}
	return judgeFiles(ctx, j, names, *output, s)
}

// summary counts verdicts.
type summary struct {
	Allowed int `json:"allowed"`
	Denied  int `json:"denied"`
	Skipped int `json:"skipped"`
	Errors  int `json:"errors"` // unreadable documents included
}

func judgeFiles(ctx context.Context, j *judge, names []string, output string, s streams) error {
	files, err := findFiles(names)
	if err != nil {
		return cli.Usage(err)
	}
	var sum summary
	var text strings.Builder
	verdicts := []verdict{}
	objects := j.readAll(files, s, &sum)
	for _, o := range objects {
		v := j.review(ctx, o)
		sum.count(v)
		verdicts = append(verdicts, v)
		v.appendTo(&text)
	}
	if output == "json" {
		text.Reset()
		if err := appendJSON(&text, verdicts, sum); err != nil {
			return err
		}
	} else {
		text.WriteString(sum.String())
	}
	if err := cli.Write(s.Out, text.String()); err != nil {
		return err
	}
	return sum.err()
}

// readAll reads the whole input before any of it is judged: a Pod may come before the StatefulSet that controls it.
func (j *judge) readAll(files []string, s streams, sum *summary) []object {
	kinds, _ := j.config.StaticIP.setKinds() // parseConfig has seen the errors
	var objects []object
	for o, err := range readFiles(files, s.In) {
		if err != nil {
			s.Say("webhook review: %v\n", err)
			sum.Errors++
			continue
		}
		j.sets.note(o, j.namespace, kinds)
		j.namespaces.note(o)
		objects = append(objects, o)
	}
	return objects
}

func (s *summary) String() string {
	return fmt.Sprintf("%d allowed, %d denied, %d skipped, %d unreadable\n", s.Allowed, s.Denied, s.Skipped, s.Errors)
}

func (s *summary) count(v verdict) {
	switch v.Verdict {
	case allowed:
		s.Allowed++
	case denied:
		s.Denied++
	case skipped:
		s.Skipped++
	default:
		s.Errors++
	}
}

// err is what the exit code is made of. Unreadable input weighs more than a denial: the rest of the verdict is unknown.
func (s *summary) err() error {
	switch {
	case s.Errors > 0:
		return cli.Usagef("some of the input can't be judged")
	case s.Denied > 0:
		return cli.ErrSilent
	case s.Allowed+s.Skipped == 0:
		return cli.Usagef("there is no object in the input")
	}
	return nil
}

func appendJSON(w io.Writer, verdicts []verdict, sum summary) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(map[string]any{"objects": verdicts, "summary": sum})
}

// appendTo adds the verdict for people: a line, a line for each finding, and the diff.
func (v *verdict) appendTo(text *strings.Builder) {
	line := []string{v.Source, v.object.String(), v.Verdict}
	if v.Reason != "" {
		line = append(line, v.Reason)
	}
	text.WriteString(strings.Join(line, ": ") + "\n")
	for _, f := range v.Findings {
		about := f.Message
		if f.Field != "" {
			about = f.Field + ": " + about
		}
		fmt.Fprintf(text, "  %-5s %s: %s\n", f.Action, f.Rule, about)
	}
	for _, field := range v.UnknownFields {
		text.WriteString("  note  " + field + ": misspelled, or newer than this program\n")
	}
	if len(v.Patch) > 0 {
		text.WriteString(v.diff())
	}
	if v.pod != nil {
		text.WriteString(v.pod.diff())
	}
}

// diff is what mutators changed, as a unified diff of YAML.
func (v *verdict) diff() string {
	before, err := yaml.JSONToYAML(v.object.raw)
	if err != nil {
		return err.Error() + "\n" // it has been JSON before
	}
	after, err := yaml.JSONToYAML(v.after)
	if err != nil {
		return err.Error() + "\n"
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A:        difflib.SplitLines(strings.TrimSuffix(string(before), "\n")),
		B:        difflib.SplitLines(strings.TrimSuffix(string(after), "\n")),
		FromFile: v.object.String(),
		ToFile:   v.object.String() + " as admitted",
		Context:  3,
	})
	if err != nil {
		return err.Error() + "\n"
	}
	return text
}
