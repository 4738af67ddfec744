package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/kubewright/kubewright/staticip"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// planReport is a plan as it is printed, and as JSON.
type planReport struct {
	StatefulSets []planSet     `json:"statefulSets"`
	Rows         []planRow     `json:"rows,omitempty"`
	Problems     []planProblem `json:"problems"`
	Summary      planSummary   `json:"summary"`
}

type planSet struct {
	Namespace    string   `json:"namespace"`
	Name         string   `json:"name"`
	Kind         string   `json:"kind,omitempty"` // unless StatefulSet.apps
	Ordinals     []string `json:"ordinals"`
	FirstOrdinal int32    `json:"firstOrdinal"`
	IPv4         uint64   `json:"ipv4"`
	IPv6         uint64   `json:"ipv6"`
	Headroom     int32    `json:"headroom"`
	Pool         string   `json:"pool"`
}

type planRow struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Ordinal   int32  `json:"ordinal"`
	IPv4      string `json:"ipv4,omitempty"`
	IPv6      string `json:"ipv6,omitempty"`
}

type planProblem struct {
	Severity staticip.Severity `json:"severity"`
	Code     staticip.Code     `json:"code"`
	Object   string            `json:"object,omitempty"`
	Other    string            `json:"other,omitempty"`
	Key      string            `json:"key,omitempty"`
	Item     int               `json:"item,omitempty"`
	Value    string            `json:"value,omitempty"`
	Ordinals []string          `json:"ordinals,omitempty"`
	Address  string            `json:"address,omitempty"`
	Message  string            `json:"message"`

	line string // for people
}

type planSummary struct {
	StatefulSets int `json:"statefulSets"`
	WithPool     int `json:"withPool"`
	Errors       int `json:"errors"`
	Warnings     int `json:"warnings"`
}

func newPlanReport(r staticip.Report, sets int, rows bool) *planReport {
	out := &planReport{StatefulSets: []planSet{}, Problems: []planProblem{}, Summary: planSummary{StatefulSets: sets, WithPool: len(r.Usage)}}
	for _, u := range r.Usage {
		v4, v6 := u.Pool.Len()
		out.StatefulSets = append(out.StatefulSets, planSet{
			Namespace: u.Workload.Namespace, Name: u.Workload.Name, Kind: u.Workload.Kind,
			Ordinals: spanTexts(u.Active), FirstOrdinal: u.FirstOrdinal,
			IPv4: v4, IPv6: v6, Headroom: u.Headroom, Pool: u.Pool.String(),
		})
	}
	if rows {
		for row := range r.Rows() {
			line := planRow{Namespace: row.Namespace, Pod: fmt.Sprintf("%s-%d", row.Set, row.Ordinal), Ordinal: row.Ordinal}
			if row.Assignment.V4.IsValid() {
				line.IPv4 = row.Assignment.V4.String()
			}
			if row.Assignment.V6.IsValid() {
				line.IPv6 = row.Assignment.V6.String()
			}
			out.Rows = append(out.Rows, line)
		}
	}
	for _, p := range r.Problems {
		out.addProblem(p)
	}
	return out
}

func (r *planReport) addProblem(p staticip.Problem) {
	line := planProblem{
		Severity: staticip.SeverityError, Code: p.Code, Object: p.Object, Other: p.Other, Key: p.Key, Item: p.Item, Value: p.Value,
		Ordinals: spanTexts(p.Ordinals), Message: p.Message,
	}
	if p.Severity == staticip.SeverityWarning {
		line.Severity = staticip.SeverityWarning
	}
	r.Summary.count(line.Severity)
	if p.Addr.IsValid() {
		line.Address = p.Addr.String()
	}
	line.line = fmt.Sprintf("%-7s %s: %s", line.Severity, p.Code, p.Error())
	r.Problems = append(r.Problems, line)
}

func spanTexts(spans []staticip.Span) []string {
	texts := make([]string, len(spans))
	for i, s := range spans {
		texts[i] = s.String()
	}
	return texts
}

// err is what the exit code is made of.
func (r *planReport) err() error {
	if r.Summary.Errors > 0 {
		return cli.ErrSilent
	}
	return nil
}

func (r *planReport) text(output string) (string, error) {
	var text strings.Builder
	if output == "json" {
		e := json.NewEncoder(&text)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err := e.Encode(r)
		return text.String(), err
	}
	if len(r.StatefulSets) > 0 {
		appendTable(&text, "STATEFULSET\tORDINALS\tFIRST\tIPV4\tIPV6\tHEADROOM\tPOOL", r.StatefulSets, func(s planSet) string {
			return fmt.Sprintf("%s/%s\t%s\t%d\t%d\t%d\t%d\t%s", s.Namespace, s.Name, orDefault(strings.Join(s.Ordinals, ","), "-"),
				s.FirstOrdinal, s.IPv4, s.IPv6, s.Headroom, s.Pool)
		})
	}
	if len(r.Rows) > 0 {
		appendTable(&text, "POD\tIPV4\tIPV6", r.Rows, func(row planRow) string {
			return fmt.Sprintf("%s/%s\t%s\t%s", row.Namespace, row.Pod, orDefault(row.IPv4, "-"), orDefault(row.IPv6, "-"))
		})
	}
	r.appendProblems(&text)
	if len(r.Problems) > 0 {
		text.WriteString("\n")
	}
	text.WriteString(r.Summary.String())
	return text.String(), nil
}

// problemLines is how many problems of one object are printed; a pool with 4096 wrong items has as many.
const problemLines = 20

// appendProblems adds a line for each problem, and one for those of an object that are too many.
func (r *planReport) appendProblems(text *strings.Builder) {
	for rest := r.Problems; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Object == rest[0].Object {
			n++
		}
		shown := min(n, problemLines)
		for _, p := range rest[:shown] {
			text.WriteString(p.line + "\n")
		}
		var left planSummary
		for _, p := range rest[shown:n] {
			left.count(p.Severity)
		}
		if n > shown {
			fmt.Fprintf(text, "... and of %s %s and %s more: -o json has all\n", rest[0].Object, counted(left.Errors, "error"), counted(left.Warnings, "warning"))
		}
		rest = rest[n:]
	}
}

// appendTable adds a table and an empty line.
func appendTable[T any](text *strings.Builder, head string, lines []T, line func(T) string) {
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, head) // a strings.Builder does not fail
	for _, l := range lines {
		_, _ = fmt.Fprintln(w, line(l))
	}
	_ = w.Flush()
	text.WriteString("\n")
}

func (s *planSummary) count(severity staticip.Severity) {
	if severity == staticip.SeverityWarning {
		s.Warnings++
	} else {
		s.Errors++
	}
}

func (s planSummary) String() string {
	return fmt.Sprintf("%s, %d with a pool: %s, %s\n", counted(s.StatefulSets, "StatefulSet"), s.WithPool, counted(s.Errors, "error"), counted(s.Warnings, "warning"))
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
