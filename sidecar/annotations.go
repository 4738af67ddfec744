package sidecar

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Key is an annotation that Pods may carry.
type Key struct {
	Name     string // without prefix: "log.paths", or "log.<stream>.paths" for any stream
	Injector string // whose it is, by [Injector.Name]; empty for that of the Set itself
	Values   string // what to write, in words
	Doc      string // what it does

	parse   func(text string) (any, error)
	exact   bool   // blanks around it count
	trigger string // the key without which the injector does nothing
}

// The Set's own keys.
const (
	optKey    = "inject"     // the user's switch
	recordKey = "injected"   // what was done
	configKey = "log.config" // the file of the log shipper
)

const streamPart = "<stream>"

// schema is the table by which annotations are read, documented and refused.
type schema struct {
	prefix string
	list   []Key          // sorted
	index  map[string]Key // of those without a stream
}

func newSchema(prefix string, configured []Injector) schema {
	s := schema{prefix: prefix, index: map[string]Key{}}
	all := append(builtins(), configured...)
	s.add(Key{Name: optKey, Values: boolWords, Doc: "`false` turns everything off for this Pod.", parse: parseBool})
	for _, i := range all {
		keys := i.keys()
		for _, k := range keys {
			k.Injector, k.trigger = i.Name(), keys[0].Name
			s.add(k)
		}
	}
	slices.SortFunc(s.list, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func (s *schema) add(k Key) {
	if _, ok := s.index[k.Name]; !ok {
		s.index[k.Name] = k
		s.list = append(s.list, k)
	}
}

// find returns the key with a name. A stream is what stands between "log." and the last dot.
func (s *schema) find(name string) (Key, bool) {
	if k, ok := s.index[name]; ok && !strings.Contains(name, streamPart) {
		return k, true
	}
	_, pattern, ok := cutStream(name)
	if !ok {
		return Key{}, false
	}
	k, ok := s.index[pattern]
	return k, ok
}

// cutStream takes log.access.paths apart: "access" and "log.<stream>.paths".
func cutStream(name string) (stream, pattern string, ok bool) {
	rest, ok := strings.CutPrefix(name, "log.")
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot <= 0 {
		return "", "", false
	}
	return rest[:dot], "log." + streamPart + rest[dot:], true
}

// values are the annotations of one Pod, parsed.
type values struct {
	prefix   string
	text     map[string]string // by name without prefix
	typed    map[string]any
	own      map[string]bool // said by the Pod itself, not by defaults
	problems problems
}

// read parses what is under the prefix, the Pod's own annotations before defaults.
func (s *schema) read(annotations, defaults map[string]string) *values {
	v := &values{prefix: s.prefix}
	for i, m := range []map[string]string{annotations, defaults} {
		for key, text := range m {
			name, ok := strings.CutPrefix(key, s.prefix+"/")
			if ok && name != recordKey && name != configKey {
				v.set(name, text, i == 0)
			}
		}
	}
	if _, injected := annotations[s.prefix+"/"+recordKey]; !injected {
		if text, ok := annotations[s.prefix+"/"+configKey]; ok {
			v.text = map[string]string{configKey: text}
			v.refuse(configKey, "it is written by the webhook; remove it")
		}
	}
	for _, name := range sortedKeys(v.text) {
		if len(v.problems) == maxItems {
			break // nobody reads more
		}
		if name != configKey {
			v.parse(s, name)
		}
	}
	return v
}

func (v *values) set(name, text string, own bool) {
	if v.text == nil {
		v.text, v.typed, v.own = map[string]string{}, map[string]any{}, map[string]bool{}
	}
	if _, ok := v.text[name]; !ok {
		v.text[name], v.own[name] = text, own
	}
}

func (v *values) parse(s *schema, name string) {
	k, ok := s.find(name)
	if !ok {
		v.refuse(name, "there is no such annotation"+s.nearest(name))
		return
	}
	if stream, _, ok := cutStream(name); ok && strings.Contains(k.Name, streamPart) {
		if err := checkStream(stream); err != nil {
			v.refuse(name, err.Error())
			return
		}
	}
	text := strings.TrimSpace(v.text[name])
	if k.exact && text != "" {
		text = strings.Trim(v.text[name], "\r\n")
	}
	if text == "" {
		v.refuse(name, "it is empty; write "+k.Values+", or remove it")
		return
	}
	if err := printable(text); err != nil {
		v.refuse(name, err.Error())
		return
	}
	typed, err := k.parse(text)
	if err != nil {
		v.refuse(name, err.Error())
		return
	}
	v.typed[name] = typed
}

// checkStream bounds the name so that the key, of at most 63 bytes, and the volume names have room for it.
func checkStream(stream string) error {
	if len(validation.IsDNS1123Label(stream)) > 0 || len(stream) > 20 || stream == defaultStream {
		return fmt.Errorf("the stream's name %q is not 1 to 20 of a-z, 0-9 and '-', beginning and ending with a letter or digit, and other than %q", shorten(stream), defaultStream)
	}
	return nil
}

// printable refuses what could not be shown, or could break a line of the configuration that is rendered.
func printable(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("it is not UTF-8")
	}
	for _, r := range text {
		if !unicode.IsPrint(r) && r != '\n' && r != '\r' && r != '\t' {
			return fmt.Errorf("it has the character %U, which can't be seen; remove it", r)
		}
	}
	return nil
}

func (v *values) refuse(name, message string) {
	v.problems.add(v.problem(name, message))
}

// problem is what is wrong with a key, and where to change it if the Pod does not have it.
func (v *values) problem(name, message string) *AnnotationError {
	p := &AnnotationError{Key: v.prefix + "/" + name, Value: shorten(v.text[name]), Message: message}
	if _, given := v.text[name]; given && name != configKey && !v.own[name] {
		p.Default = true
		p.Message += fmt.Sprintf(" (the Pod has it by default, from its namespace or owner: change it there, or write %s/%s=false in the Pod)", v.prefix, optKey)
	}
	return p
}

// has reports whether a key was given and understood.
func (v *values) has(name string) bool {
	_, ok := v.typed[name]
	return ok
}

// optedOut reports whether the Pod wants nothing.
func (v *values) optedOut() bool { return !get(v, optKey, true) }

// get returns the value of a key, or what else it is.
func get[T any](v *values, name string, fallback T) T {
	if typed, ok := v.typed[name].(T); ok {
		return typed
	}
	return fallback
}

// requireTriggers refuses keys that do nothing because the Pod does not ask for their injector. Defaults may be there
// for Pods that do.
func (s *schema) requireTriggers(v *values, injectors ...Injector) {
	var stray []string
	for name := range v.typed {
		if k, _ := s.find(name); v.own[name] && !v.has(k.trigger) {
			stray = append(stray, name)
		}
	}
	if stray == nil {
		return
	}
	idle := map[string]bool{}
	for _, i := range injectors {
		idle[i.Name()] = !i.asked(v)
	}
	slices.Sort(stray)
	for _, name := range stray {
		if k, _ := s.find(name); idle[k.Injector] {
			v.refuse(name, fmt.Sprintf("it does nothing without %s/%s; add that, or remove this", v.prefix, k.trigger))
		}
	}
}
