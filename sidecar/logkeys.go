package sidecar

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

func (Filebeat) keys() []Key {
	keys := []Key{
		{Name: pathsKey, Values: "absolute globs, one a line or between commas", Doc: "The files to ship. Only the last elements of a path may have wildcards: the directory before them is shared between the containers. A directory that is no volume yet becomes an empty one."},
		{Name: containerKey, Values: "the name of a container", Doc: "Whose files they are. The first container without it.", parse: parseContainerName},
		{Name: drainKey, Values: "a duration from `5s` to `5m`", Doc: "How long to read on after the application has ended.", parse: parseDrain},
	}
	keys[0].parse = parsePaths
	for _, k := range []Key{
		{Name: "topic", Values: "a Kafka topic", Doc: "Where to: the topic, and `fields.topic`.", parse: parseTopic},
		{Name: "index", Values: "the beginning of the name of an Elasticsearch index", Doc: "Where to: the index, and `fields.index`.", parse: parseIndex},
		{Name: multilineKey, Values: "`none`, `java`, `timestamp`, `indent`, a preset of the platform, or `pattern:` and an RE2 expression", Doc: "Which lines belong together.", parse: parseMultiline, exact: true},
		{Name: "multiline-negate", Values: boolWords, Doc: "With `pattern:`, lines that do not match belong together.", parse: parseBool},
		{Name: "multiline-match", Values: "`after` or `before`", Doc: "With `pattern:`, whether they belong to the line before them or behind them. `after` without it.", parse: oneOf("after", "before")},
		{Name: "json", Values: boolWords, Doc: "Events are JSON objects, whose fields become those of the event.", parse: parseBool},
		{Name: "encoding", Values: "one of " + strings.Join(encodings(), ", "), Doc: "The encoding of the files. `utf-8` without it.", parse: oneOf(encodings()...)},
		{Name: "fields", Values: "`name=value`, one a line or between commas", Doc: "Added to every event under `fields`.", parse: parseFields},
	} {
		name := k.Name
		k.Name = "log." + name
		keys = append(keys, k)
		k.Name = "log." + streamPart + "." + name
		k.Doc = "The same for one stream; that of the default stream without it."
		keys = append(keys, k)
	}
	return append(keys, Key{
		Name: "log." + streamPart + ".paths", Values: keys[0].Values, parse: parsePaths,
		Doc: "Another stream, with a name of 1 to 20 of a-z, 0-9 and '-'.",
	})
}

// encodings are those of Filebeat.
func encodings() []string {
	return []string{
		"utf-8", "plain", "gbk", "gb18030", "hz-gb-2312", "big5", "shift-jis", "euc-jp", "iso-2022-jp", "euc-kr",
		"utf-16-bom", "utf-16be-bom", "utf-16le-bom", "utf-16be", "utf-16le", "latin1", "iso8859-2", "iso8859-5", "iso8859-15",
		"windows-1250", "windows-1251", "windows-1252", "koi8r",
	}
}

func parseContainerName(text string) (any, error) {
	if len(validation.IsDNS1123Label(text)) > 0 {
		return nil, errors.New("it is not the name of a container, of a-z, 0-9 and '-'")
	}
	return text, nil
}

func parseDrain(text string) (any, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < minDrain || d > maxDrain {
		return nil, errors.New("write a duration from 5s to 5m, such as 15s")
	}
	return d, nil
}

func parseTopic(text string) (any, error) {
	if !topicName.MatchString(text) || text == "." || text == ".." {
		return nil, errors.New("write the name of a topic: 1 to 249 letters, digits, '.', '_' and '-'")
	}
	return text, nil
}

func parseIndex(text string) (any, error) {
	if !indexName.MatchString(text) {
		return nil, errors.New("write the beginning of an index's name: 1 to 200 lower-case letters, digits, '.', '_' and '-', the first a letter or digit")
	}
	return text, nil
}

// multilineText is a value whose preset is not looked up yet: only the injector knows the platform's.
type multilineText struct {
	preset  string
	pattern string
}

func parseMultiline(text string) (any, error) {
	if pattern, ok := strings.CutPrefix(text, "pattern:"); ok {
		return multilineText{pattern: pattern}, Multiline{Pattern: pattern}.check()
	}
	if !presetName.MatchString(text) {
		return nil, errors.New("write none, java, timestamp or indent, a preset of the platform, or pattern: and a regular expression (RE2)")
	}
	return multilineText{preset: text}, nil
}

func parseFields(text string) (any, error) {
	items, err := parseList(text)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for _, item := range items {
		name, value, ok := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if _, again := fields[name]; !ok || again {
			return nil, fmt.Errorf("%q: write name=value, each name once", shorten(item))
		}
		if err := checkField(name, value); err != nil {
			return nil, err
		}
		fields[name] = value
	}
	return fields, nil
}

func checkField(name, value string) error {
	if !fieldName.MatchString(name) || name == "topic" || name == "index" {
		return fmt.Errorf("field %q: write a name of 1 to 63 letters, digits, '_' and '-', not beginning with a digit, and other than topic and index", shorten(name))
	}
	if err := printable(value); err != nil || value == "" || strings.ContainsAny(value, "\n\r\t") {
		return fmt.Errorf("field %q has the value %q; write one that is not empty and can be seen", name, shorten(value))
	}
	return nil
}

// parsePaths reads globs. What it accepts can be mounted: an absolute directory, not one of the system's, and behind it
// elements that may have wildcards.
func parsePaths(text string) (any, error) {
	items, err := parseList(text)
	if err != nil {
		return nil, err
	}
	for i, item := range items {
		if err := checkGlob(item); err != nil {
			return nil, fmt.Errorf("%q: %w", shorten(item), err)
		}
		items[i] = path.Clean(item)
	}
	return items, nil
}

func checkGlob(glob string) error {
	switch {
	case len(glob) > 1024:
		return errors.New("it is longer than 1024 bytes")
	case !strings.HasPrefix(glob, "/"):
		return errors.New("write an absolute path")
	case slices.Contains(strings.Split(glob, "/"), ".."):
		return errors.New("write it without \"..\"")
	case strings.HasSuffix(glob, "/"), strings.HasSuffix(glob, "/."):
		return errors.New("it is a directory; write which files, such as " + strings.TrimSuffix(glob, ".") + "*.log")
	case strings.ContainsAny(glob, ":"):
		return errors.New("a path with ':' can't be mounted")
	}
	if _, err := path.Match(glob, ""); err != nil {
		return errors.New("it is no glob: a '[' is not closed, or nothing follows a '\\'")
	}
	dir := globDir(glob)
	for _, system := range []string{"/proc", "/sys", "/dev", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/boot"} {
		if within(dir, system) {
			return fmt.Errorf("%s is the system's; write the logs elsewhere", system)
		}
	}
	if dir == "/" {
		return errors.New("the directory before the wildcards would be /; write a deeper one")
	}
	for _, whole := range []string{"/usr", "/var", "/opt", "/home", "/root", "/run", "/tmp", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/usr/local", "/var/lib", "/var/run"} {
		if dir == whole {
			return fmt.Errorf("the directory before the wildcards is %s, which has more than logs; write a deeper one", whole)
		}
	}
	return nil
}

// globDir is the directory before the first element with a wildcard.
func globDir(glob string) string {
	dir := path.Clean(glob)
	for {
		dir = path.Dir(dir)
		if !strings.ContainsAny(dir, `*?[\`) {
			return dir
		}
	}
}

// within reports whether a clean path is a directory or below it.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// cleanPath is the path at which a mount is. One without a slash before it begins at the root for the kubelet.
func cleanPath(p string) string {
	if !path.IsAbs(p) {
		p = "/" + p
	}
	return path.Clean(p)
}
