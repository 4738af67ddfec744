package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const sourcesHelp = `
Reports come from URLs (http://…/report of each replica) and from files: those of serve -report-file, or the JSON logs of
providers that have ended. They are added up: give all of them, since what a missing one has seen is missing, and each
once, since what stands twice counts twice.
`

const reportHelp = `
Usage: signedapi report [flags] URL-OR-FILE…

Shows who signs, whose credentials fail, which keys are used, and who still relies on which address.
` + sourcesHelp

func report(ctx context.Context, args []string, s streams) error {
	f := newFlags("report", s, reportHelp)
	format := f.String("o", "text", "text or json")
	left, err := f.ParseFiles(args)
	if err != nil {
		return err
	}
	if *format != "text" && *format != "json" {
		return cli.Usagef("-o %q: write text or json", *format)
	}
	r, err := readReports(ctx, left)
	if err != nil {
		return err
	}
	if *format == "json" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		return cli.Write(s.Out, string(text)+"\n")
	}
	return printReport(s.Out, r)
}

// readReports reads and adds up.
func readReports(ctx context.Context, sources []string) (ipwhitelist.Report, error) {
	if len(sources) == 0 {
		sources = []string{"http://127.0.0.1:8081/report"}
	}
	var all []ipwhitelist.Report
	for _, source := range sources {
		text, err := readSource(ctx, source)
		if err != nil {
			return ipwhitelist.Report{}, cli.Usage(err)
		}
		reports, err := parseReports(source, text)
		if err != nil {
			return ipwhitelist.Report{}, cli.Usage(err)
		}
		all = append(all, reports...)
	}
	return ipwhitelist.MergeReports(all...), nil
}

func readSource(ctx context.Context, source string) ([]byte, error) {
	if !strings.HasPrefix(source, "http://") && !strings.HasPrefix(source, "https://") {
		return os.ReadFile(source)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // read as far as wanted
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(source + ": " + res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, 64<<20))
}

func printReport(out io.Writer, r ipwhitelist.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells ...any) { _, _ = fmt.Fprintln(w, strings.Join(texts(cells), "\t")) } // Flush has the error
	line(fmt.Sprintf("observed from %s to %s", when(r.Since), when(r.Until)))
	line("")
	line("CALLER", "MODE", "SIGNED", "API KEY", "FAILED", "SUSPECT", "LAST SIGNED", "NOT ACCEPTED FOR")
	for _, c := range r.Callers {
		mode := string(c.Mode)
		if c.Override.ActiveAt(r.Until) {
			mode += " (override " + string(c.Override.Mode) + ")"
		}
		line(c.Name, mode, c.Signed.Count, c.APIKey.Count, c.Failed.Count, c.Suspect.Count, when(c.Signed.Last), reasons(c.Failures, c.Suspects))
	}
	line("")
	line("RULE", "CALLERS", "BY ADDRESS ALONE", "CANARY", "REFUSED", "LAST", "FROM", "PATH", "USER AGENT")
	for _, u := range r.Rules {
		line(u.Name, strings.Join(u.Callers, ","), u.IPOnly.Count, u.Canary.Count, u.Refused.Count, when(last(u.IPOnly, u.Canary)), most(u.Addresses), most(u.Paths), most(u.UserAgents))
	}
	line("")
	line("KEY", "STATE", "USES", "LAST")
	for _, k := range r.Keys {
		line(k.ID, k.State, k.Used.Count, when(k.Used.Last))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Unknown) == 0 && r.Unresolved == 0 {
		return nil
	}
	return cli.Write(out, fmt.Sprintf("\nfailures of nobody in particular: %s\nrequests without a known address: %d\n", reasons(r.Unknown), r.Unresolved))
}

// reasons lists why credentials were not accepted, with how often.
func reasons(counts ...map[ipwhitelist.Reason]uint64) string {
	sum := map[ipwhitelist.Reason]uint64{}
	for _, m := range counts {
		for r, n := range m {
			sum[r] += n
		}
	}
	var out []string
	for _, r := range slices.Sorted(maps.Keys(sum)) {
		out = append(out, fmt.Sprintf("%s %d", r, sum[r]))
	}
	return cmp.Or(strings.Join(out, ", "), "-")
}

func last(a, b ipwhitelist.Event) time.Time {
	if b.Last.After(a.Last) {
		return b.Last
	}
	return a.Last
}

func texts(cells []any) []string {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = fmt.Sprint(c)
	}
	return out
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// most is the most frequent value, as Go quotes it: clients choose paths and user agents.
func most(samples []ipwhitelist.Sample) string {
	if len(samples) == 0 {
		return "-"
	}
	return strings.Trim(fmt.Sprintf("%q", samples[0].Value), `"`)
}
