package admissiontest

import (
	"bytes"
	"slices"
	"strings"
)

// archive is a txtar archive: a comment, then files, each after a line "-- NAME --".
type archive struct {
	comment []byte
	files   []archived
}

type archived struct {
	name string
	data []byte
}

// parseArchive never fails: what is no file is comment.
func parseArchive(text []byte) archive {
	var a archive
	target := &a.comment
	for line := range bytes.Lines(text) {
		if name, ok := marker(line); ok {
			a.files = append(a.files, archived{name: name})
			target = &a.files[len(a.files)-1].data
			continue
		}
		*target = append(*target, line...)
	}
	return a
}

// marker returns the name in a line "-- NAME --".
func marker(line []byte) (string, bool) {
	text := strings.TrimRight(string(line), "\r\n")
	name, ok := strings.CutPrefix(text, "-- ")
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, " --")
	name = strings.TrimSpace(name)
	return name, ok && name != ""
}

func (a archive) format() []byte {
	out := slices.Clone(a.comment)
	for _, f := range a.files {
		out = ensureNewline(out)
		out = append(out, "-- "+f.name+" --\n"...)
		out = append(out, f.data...)
	}
	return ensureNewline(out)
}

func ensureNewline(text []byte) []byte {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return append(text, '\n')
	}
	return text
}

// get returns the data of a file.
func (a archive) get(name string) ([]byte, bool) {
	i := a.index(name)
	if i < 0 {
		return nil, false
	}
	return a.files[i].data, true
}

func (a archive) index(name string) int {
	return slices.IndexFunc(a.files, func(f archived) bool { return f.name == name })
}

// set replaces or appends a file, or removes it if there is no data.
func (a *archive) set(name string, data []byte) {
	i := a.index(name)
	switch {
	case i < 0 && data == nil:
	case i < 0:
		a.files = append(a.files, archived{name, data})
	case data == nil:
		a.files = slices.Delete(a.files, i, i+1)
	default:
		a.files[i].data = data
	}
}
