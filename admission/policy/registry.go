package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"sigs.k8s.io/yaml"
)

// The names of the checks, in the order in which [Names] lists them.
const (
	nameHostPort         = "host-port"
	nameHostPath         = "host-path"
	nameHostNamespaces   = "host-namespaces"
	namePrivileged       = "privileged"
	nameCapabilities     = "capabilities"
	nameProbeRequired    = "probe-required"
	nameProbeHandler     = "probe-handler"
	nameProbeTiming      = "probe-timing"
	nameProbeHost        = "probe-host"
	nameImage            = "image"
	nameResources        = "resources"
	nameTerminationGrace = "termination-grace"
)

// builtin pairs a check's name with its options, as a pointer to their zero value.
type builtin struct {
	name    string
	options interface{ Check() (Check, error) }
}

// builtins is a function and not a variable, so that nobody can change it and every call has options of its own.
func builtins() []builtin {
	return []builtin{
		{nameHostPort, new(HostPort)},
		{nameHostPath, new(HostPath)},
		{nameHostNamespaces, new(HostNamespaces)},
		{namePrivileged, new(Privileged)},
		{nameCapabilities, new(Capabilities)},
		{nameProbeRequired, new(ProbeRequired)},
		{nameProbeHandler, new(ProbeHandler)},
		{nameProbeTiming, new(ProbeTiming)},
		{nameProbeHost, new(ProbeHost)},
		{nameImage, new(Image)},
		{nameResources, new(Resources)},
		{nameTerminationGrace, new(TerminationGrace)},
	}
}

// Names returns the names that [New] knows: first what reaches for the node, then how a workload should be written.
func Names() []string {
	all := builtins()
	names := make([]string, len(all))
	for i, b := range all {
		names[i] = b.name
	}
	return names
}

// New makes one of the package's checks from its name and its options as JSON or YAML, for checks that are chosen in a
// configuration file. No options, or null, are the zero value of the options' type. Unknown and duplicate fields are
// errors, as are wrong values.
func New(name string, options []byte) (Check, error) {
	for _, b := range builtins() {
		if b.name != name {
			continue
		}
		if err := decodeStrictly(options, b.options); err != nil {
			return Check{}, fmt.Errorf("%s: options: %w", name, err)
		}
		return b.options.Check()
	}
	return Check{}, fmt.Errorf("no check is named %s: write one of %s", quote(name), strings.Join(Names(), ", "))
}

func decodeStrictly(text []byte, into any) error {
	err := yaml.UnmarshalStrict(text, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return wrongType(wrong)
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "error unmarshaling JSON: while decoding JSON: json: "))
	}
	return nil
}

// wrongType says what to write: the decoder's own message speaks of Go types.
func wrongType(wrong *json.UnmarshalTypeError) error {
	instead := map[reflect.Kind]string{
		reflect.String: "text in quotes", reflect.Bool: "true or false", reflect.Slice: "a list", reflect.Struct: "keys with values",
		reflect.Int32: "a whole number", reflect.Int64: "a whole number",
	}[wrong.Type.Kind()]
	field := ""
	if wrong.Field != "" {
		field = wrong.Field + ": "
	}
	return fmt.Errorf("%swrite %s instead of this %s", field, instead, wrong.Value)
}
