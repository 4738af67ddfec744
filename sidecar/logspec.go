package sidecar

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
)

// LogSpec is what a Pod asks of the log shipper. [Set.ParseLog] reads it from annotations.
type LogSpec struct {
	Container string        // whose files they are; the first container if empty
	Drain     time.Duration // zero for the platform's
	Streams   []LogStream   // by name, "default" first
}

// LogStream is a number of files that are shipped in the same way.
type LogStream struct {
	Name      string   // "default" for the keys without a name
	Paths     []string // absolute, clean, with globs in their last elements
	Topic     string   // empty for the platform's
	Index     string   // likewise
	Multiline *Multiline
	JSON      bool   // each line, or each multiline event, is a JSON object
	Encoding  string // "utf-8" if empty
	Fields    map[string]string
}

// Multiline says which lines belong together, in the words of Filebeat: lines that match (or do not, with Negate) belong
// to the line before them (Match "after") or to the one behind them ("before").
type Multiline struct {
	Pattern string `json:"pattern"` // RE2, https://github.com/google/re2/wiki/Syntax
	Negate  bool   `json:"negate"`
	Match   string `json:"match"` // "after" if empty
}

const (
	defaultStream = "default"
	pathsKey      = "log.paths"
	containerKey  = "log.container"
	drainKey      = "log.drain"
	multilineKey  = "multiline"
)

var (
	presetName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$`)
	fieldName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}$`)
	topicName  = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
	indexName  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,199}$`)
)

// presets are the patterns that need no configuration.
func presets() map[string]Multiline {
	return map[string]Multiline{
		// A stack trace: indented frames, and causes.
		"java": {Pattern: `^\s+(at|\.{3})\s|^\s*Caused by:|^\s*Suppressed:`, Match: "after"},
		// Whatever does not begin with a date belongs to what did.
		"timestamp": {Pattern: `^\[?\d{4}-\d{2}-\d{2}`, Negate: true, Match: "after"},
		"indent":    {Pattern: `^\s`, Match: "after"},
	}
}

func (m Multiline) check() error {
	if m.Match != "" && m.Match != "after" && m.Match != "before" {
		return fmt.Errorf("match %q: write after or before", shorten(m.Match))
	}
	if m.Pattern == "" || len(m.Pattern) > 1024 {
		return errors.New("the pattern is empty, or longer than 1024 bytes")
	}
	if err := printable(m.Pattern); err != nil || strings.ContainsAny(m.Pattern, "\n\r\t") {
		return errors.New("the pattern has a character that can't be seen; write an escape such as \\t")
	}
	if _, err := regexp.Compile(m.Pattern); err != nil {
		if e, ok := errors.AsType[*syntax.Error](err); ok {
			return fmt.Errorf("the pattern is no regular expression (RE2): %s: %q", e.Code, shorten(e.Expr))
		}
		return fmt.Errorf("the pattern is no regular expression (RE2): %w", err)
	}
	return nil
}

// streamsOf are the names of the streams with paths, the default stream first.
func streamsOf(v *values) (names []string) {
	for name := range v.typed {
		if strings.HasPrefix(name, "log.") && strings.HasSuffix(name, ".paths") && name != pathsKey {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i], _, _ = cutStream(name)
	}
	if v.has(pathsKey) {
		names = slices.Insert(names, 0, defaultStream)
	}
	return names
}

// logSpec assembles the streams. It is nil if something is wrong, which is then among the problems.
func (v *values) logSpec(platform map[string]Multiline) *LogSpec {
	spec := &LogSpec{
		Container: get(v, containerKey, ""),
		Drain:     get(v, drainKey, time.Duration(0)),
	}
	before, paths := len(v.problems), 0
	for _, name := range streamsOf(v) {
		s := v.stream(name, platform)
		spec.Streams = append(spec.Streams, s)
		if paths += len(s.Paths); paths > maxItems {
			v.refuse(pathsOf(name), fmt.Sprintf("all streams together have more than %d paths", maxItems))
			return nil
		}
	}
	v.strayStreams()
	if len(v.problems) > before {
		return nil
	}
	return spec
}

func pathsOf(stream string) string {
	if stream == defaultStream {
		return pathsKey
	}
	return "log." + stream + ".paths"
}

// key is the key that counts for a stream: its own, or that of the default stream.
func (v *values) key(stream, name string) string {
	if own := "log." + stream + "." + name; stream != defaultStream && v.has(own) {
		return own
	}
	return "log." + name
}

func (v *values) stream(name string, platform map[string]Multiline) LogStream {
	s := LogStream{
		Name:      name,
		Topic:     get(v, v.key(name, "topic"), ""),
		Index:     get(v, v.key(name, "index"), ""),
		JSON:      get(v, v.key(name, "json"), false),
		Encoding:  get(v, v.key(name, "encoding"), ""),
		Fields:    get(v, v.key(name, "fields"), map[string]string(nil)),
		Multiline: v.multiline(name, platform),
	}
	s.Paths = get(v, pathsOf(name), []string(nil))
	return s
}

func (v *values) multiline(stream string, platform map[string]Multiline) *Multiline {
	key := v.key(stream, multilineKey)
	m := get(v, key, multilineText{preset: "none"})
	negateKey, matchKey := v.key(stream, "multiline-negate"), v.key(stream, "multiline-match")
	for _, k := range []string{negateKey, matchKey} {
		inherited := stream != defaultStream && !strings.HasPrefix(k, "log."+stream+".")
		if m.pattern == "" && v.own[k] && v.has(k) && !inherited {
			v.refuse(k, "it counts only for a pattern of one's own; write "+v.prefix+"/"+key+"=pattern:…, or remove this")
		}
	}
	switch {
	case m.pattern != "":
		return &Multiline{Pattern: m.pattern, Negate: get(v, negateKey, false), Match: get(v, matchKey, "after")}
	case m.preset == "none":
		return nil
	}
	known := merged(presets(), platform)
	preset, ok := known[m.preset]
	if !ok {
		v.refuse(key, "there is no such preset; write one of none, "+strings.Join(sortedKeys(known), ", ")+", or pattern: and a regular expression")
		return nil
	}
	preset.Match = cmp.Or(preset.Match, "after")
	return &preset
}

func merged[V any](a, b map[string]V) map[string]V {
	out := make(map[string]V, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// strayStreams refuses keys of streams that have no paths.
func (v *values) strayStreams() {
	streams := streamsOf(v)
	for _, name := range sortedKeys(v.typed) {
		if stream, _, ok := cutStream(name); ok && v.own[name] && !slices.Contains(streams, stream) {
			v.refuse(name, fmt.Sprintf("it does nothing without %s/log.%s.paths; add that, or remove this", v.prefix, stream))
		}
	}
}

// ParseLog reads what a Pod's annotations, and defaults where it has none, ask of the log shipper. Streams is empty if
// that is nothing, or "inject" is "false". With [Filebeat.Render], it is for checking a template without a cluster: name
// the first container of the template in Container if that is empty, as [Set.Apply] does. What only the Pod can tell is
// not checked, such as whether it has that container. The error joins one [*AnnotationError] for each annotation under
// the prefix that is wrong.
func (s *Set) ParseLog(annotations, defaults map[string]string) (LogSpec, error) {
	v := s.schema.read(annotations, defaults)
	var platform map[string]Multiline
	for _, i := range s.injectors {
		if f, ok := i.(interface{ platform() map[string]Multiline }); ok {
			platform = f.platform()
		}
	}
	s.schema.requireTriggers(v, Filebeat{})
	spec := v.logSpec(platform)
	if err := v.problems.err(); err != nil {
		return LogSpec{}, err
	}
	if v.optedOut() {
		return LogSpec{}, nil
	}
	return *spec, nil
}

func (f Filebeat) platform() map[string]Multiline { return f.Presets }
