package admissiontest

import (
	"strings"

	"github.com/google/go-cmp/cmp"
)

// around is how many equal lines are shown around a difference.
const around = 3

// diff shows how two texts differ: lines that only a has, marked with "- ", and only b, marked with "+ ", among some
// that both have. It is empty for equal texts.
func diff(a, b string) string {
	var d lineDiff
	if cmp.Equal(splitLines(a), splitLines(b), cmp.Reporter(&d)) {
		return ""
	}
	d.flush()
	return d.String()
}

func diffLines(a, b []string) string { return diff(strings.Join(a, "\n"), strings.Join(b, "\n")) }

func splitLines(text string) []string {
	if text = strings.TrimSuffix(text, "\n"); text == "" {
		return []string{}
	}
	return strings.Split(text, "\n")
}

// lineDiff takes part in a comparison of lines as go-cmp's reporter. Its own report would show a slice of Go strings.
type lineDiff struct {
	path  cmp.Path
	lines []string // with their marks
	added []string // to come behind the lines that are removed at the same place
}

// PushStep and PopStep follow cmp into the lines and out again.
func (d *lineDiff) PushStep(step cmp.PathStep) { d.path = append(d.path, step) }

// PopStep undoes PushStep.
func (d *lineDiff) PopStep() { d.path = d.path[:len(d.path)-1] }

// Report takes one line.
func (d *lineDiff) Report(result cmp.Result) {
	a, b := d.path.Last().Values()
	if result.Equal() {
		d.flush()
		d.lines = append(d.lines, "  "+a.String())
		return
	}
	if a.IsValid() {
		d.lines = append(d.lines, "- "+a.String())
	}
	if b.IsValid() {
		d.added = append(d.added, "+ "+b.String())
	}
}

func (d *lineDiff) flush() {
	d.lines = append(d.lines, d.added...)
	d.added = nil
}

// String leaves out what is far from any difference.
func (d *lineDiff) String() string {
	near := make([]bool, len(d.lines))
	for i, line := range d.lines {
		if line[0] != ' ' {
			for j := max(0, i-around); j < min(len(near), i+around+1); j++ {
				near[j] = true
			}
		}
	}
	var out []string
	for i, line := range d.lines {
		switch {
		case near[i]:
			out = append(out, line)
		case i == 0 || near[i-1]:
			out = append(out, "  ...")
		}
	}
	return strings.Join(out, "\n")
}
