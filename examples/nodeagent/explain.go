package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/kubewright/kubewright/cgroupview"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const explainHelp = `
Usage: nodeagent explain [flags] [process | container]

Prints what a process or a container really has, every file that says so, and what Go, Java, Node.js and others will
make of it. A container is named by the start of its ID; without an argument it is this process.
`

func explain(_ context.Context, args []string, s streams) error {
	flags := newFlags("explain", s, explainHelp)
	root := rootFlag(flags)
	all := flags.Bool("all", false, "also list files that do not exist")
	rest, err := flags.ParseMost(args, 1)
	if err != nil {
		return err
	}
	m, err := newMachine(*root)
	if err != nil {
		return err
	}
	f, err := m.find(strings.Join(rest, ""))
	if err != nil {
		return err
	}
	l, err := f.group.Limits()
	if err != nil {
		return err
	}
	return cli.Write(s.Out, explanation(f.title, l, *all))
}

// explanation is the whole text: the answer, the files, the predictions, the advice.
func explanation(title string, l cgroupview.Limits, all bool) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	line := func(format string, args ...any) { // a Builder takes it all
		for i, a := range args {
			if text, ok := a.(string); ok {
				args[i] = plain(text)
			}
		}
		_, _ = fmt.Fprintf(w, format+"\n", args...)
	}
	line("%s\n", strings.ToUpper(title[:1])+title[1:])
	line("CPUs\t%s\t%s", orUnknown(l.CPUs.String()), "can run on; the machine has "+orUnknown(l.Online.String()))
	line("CPU time\t%s\t%s", quota(l), at(l.Quota.Path, l.Quota.Level))
	line("memory\t%s\t%s", amount(l.Memory), at(l.Memory.Path, l.Memory.Level))
	line("soft memory\t%s\t%s", amount(l.High), at(l.High.Path, l.High.Level))
	line("swap\t%s\t%s", amount(l.Swap), at(l.Swap.Path, l.Swap.Level))
	kind, value, meaning := request(l)
	line("%s\t%s\t%s", kind, value, meaning)
	line("\nLEVEL\tFILE\tSAYS\t")
	for _, step := range l.Why {
		if step.State != cgroupview.Absent || all {
			line("%d\t%s\t%s\t%s", step.Level, step.Path, says(step), binding(step))
		}
	}
	line("\nPROGRAM\tCPUS\tBECAUSE\tBUT")
	for _, p := range l.Predict() {
		_, because, _ := strings.Cut(p.CPUs.Because, ": ")
		line("%s\t%d\t%s\t%s", p.Runtime, p.CPUs.N, because, p.Blind)
	}
	line("\nPROGRAM\tHEAP\tBECAUSE\tBUT")
	for _, p := range l.Predict() {
		if p.Heap.Because != "" {
			line("%s\t%s\t%s\t%s", p.Runtime, heap(p.Heap), p.Heap.Because, p.Heap.Blind)
		}
	}
	switch l.Quota.State {
	case cgroupview.Limited, cgroupview.Unlimited:
		line("\nSettings that make them right:")
	default:
		line("\nThe CPU quota is %s, so nothing is known that would make the numbers of CPUs right. Other settings that do:", l.Quota.State.String())
	}
	for _, a := range l.Advice() {
		line("  %s", a)
	}
	_ = w.Flush() // to a Builder
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// plain keeps what a container calls its cgroups from being a command to the terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func quota(l cgroupview.Limits) string {
	if l.Quota.State != cgroupview.Limited {
		return l.Quota.State.String()
	}
	return fmt.Sprintf("%.2f CPUs", l.Quota.Ratio.CPUs())
}

func heap(h cgroupview.Heap) string {
	if h.Bytes == 0 {
		return "no bound"
	}
	return fmt.Sprintf("%.1f MiB", float64(h.Bytes)/(1<<20))
}

func amount(a cgroupview.Amount) string {
	if a.State != cgroupview.Limited {
		return a.State.String()
	}
	return fmt.Sprintf("%.1f MiB", float64(a.Bytes)/(1<<20))
}

// request turns shares or weight into what may have been requested. Both formulas are shown, since nothing tells which
// one was used.
func request(l cgroupview.Limits) (kind, value, meaning string) {
	switch {
	case l.Weight > 0:
		linear, quadratic := cgroupview.SharesFromWeight(l.Weight)
		const kernels = 100
		meaning = fmt.Sprintf("a request of %.2f CPUs (runc 1.3.2, crun 1.23 and later), or %.2f (older)", float64(quadratic)/1024, float64(linear)/1024)
		if l.Weight == kernels {
			meaning = "the kernel's default, or " + meaning
		}
		return "weight", strconv.FormatUint(l.Weight, 10), meaning
	case l.Shares > 0:
		const kernels = 1024
		meaning = fmt.Sprintf("a request of %.2f CPUs", float64(l.Shares)/1024)
		if l.Shares == kernels {
			meaning += ", or the kernel's default"
		}
		return "shares", strconv.FormatUint(l.Shares, 10), meaning
	}
	return "weight", "unknown", ""
}

func at(path string, level int) string {
	switch {
	case path == "":
		return ""
	case level == 0:
		return path
	}
	return fmt.Sprintf("%s, %d above", path, level)
}

func says(s cgroupview.Step) string {
	switch {
	case s.Err != nil:
		return s.Err.Error()
	case s.State == cgroupview.Absent:
		return "absent"
	}
	return s.Text
}

func binding(s cgroupview.Step) string {
	switch {
	case s.Binding && s.Outside:
		return "<- counts, but the process cannot see it"
	case s.Binding:
		return "<- counts"
	}
	return ""
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}
