package eventsink

import (
	"errors"
	"fmt"
	"strings"
)

// Mode is what a document stands for.
type Mode uint8

const (
	// Latest keeps one document for each Event: index it with the UID as _id and the occurrences as external version.
	// Any replay, in any order, leaves the same documents.
	Latest Mode = iota
	// History keeps one document for each state of an Event: create it with UID and occurrences as _id. A replay leaves
	// the same documents in dated indices. A data stream whose backing index rolled over in between would take them
	// twice: search for them first (elastic's Client.Find).
	History
)

// Schema is how the fields of a document are named.
type Schema uint8

const (
	// ECS is the Elastic Common Schema with the kubernetes.event.* fields of Metricbeat, so that its dashboards work.
	ECS Schema = iota
	// Raw is a flat object with the names of [Record].
	Raw
)

// DefaultIndex is the base name of indices.
const DefaultIndex = "k8s-events"

// Format is the configuration of a [Renderer]. The zero value is useful.
type Format struct {
	Mode   Mode
	Schema Schema
	// Index is the base name: documents go to <Index>-2006.01.02 by the day the Event was created, which never changes,
	// so that a replay after midnight finds its documents. "k8s-events".
	Index string
	// Monthly makes it <Index>-2006.01, for clusters whose days are small.
	Monthly bool
	// DataStream writes to the data stream Index. It takes creates alone, so it needs History.
	DataStream bool
	// Cluster names the cluster in each document: orchestrator.cluster.name.
	Cluster string
	// MaxMessage is the longest message, in bytes before escaping; longer ones are cut at a rune and marked. 65536, what
	// events/v1 tells readers to be prepared for.
	MaxMessage int
}

// Renderer writes records as documents and as the action lines of the _bulk API, append-style, without allocating. What
// it writes depends on the record and the Format alone. It is immutable and safe for concurrent use.
type Renderer struct {
	format  Format
	cluster []byte // {"name":"…"}
	action  []byte // up to the index
	raw     []byte // "cluster":"…",
}

// NewRenderer checks the format and returns its Renderer. All problems are reported together.
func NewRenderer(f Format) (*Renderer, error) {
	if f.Index == "" {
		f.Index = DefaultIndex
	}
	if f.MaxMessage == 0 {
		f.MaxMessage = 64 << 10
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	r := &Renderer{format: f}
	if f.Cluster != "" {
		r.cluster = append(appendString([]byte(`,"cluster":{"name":`), f.Cluster), '}')
		r.raw = appendString([]byte(`,"cluster":`), f.Cluster)
	}
	op := `{"index":{"_index":"`
	if f.Mode == History {
		op = `{"create":{"_index":"`
	}
	r.action = append([]byte(op), f.Index...)
	return r, nil
}

func (f *Format) check() error {
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("eventsink: Format."+format, args...))
	}
	if f.Mode > History {
		add("Mode is %d; write Latest or History", f.Mode)
	}
	if f.Schema > Raw {
		add("Schema is %d; write ECS or Raw", f.Schema)
	}
	if f.MaxMessage < 0 {
		add("MaxMessage is %d; write the number of bytes, or 0 for 65536", f.MaxMessage)
	}
	if f.DataStream && f.Mode != History {
		add("DataStream needs Mode History: a data stream takes creates alone, and Latest overwrites")
	}
	if f.DataStream && f.Monthly {
		add("Monthly and DataStream exclude each other: a data stream names its own indices")
	}
	if why := badIndex(f.Index); why != "" {
		add("Index %q %s; write a name like %s", short(f.Index), why, DefaultIndex)
	}
	return errors.Join(errs...)
}

// badIndex says why a name may not be an index (Elasticsearch, create index API: path parameters), with room for the
// date.
func badIndex(name string) string {
	switch {
	case len(name) > 200:
		return "is longer than 200 bytes"
	case strings.ToLower(name) != name:
		return "has upper-case letters"
	case strings.ContainsAny(name, "\\/*?\"<>| ,#:") || strings.ContainsFunc(name, func(c rune) bool { return c < 0x20 || c > 0x7e }):
		return "has characters that an index may not have"
	case strings.HasPrefix(name, "-") || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "+") || strings.HasPrefix(name, "."):
		return "starts with one of - _ + ."
	}
	return ""
}

// AppendBulk appends the action line and the document, each with its newline: what a _bulk body is made of.
func (f *Renderer) AppendBulk(dst []byte, r *Record) []byte {
	dst, _ = f.appendBulk(dst, r)
	return dst
}

// appendBulk also returns where the document begins.
func (f *Renderer) appendBulk(dst []byte, r *Record) (text []byte, source int) {
	var t stamps
	t.set(r)
	dst = f.appendAction(dst, r, &t)
	source = len(dst)
	return append(f.appendSource(dst, r, &t), '\n'), source
}

// AppendAction appends the action line, with its newline.
func (f *Renderer) AppendAction(dst []byte, r *Record) []byte {
	var t stamps
	t.set(r)
	return f.appendAction(dst, r, &t)
}

func (f *Renderer) appendAction(dst []byte, r *Record, t *stamps) []byte {
	dst = append(dst, f.action...)
	dst = f.appendSuffix(dst, t)
	dst = append(dst, `","_id":"`...)
	dst = appendEscaped(dst, r.UID)
	if f.format.Mode == History {
		dst = appendUint(append(dst, '-'), uint64(r.Occurrences))
		return append(dst, "\"}}\n"...)
	}
	dst = appendUint(append(dst, `","version":`...), uint64(r.Occurrences))
	return append(dst, ",\"version_type\":\"external\"}}\n"...)
}

// AppendID appends the document's _id: <uid>, or <uid>-<occurrences> in History.
func (f *Renderer) AppendID(dst []byte, r *Record) []byte {
	dst = append(dst, r.UID...)
	if f.format.Mode == History {
		dst = appendUint(append(dst, '-'), uint64(r.Occurrences))
	}
	return dst
}

// AppendIndex appends the name of the index or data stream that the record goes to.
func (f *Renderer) AppendIndex(dst []byte, r *Record) []byte {
	var t stamps
	t.set(r)
	return f.appendSuffix(append(dst, f.format.Index...), &t)
}

// appendSuffix appends the day of an index: that of the creation or, of an Event that no API server stored, of its first
// occurrence.
func (f *Renderer) appendSuffix(dst []byte, t *stamps) []byte {
	if f.format.DataStream {
		return dst
	}
	day := []byte(`"1970-01-01`)
	switch {
	case t.created.n > 0:
		day = t.created.text[:]
	case t.first.n > 0:
		day = t.first.text[:]
	}
	dst = append(append(dst, '-'), day[1:5]...)
	dst = append(append(dst, '.'), day[6:8]...)
	if f.format.Monthly {
		return dst
	}
	return append(append(dst, '.'), day[9:11]...)
}

// AppendSource appends the document, a JSON object on one line without a newline. The text is valid UTF-8 whatever the
// record holds.
func (f *Renderer) AppendSource(dst []byte, r *Record) []byte {
	var t stamps
	t.set(r)
	return f.appendSource(dst, r, &t)
}

func (f *Renderer) appendSource(dst []byte, r *Record, t *stamps) []byte {
	if f.format.Schema == Raw {
		return f.appendRaw(dst, r, t)
	}
	return f.appendECS(dst, r, t)
}
