package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/kubewright/kubewright/cgroupview/node"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const reapHelp = `
Usage: nodeagent reap [flags]

Lists shells that somebody started in a container and left there, and zombies with the parent that does not wait for
them. Nothing is ended without -apply; then shells get SIGHUP, as if their terminal had been closed, and SIGKILL if they
are still there after -grace. Zombies cannot be ended.

A shell with a terminal is judged by what was last written to it. One without is known to be idle only since the first
look, so it takes -every to find it.
`

// rulesFlags adds the flags that say what a stale shell is.
func rulesFlags(f *cli.Flags) func() (node.Rules, error) {
	age := f.Duration("min-age", 30*time.Minute, "leave shells alone that are younger")
	idle := f.Duration("min-idle", 30*time.Minute, "leave shells alone that did something since")
	allow := f.String("allow", "", "comma-separated program `names`, container IDs or the first 6 or more of their digits, and Pod UIDs that are never reported")
	return func() (node.Rules, error) {
		if *age < 0 || *idle < 0 {
			return node.Rules{}, cli.Usagef("-min-age %s -min-idle %s: want 0 or more", *age, *idle)
		}
		const none = 1 // of zero the package makes its default
		return node.Rules{
			MinAge: max(*age, none), MinIdle: max(*idle, none), Allow: strings.FieldsFunc(*allow, func(r rune) bool { return r == ',' }),
		}, nil
	}
}

type reaper struct {
	machine machine
	scanner *node.Scanner
	apply   bool
	grace   time.Duration
	out     streams
}

func reap(ctx context.Context, args []string, s streams) error {
	flags := newFlags("reap", s, reapHelp)
	root := rootFlag(flags)
	apply := flags.Bool("apply", false, "end the shells")
	every := flags.Duration("every", 0, "look again and again; 0 is once")
	grace := flags.Duration("grace", 10*time.Second, "time between SIGHUP and SIGKILL")
	rules := rulesFlags(flags)
	if err := flags.ParseOnly(args); err != nil {
		return err
	}
	which, err := rules()
	if err != nil {
		return err
	}
	if *every < 0 || *grace < 0 {
		return cli.Usagef("-every %s -grace %s: want 0 or more", *every, *grace)
	}
	m, err := newMachine(*root)
	if err != nil {
		return err
	}
	r := reaper{m, node.NewScanner(which), *apply, *grace, s}
	for {
		err := r.once(ctx)
		if *every == 0 {
			return err
		}
		if err != nil {
			s.Say("nodeagent reap: %v\n", err) // the next time may be better
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(*every):
		}
	}
}

// once looks, says what it found and, if told to, ends it.
func (r reaper) once(ctx context.Context) error {
	findings, err := r.scanner.Scan(r.machine.fsys, time.Now())
	if err != nil && findings == nil {
		return err
	}
	if err != nil {
		r.out.Say("nodeagent reap: %v\n", err) // about single processes; the others were looked at
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "KIND\tPROCESS\tPOD\tCONTAINER\tACTION\tWHY")
	actions := r.act(ctx, findings)
	for i, f := range findings {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%.12s\t%s\t%s\n", f.Kind, f.Process.PID, dash(f.Container.PodUID), dash(f.Container.ID), actions[i], f.Why)
	}
	_ = w.Flush() // to a Builder
	if len(findings) == 0 {
		return cli.Write(r.out.Out, "no stale shells, no zombies\n")
	}
	return cli.Write(r.out.Out, b.String())
}

// act ends the shells, and says what happened. All are told at once, while it is true that they are idle, and then have
// the same time to end.
func (r reaper) act(ctx context.Context, findings []node.Finding) []string {
	actions := make([]string, len(findings))
	for i, f := range findings {
		switch {
		case f.Kind != node.StaleShell:
			actions[i] = "none"
		case !r.apply:
			actions[i] = "none (dry run)"
		default:
			if err := node.Signal(r.machine.fsys, f.Process, syscall.SIGHUP); err != nil {
				actions[i] = outcome(err)
			}
		}
	}
	grace, cancel := context.WithTimeout(ctx, r.grace)
	defer cancel()
	for i, f := range findings {
		if actions[i] == "" {
			actions[i] = r.wait(ctx, grace, f)
		}
	}
	return actions
}

// wait waits for a shell to end until grace does, and then kills it.
func (r reaper) wait(ctx, grace context.Context, f node.Finding) string {
	for {
		p, err := node.ReadProcess(r.machine.fsys, f.Process.PID)
		if err != nil || p.Start != f.Process.Start || p.State == 'Z' {
			return "ended"
		}
		select {
		case <-grace.Done():
			if ctx.Err() != nil {
				return "SIGHUP sent"
			}
			if err := node.Signal(r.machine.fsys, f.Process, syscall.SIGKILL); err != nil {
				return outcome(err)
			}
			return "killed"
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func outcome(err error) string {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, node.ErrChanged) {
		return "gone by itself"
	}
	return err.Error()
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
