package sidecar

import (
	"cmp"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Render writes the configuration file of Filebeat for what a Pod asks. It is YAML for people to read, it holds no
// secret, and the same spec gives the same bytes. The error is a stream without the topic or index that the output needs.
//
// Every text of a user's is quoted for YAML, and its dollars for go-ucfg, which would expand ${…} otherwise.
func (f Filebeat) Render(spec LogSpec) ([]byte, error) {
	topic, index, required := f.Output.defaults()
	w := yamlWriter{make([]byte, 0, 2048)}
	w.line(0, "filebeat.inputs:")
	for _, s := range spec.Streams {
		s.Topic, s.Index = cmp.Or(s.Topic, topic), cmp.Or(s.Index, index)
		if required == "topic" && s.Topic == "" || required == "index" && s.Index == "" {
			return nil, fmt.Errorf("stream %s has no %s, and the platform has no default for it; add log.%s", s.Name, required, required)
		}
		f.input(&w, spec.Container, s)
	}
	f.process(&w, spec.Container)
	switch o := f.Output; {
	case o.Kafka != nil:
		o.Kafka.render(&w)
	case o.Logstash != nil:
		o.Logstash.render(&w)
	case o.Elasticsearch != nil:
		o.Elasticsearch.render(&w)
	}
	w.line(0, "logging: {level: warning, to_stderr: true, to_files: false, metrics.enabled: false}")
	return w.b, nil
}

func (f Filebeat) input(w *yamlWriter, container string, s LogStream) {
	w.line(0, "- type: filestream")
	w.text(1, "id", cmp.Or(container, "app")+"-"+s.Name)
	w.list(1, "paths", s.Paths)
	// A file of a few bytes has to be read too, and inodes are stable in an emptyDir.
	w.line(1, "file_identity.native: ~")
	w.line(1, "prospector.scanner:")
	w.line(2, "check_interval: 2s")
	w.line(2, "fingerprint.enabled: false")
	w.list(2, "exclude_files", []string{`\.gz$`})
	w.line(1, "backoff: {init: 1s, max: 2s}")
	// A file that was rotated away is read to its end first.
	w.line(1, "close.on_state_change: {inactive: 30m, removed: false, renamed: false}")
	w.line(1, "clean_removed: false")
	w.line(1, "ignore_older: 24h")
	w.line(1, "clean_inactive: 25h")
	w.line(1, "message_max_bytes: 900000") // Kafka drops what is more than 1000000 with its envelope
	w.text(1, "encoding", cmp.Or(s.Encoding, "utf-8"))
	if f.ReadUntilEOF {
		w.line(1, "read_until_eof: {enabled: true, timeout: "+seconds(f.flush())+"}")
	}
	w.parsers(s)
	fields := merged(f.Fields, s.Fields)
	for name, value := range map[string]string{"topic": s.Topic, "index": s.Index} {
		if value != "" {
			fields[name] = value
		}
	}
	if len(fields) > 0 {
		w.line(1, "fields:")
		for _, name := range sortedKeys(fields) {
			w.text(2, yamlKey(name), fields[name])
		}
	}
}

func (w *yamlWriter) parsers(s LogStream) {
	if s.Multiline == nil && !s.JSON {
		return
	}
	w.line(1, "parsers:")
	if m := s.Multiline; m != nil {
		w.line(1, "- multiline:")
		w.line(3, "type: pattern")
		w.text(3, "pattern", m.Pattern)
		w.line(3, "negate: "+strconv.FormatBool(m.Negate))
		w.text(3, "match", cmp.Or(m.Match, "after"))
		w.line(3, "max_lines: 500")
		w.line(3, "timeout: "+seconds(joinTimeout))
	}
	if s.JSON {
		w.line(1, "- ndjson: {target: '', add_error_key: true}")
	}
}

func (f Filebeat) process(w *yamlWriter, container string) {
	w.line(0, "filebeat.registry.path: registry")
	w.line(0, "filebeat.shutdown_timeout: "+seconds(f.flush()))
	w.text(0, "path.data", dataDir)
	w.line(0, "queue.mem: {events: 2048, flush.min_events: 512, flush.timeout: 1s}")
	w.line(0, "max_procs: 1")
	w.line(0, "processors:")
	w.line(0, "- add_fields:")
	w.text(2, "target", f.target())
	w.line(2, "fields:")
	w.expanded(3, "namespace", "SHIPPER_NAMESPACE")
	w.expanded(3, "pod.name", "SHIPPER_POD")
	w.expanded(3, "node.name", "SHIPPER_NODE")
	if container != "" {
		w.text(3, "container.name", container)
	}
}

func seconds(d time.Duration) string { return strconv.FormatInt(ceilSeconds(d), 10) + "s" }

func (k *Kafka) render(w *yamlWriter) {
	acks := 1
	if k.Acks != nil {
		acks = *k.Acks
	}
	w.line(0, "output.kafka:")
	w.list(1, "hosts", k.Hosts)
	w.line(1, "topic: '%{[fields.topic]}'")
	w.text(1, "version", cmp.Or(k.Version, "2.1.0"))
	w.line(1, "required_acks: "+strconv.Itoa(acks))
	w.text(1, "compression", cmp.Or(k.Compression, "lz4"))
	w.line(1, "max_message_bytes: 1000000")
	w.credentials(k.Username)
	if k.Mechanism != "" {
		w.line(1, "sasl.mechanism: "+k.Mechanism)
	}
	w.tls(k.TLS)
}

func (l *Logstash) render(w *yamlWriter) {
	w.line(0, "output.logstash:")
	w.list(1, "hosts", l.Hosts)
	w.tls(l.TLS)
}

// Of index lifecycle management and templates, either would overrule the index.
func (s *Elasticsearch) render(w *yamlWriter) {
	w.line(0, "output.elasticsearch:")
	w.list(1, "hosts", s.Hosts)
	w.line(1, "index: '%{[fields.index]}-%{+yyyy.MM.dd}'")
	w.credentials(s.Username)
	w.tls(s.TLS)
	w.line(0, "setup.ilm.enabled: false")
	w.line(0, "setup.template.enabled: false")
}

// yamlWriter writes YAML in block style.
type yamlWriter struct{ b []byte }

func (w *yamlWriter) line(depth int, text string) {
	w.indent(depth)
	w.b = append(append(w.b, text...), '\n')
}

func (w *yamlWriter) indent(depth int) {
	for range depth {
		w.b = append(w.b, "  "...)
	}
}

func (w *yamlWriter) text(depth int, key, value string) {
	w.indent(depth)
	w.b = append(append(w.b, key...), ": "...)
	w.quoted(value)
}

func (w *yamlWriter) list(depth int, key string, values []string) {
	w.line(depth, key+":")
	for _, v := range values {
		w.indent(depth)
		w.b = append(w.b, "- "...)
		w.quoted(v)
	}
}

// quoted ends a line with a scalar that is a string whatever is in it, and that go-ucfg leaves alone. Values can't have
// line ends: everything was looked at by printable.
func (w *yamlWriter) quoted(text string) {
	w.b = append(w.b, '\'')
	for i := range len(text) {
		if c := text[i]; c == '$' || c == '\'' {
			w.b = append(w.b, c)
		}
		w.b = append(w.b, text[i])
	}
	w.b = append(w.b, '\'', '\n')
}

// yamlKey is the name of a field. Some words are no strings in YAML 1.1, and a key of another type is an error.
func yamlKey(name string) string {
	switch strings.ToLower(name) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return "'" + name + "'"
	}
	return name
}

// expanded is the value of a variable. It is quoted for go-ucfg too, which parses what it has expanded: a namespace
// called 0123 would become a number, and a password with a comma a list (elastic/beats#22460).
func (w *yamlWriter) expanded(depth int, key, variable string) {
	w.line(depth, key+`: "'${`+variable+`}'"`)
}

func (w *yamlWriter) credentials(username string) {
	if username != "" {
		w.text(1, "username", username)
		w.expanded(1, "password", passwordEnv)
	}
}

// tls writes certificates anew, because what stands between PEM blocks could be anything.
func (w *yamlWriter) tls(t *TLS) {
	if t == nil {
		return
	}
	w.line(1, "ssl.enabled: true")
	rest := []byte(t.CA)
	for n := 0; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return
		}
		if n == 0 {
			w.line(1, "ssl.certificate_authorities:")
		}
		w.line(1, "- |")
		block.Headers = nil
		for line := range strings.Lines(string(pem.EncodeToMemory(block))) {
			w.line(2, strings.TrimSuffix(line, "\n"))
		}
	}
}
