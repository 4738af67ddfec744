package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/kubewright/kubewright/staticip"
)

// renderers are the CNIs that can be chosen, with the options of each. The types repeat those of package staticip,
// which have no keys for a configuration file.
func renderers() map[string]func(options json.RawMessage) (staticip.Renderer, error) {
	type calico struct {
		NoIPAM bool `json:"noIPAM"`
	}
	type kubeOVN struct {
		Provider  string `json:"provider"`
		Subnet    string `json:"subnet"`
		Interface string `json:"interface"`
	}
	type antrea struct {
		Pools []string `json:"pools"`
	}
	type multus struct {
		Network    string `json:"network"`
		Namespace  string `json:"namespace"`
		Attachment bool   `json:"attachment"`
		Interface  string `json:"interface"`
	}
	type spiderpool struct {
		Interface string `json:"interface"`
	}
	return map[string]func(json.RawMessage) (staticip.Renderer, error){
		"calico":     rendererOf(func(o calico) staticip.Renderer { return staticip.Calico(o) }),
		"kube-ovn":   rendererOf(func(o kubeOVN) staticip.Renderer { return staticip.KubeOVN(o) }),
		"antrea":     rendererOf(func(o antrea) staticip.Renderer { return staticip.Antrea(o) }),
		"multus":     rendererOf(func(o multus) staticip.Renderer { return staticip.Multus(o) }),
		"spiderpool": rendererOf(func(o spiderpool) staticip.Renderer { return staticip.Spiderpool(o) }),
		"cilium":     rendererOf(func(struct{}) staticip.Renderer { return staticip.Cilium{} }),
		"template":   rendererOf(func(o map[string]string) staticip.Renderer { return staticip.Template(o) }),
	}
}

// rendererOf reads options as strictly as the rest of the file.
func rendererOf[O any](convert func(O) staticip.Renderer) func(json.RawMessage) (staticip.Renderer, error) {
	return func(text json.RawMessage) (staticip.Renderer, error) {
		var o O
		if len(text) > 0 {
			strict, err := kjson.UnmarshalStrict(text, &o)
			if err := errors.Join(append(strict, err)...); err != nil {
				return nil, fmt.Errorf("rendererOptions: %w", err)
			}
		}
		return convert(o), nil
	}
}

func newRenderer(name string, options json.RawMessage) (staticip.Renderer, error) {
	if name == "" {
		name = "calico"
	}
	known := renderers()
	if known[name] == nil {
		names := strings.Join(slices.Sorted(maps.Keys(known)), ", ")
		return nil, fmt.Errorf("renderer %q is none: write one of %s", name, names)
	}
	return known[name](options)
}
