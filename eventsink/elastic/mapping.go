package elastic

import (
	"strings"

	"github.com/kubewright/kubewright/eventsink"
)

// The fields of the two schemas by type. What is not listed is kept in _source and not indexed: dynamic is false, so
// that no label or message can make a mapping conflict or a thousandth field.
var (
	ecsFields = map[string]string{ //nolint:gochecknoglobals // a constant
		"date": "@timestamp event.created event.start event.end kubernetes.event.timestamp.first_occurrence kubernetes.event.timestamp.last_occurrence",
		"text": "message",
		"long": "kubernetes.event.count eventsink.message_bytes eventsink.skew_ms",
		"keyword": "event.kind event.module event.dataset event.action event.id log.level " +
			"orchestrator.type orchestrator.cluster.name orchestrator.namespace orchestrator.resource.type orchestrator.resource.name orchestrator.resource.id " +
			"kubernetes.event.type kubernetes.event.reason kubernetes.event.action " +
			"kubernetes.event.metadata.uid kubernetes.event.metadata.name kubernetes.event.metadata.namespace kubernetes.event.metadata.resource_version " +
			references("kubernetes.event.involved_object", "api_version resource_version field_path") + references("kubernetes.event.related", "api_version resource_version field_path") +
			"kubernetes.event.source.component kubernetes.event.source.host kubernetes.event.reporting_instance eventsink.timestamp_source",
		"boolean": "eventsink.combined",
		"flat":    "kubernetes.event.labels kubernetes.event.annotations",
		"alias":   "kubernetes.event.message",
	}
	rawFields = map[string]string{ //nolint:gochecknoglobals // a constant
		"date": "@timestamp first last created",
		"text": "message",
		"long": "occurrences messageBytes skewMillis",
		"keyword": "uid cluster namespace name resourceVersion type reason action component instance host lastFrom " +
			references("regarding", "apiVersion resourceVersion fieldPath") + references("related", "apiVersion resourceVersion fieldPath"),
		"boolean": "combined",
		"flat":    "labels annotations",
	}
)

func references(prefix, names string) string {
	var b strings.Builder
	for name := range strings.FieldsSeq("kind name namespace uid " + names) {
		b.WriteString(prefix + "." + name + " ")
	}
	return b.String()
}

// keywordLimit is what a keyword may have and be indexed: Lucene takes no term above 32766 bytes.
const keywordLimit = 1024

func (o *TemplateOptions) mappings() map[string]any {
	fields := ecsFields
	if o.Format.Schema == eventsink.Raw {
		fields = rawFields
	}
	properties := map[string]any{}
	for kind, names := range fields {
		for name := range strings.FieldsSeq(names) {
			put(properties, strings.Split(name, "."), o.field(kind))
		}
	}
	return map[string]any{"dynamic": false, "properties": properties}
}

// put makes the tree of properties that leads to a field. "@timestamp" has no dot.
func put(properties map[string]any, path []string, field map[string]any) {
	if len(path) == 1 {
		properties[path[0]] = field
		return
	}
	child, ok := properties[path[0]].(map[string]any)
	if !ok {
		child = map[string]any{"properties": map[string]any{}}
		properties[path[0]] = child
	}
	inner, ok := child["properties"].(map[string]any)
	if !ok {
		inner = map[string]any{}
		child["properties"] = inner
	}
	put(inner, path[1:], field)
}

// field is the mapping of a type. Labels are flattened: as fields, app and app.kubernetes.io/name could not stand in one
// index.
func (o *TemplateOptions) field(kind string) map[string]any {
	switch {
	case kind == "flat" && o.opensearch():
		return map[string]any{"type": "flat_object"}
	case kind == "flat":
		return map[string]any{"type": "flattened", "ignore_above": keywordLimit}
	case kind == "keyword":
		return map[string]any{"type": "keyword", "ignore_above": keywordLimit}
	case kind == "alias":
		return map[string]any{"type": "alias", "path": "message"}
	}
	return map[string]any{"type": kind}
}
