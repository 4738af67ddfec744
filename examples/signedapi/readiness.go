package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const readinessHelp = `
Usage: signedapi readiness [flags] URL-OR-FILE…

Says of each caller whether its next step (ip, either, report, signature) would break anything, by what was measured.
Exit code 1 if one is not ready.
` + sourcesHelp

func readiness(ctx context.Context, args []string, s streams) error {
	f := newFlags("readiness", s, readinessHelp)
	caller := f.String("caller", "", "only this `caller`")
	var c ipwhitelist.Criteria
	f.DurationVar(&c.Quiet, "quiet", 0, "how long nothing may have failed or relied on an address; more than a month if there are monthly jobs (default 168h)")
	f.Uint64Var(&c.MinRequests, "min-requests", 0, "how many requests must have been proven (default 100)")
	left, err := f.ParseFiles(args)
	if err != nil {
		return err
	}
	if c.Quiet < 0 {
		return cli.Usagef("-quiet %s: write how long, or leave it out", c.Quiet)
	}
	r, err := readReports(ctx, left)
	if err != nil {
		return err
	}
	var out strings.Builder
	ready, found := true, false
	for _, u := range r.Callers {
		if *caller != "" && u.Name != *caller {
			continue
		}
		found = true
		one := r.Readiness(u.Name, c)
		ready = ready && (one.Ready || one.To == "")
		printReadiness(&out, one)
	}
	if !found {
		return cli.Usagef("no caller %q in the report", *caller)
	}
	if age := time.Since(r.Until); age > 15*time.Minute {
		fmt.Fprintf(&out, "the last report ends at %s, %s ago: add those of the replicas that run\n", when(r.Until), age.Round(time.Minute))
	}
	if err := cli.Write(s.Out, out.String()); err != nil || ready {
		return err
	}
	return cli.ErrSilent
}

func printReadiness(out *strings.Builder, r ipwhitelist.Readiness) {
	switch {
	case r.To == "":
		fmt.Fprintf(out, "%s: mode %s\n", r.Caller, r.From)
	case r.Ready:
		fmt.Fprintf(out, "%s: ready for %s -> %s\n", r.Caller, r.From, r.To)
	default:
		fmt.Fprintf(out, "%s: not ready for %s -> %s\n", r.Caller, r.From, r.To)
	}
	for _, b := range r.Blockers {
		fmt.Fprintf(out, "  - %s\n", b)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(out, "  (%s)\n", n)
	}
}
