package elastic

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/kubewright/kubewright/eventsink"
)

// TemplateOptions say which indices are to be made for a Format. Every zero field means its default.
type TemplateOptions struct {
	Server Server
	Format eventsink.Format
	// Shards and Replicas of an index: 1 and 1. A negative Replicas means none, for a single node.
	Shards, Replicas int
	// RetentionDays is when an index is deleted: 30. Negative keeps them, and makes no policy.
	RetentionDays int
	// RolloverGB is the size of a primary shard at which a data stream rolls over, and after a day at the latest: 30.
	RolloverGB int
	// FailureStore keeps what a data stream can't map in its failure store (Elasticsearch 9.1).
	FailureStore bool
}

// Setup is one PUT that prepares a server.
type Setup struct {
	Path string
	Body []byte
}

// Setups returns the lifecycle policy, ILM for Elasticsearch and ISM for OpenSearch, and the composable index template
// for a Format, in the order in which to install them. The bodies are indented JSON that can be kept as files.
func Setups(o TemplateOptions) ([]Setup, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	var setups []Setup
	if o.RetentionDays > 0 {
		setups = append(setups, Setup{o.policyPath(), indented(o.policy())})
	}
	return append(setups, Setup{"/_index_template/" + o.Format.Index, indented(o.template())}), nil
}

func (o *TemplateOptions) fill() error {
	var errs []error
	if _, err := eventsink.NewRenderer(o.Format); err != nil {
		errs = append(errs, err)
	}
	major, minor := o.version()
	switch {
	case o.Server.Distribution != "elasticsearch" && o.Server.Distribution != "opensearch":
		errs = append(errs, fmt.Errorf("elastic: TemplateOptions.Server: distribution %q; write elasticsearch or opensearch", clip(o.Server.Distribution, 80)))
	case o.opensearch() && (major < 2 || major == 2 && minor < 7):
		errs = append(errs, fmt.Errorf("elastic: OpenSearch %q: flat_object needs 2.7", clip(o.Server.Version, 80)))
	case !o.opensearch() && major < 8:
		errs = append(errs, fmt.Errorf("elastic: Elasticsearch %q: the templates are for 8 and 9", clip(o.Server.Version, 80)))
	}
	if o.FailureStore && (o.opensearch() || !o.Format.DataStream || major < 9 || major == 9 && minor < 1) {
		errs = append(errs, errors.New("elastic: TemplateOptions.FailureStore needs a data stream and Elasticsearch 9.1"))
	}
	if o.Shards < 0 || o.RolloverGB < 0 {
		errs = append(errs, fmt.Errorf("elastic: TemplateOptions: Shards %d, RolloverGB %d; write none below 0", o.Shards, o.RolloverGB))
	}
	if o.Format.Index == "" {
		o.Format.Index = eventsink.DefaultIndex
	}
	for value, fallback := range map[*int]int{&o.Shards: 1, &o.Replicas: 1, &o.RetentionDays: 30, &o.RolloverGB: 30} {
		if *value == 0 {
			*value = fallback
		}
	}
	o.Replicas = max(o.Replicas, 0)
	return errors.Join(errs...)
}

func (o *TemplateOptions) opensearch() bool { return o.Server.Distribution == "opensearch" }

func (o *TemplateOptions) version() (major, minor int) {
	first, rest, _ := strings.Cut(o.Server.Version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, _ = strconv.Atoi(first)  // 0 is older than anything
	minor, _ = strconv.Atoi(second) // as is this
	return major, minor
}

// pattern matches the indices of the Format and no others of that prefix.
func (o *TemplateOptions) pattern() string {
	if o.Format.DataStream {
		return o.Format.Index
	}
	return o.Format.Index + "-*"
}

func (o *TemplateOptions) template() map[string]any {
	settings := map[string]any{
		"number_of_shards":   o.Shards,
		"number_of_replicas": o.Replicas,
		"codec":              "best_compression",
	}
	if !o.opensearch() && o.RetentionDays > 0 {
		settings["lifecycle.name"] = o.Format.Index
	}
	inner := map[string]any{"settings": map[string]any{"index": settings}, "mappings": o.mappings()}
	if o.FailureStore {
		inner["data_stream_options"] = map[string]any{"failure_store": map[string]any{"enabled": true}}
	}
	t := map[string]any{
		"index_patterns": []string{o.pattern()},
		"priority":       250, // above the vendors' own, below what people add
		"template":       inner,
		"_meta":          map[string]any{"description": "Kubernetes Events, made by kubewright"},
	}
	if o.Format.DataStream {
		t["data_stream"] = map[string]any{}
	}
	return t
}

func (o *TemplateOptions) policyPath() string {
	if o.opensearch() {
		return "/_plugins/_ism/policies/" + o.Format.Index
	}
	return "/_ilm/policy/" + o.Format.Index
}

// policy deletes indices by age. A dated index is as old as its first document; a data stream rolls over.
func (o *TemplateOptions) policy() map[string]any {
	if o.opensearch() {
		return o.ism()
	}
	hot := map[string]any{}
	if o.Format.DataStream {
		hot["rollover"] = map[string]any{"max_age": "1d", "max_primary_shard_size": fmt.Sprintf("%dgb", o.RolloverGB)}
	}
	return map[string]any{"policy": map[string]any{"phases": map[string]any{
		"hot":    map[string]any{"actions": hot},
		"delete": map[string]any{"min_age": fmt.Sprintf("%dd", o.RetentionDays), "actions": map[string]any{"delete": map[string]any{}}},
	}}}
}

func (o *TemplateOptions) ism() map[string]any {
	hot := []any{}
	if o.Format.DataStream {
		hot = append(hot, map[string]any{"rollover": map[string]any{"min_index_age": "1d", "min_primary_shard_size": fmt.Sprintf("%dgb", o.RolloverGB)}})
	}
	return map[string]any{"policy": map[string]any{
		"description":   "Kubernetes Events, made by kubewright",
		"default_state": "hot",
		"states": []any{
			map[string]any{"name": "hot", "actions": hot, "transitions": []any{map[string]any{
				"state_name": "delete", "conditions": map[string]any{"min_index_age": fmt.Sprintf("%dd", o.RetentionDays)},
			}}},
			map[string]any{"name": "delete", "actions": []any{map[string]any{"delete": map[string]any{}}}, "transitions": []any{}},
		},
		"ism_template": []any{map[string]any{"index_patterns": []string{o.pattern()}, "priority": 250}},
	}}
}

// indented is stable: encoding/json sorts the keys of maps.
func indented(v map[string]any) []byte {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // maps, lists, texts and numbers have JSON
		return nil
	}
	return append(text, '\n')
}
