package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	arv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

//go:embed default.yaml
var defaultConfig []byte

// Config is the configuration file. default.yaml explains its keys.
type Config struct {
	Name              string                 `json:"name"`
	FailurePolicy     arv1.FailurePolicyType `json:"failurePolicy"`
	TimeoutSeconds    int32                  `json:"timeoutSeconds"`
	ExcludeNamespaces []string               `json:"excludeNamespaces"`
	MaxInFlight       int                    `json:"maxInFlight"`
	Invalid           bool                   `json:"invalid"`
	ClientCA          *clientCA              `json:"clientCA"`

	PodDefaults podDefaults `json:"podDefaults"`
	Sidecars    sidecars    `json:"sidecars"`
	StaticIP    staticIP    `json:"staticIP"`
	Policies    policies    `json:"policies"`

	text []byte // as it was read
}

// clientCA says who may ask for reviews.
type clientCA struct {
	File  string   `json:"file"`
	Names []string `json:"names"`
}

// section is a part of the configuration that brings functions of its own. A new one is a file with a type, a field
// of Config, and a line here.
type section interface {
	addTo(*functions) error
}

func (c *Config) sections() []section {
	return []section{&c.PodDefaults, &c.Sidecars, &c.StaticIP, c.Policies}
}

// functions is what all sections together want to be registered, mutators in the order of the sections.
type functions struct {
	registrations []admission.Registration
	actions       map[string]admission.Action
	exempt        map[string][]string // namespaces, by rule
}

// loadConfig reads a configuration file, or the default without one.
func loadConfig(file string) (*Config, error) {
	text, name := defaultConfig, "default.yaml"
	if file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return nil, cli.Usagef("configuration: %w", err)
		}
		name = file
	}
	c, err := parseConfig(text)
	if err != nil {
		return nil, cli.Usagef("configuration %s: %w", name, err)
	}
	return c, nil
}

// parseConfig is strict: what it does not know or finds twice is an error with the path of the key.
func parseConfig(text []byte) (*Config, error) {
	asJSON, err := onlyDocument(text)
	if err != nil {
		return nil, err
	}
	c := &Config{text: text}
	strict, err := kjson.UnmarshalStrict(asJSON, c)
	if err := errors.Join(append(strict, wrongType(err))...); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// onlyDocument is the one document of a YAML text, as JSON. The decoder would take the first of several, and be silent
// about the others.
func onlyDocument(text []byte) ([]byte, error) {
	only := []byte("null")
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 0; ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return only, nil
		}
		if err != nil {
			return nil, err
		}
		asJSON, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return nil, err
		}
		if string(asJSON) == "null" { // nothing but comments
			continue
		}
		if n++; n > 1 {
			return nil, errors.New("it holds more than one YAML document: write one, without lines of ---")
		}
		only = asJSON
	}
}

// wrongType says of an error about a value's type what to write: the decoder's own message speaks of Go types.
func wrongType(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	instead := map[reflect.Kind]string{
		reflect.String: "text in quotes", reflect.Bool: "true or false", reflect.Slice: "a list", reflect.Struct: "keys with values", reflect.Map: "keys with values",
	}[wrong.Type.Kind()]
	if instead == "" {
		instead = "a whole number"
	}
	field := ""
	if wrong.Field != "" {
		field = wrong.Field + ": "
	}
	return fmt.Errorf("%swrite %s instead of this %s", field, instead, wrong.Value)
}

// check reports everything that is wrong, so that a file is repaired in one go.
func (c *Config) check() error {
	h, err := c.handler(admission.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h = &admission.Handler{} // enough to learn what else is wrong
	}
	errs := []error{err}
	if c.ClientCA != nil && c.ClientCA.File == "" {
		errs = append(errs, errors.New("clientCA.file is missing"))
	}
	if c.StaticIP.Enabled && c.FailurePolicy == arv1.Ignore {
		errs = append(errs, errors.New("staticIP with failurePolicy Ignore: a Pod that is admitted unseen gets a random address; write Fail"))
	}
	// Where the webhook is reached does not matter for what can be wrong in the file.
	if _, err := h.Manifests(c.manifestOptions(admission.ManifestOptions{URL: "https://localhost"})); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// functions asks all sections.
func (c *Config) functions() (functions, error) {
	f := functions{actions: map[string]admission.Action{}, exempt: map[string][]string{}}
	var errs []error
	for _, s := range c.sections() {
		errs = append(errs, s.addTo(&f))
	}
	if err := errors.Join(errs...); err != nil {
		return functions{}, err
	}
	if len(f.registrations) == 0 {
		return functions{}, errors.New("there is nothing to do: every policy and staticIP are off, and podDefaults and sidecars are empty; webhook -print-config shows a configuration to start from")
	}
	return f, nil
}

// handler is the admission handler of everything configured. Options bring what is no configuration.
func (c *Config) handler(o admission.Options) (*admission.Handler, error) {
	f, err := c.functions()
	if err != nil {
		return nil, err
	}
	o.Actions = f.actions
	o.Exempt = func(req *admissionv1.AdmissionRequest, rule string) bool {
		return slices.Contains(f.exempt[rule], req.Namespace)
	}
	o.Invalid = c.Invalid
	o.MaxInFlight = c.MaxInFlight
	o.Timeout = time.Duration(c.TimeoutSeconds) * time.Second
	return admission.NewHandler(o, f.registrations...)
}

// manifestOptions adds what is configured to options that say where the webhook is reached. What the API server would
// fill in is said here, so that what is installed compares equal to what was asked for.
func (c *Config) manifestOptions(o admission.ManifestOptions) admission.ManifestOptions {
	o.Name = c.Name
	o.FailurePolicy = c.FailurePolicy
	o.TimeoutSeconds = c.TimeoutSeconds
	o.ExcludeNamespaces = c.ExcludeNamespaces
	o.ObjectSelector = &metav1.LabelSelector{}
	o.Labels = map[string]string{"app.kubernetes.io/name": "kubewright-webhook"}
	return o
}

// excludes reports whether objects of a namespace are not sent to the webhook.
func (c *Config) excludes(namespace string) bool {
	excluded := c.ExcludeNamespaces
	if excluded == nil {
		excluded = []string{metav1.NamespaceSystem} // the default of admission.ManifestOptions
	}
	return slices.Contains(excluded, namespace)
}
