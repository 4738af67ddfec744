package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// object is one Kubernetes object of a file.
type object struct {
	source string // "pod.yaml", or "pod.yaml document 2"
	raw    []byte // JSON
	metav1.PartialObjectMetadata
}

// String is "Pod default/web", with what the object has of it.
func (o *object) String() string {
	name := o.Name
	if name == "" && o.GenerateName != "" {
		name = o.GenerateName + "…"
	}
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return o.Kind + " " + name
}

// findFiles replaces directories by the manifests in and below them.
func findFiles(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		if info, err := os.Stat(name); name == "-" || err != nil || !info.IsDir() {
			files = append(files, name) // opening it will tell what is wrong
			continue
		}
		err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// readFiles reads the objects of files, and of standard input for "-". What can't be read is an error in its place, and
// the reading goes on behind it.
func readFiles(names []string, stdin io.Reader) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		for _, name := range names {
			if !readFile(name, stdin, yield) {
				return
			}
		}
	}
}

func readFile(name string, stdin io.Reader, yield func(object, error) bool) bool {
	if name == "-" {
		return readObjects("standard input", stdin, yield)
	}
	f, err := os.Open(name)
	if err != nil {
		return yield(object{}, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	return readObjects(name, f, yield)
}

// readObjects splits a text into YAML documents, which may be JSON texts, several in a row.
func readObjects(source string, r io.Reader, yield func(object, error) bool) bool {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(r))
	for n := 1; ; n++ {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return true
		}
		place := source
		if n > 1 {
			place = fmt.Sprintf("%s document %d", source, n)
		}
		if err != nil {
			return yield(object{}, fmt.Errorf("%s: %w", place, err)) // the reader can't go on
		}
		if !readDocument(place, text, yield) {
			return false
		}
	}
}

func readDocument(place string, text []byte, yield func(object, error) bool) bool {
	raws, err := toJSON(text)
	if err != nil {
		return yield(object{}, fmt.Errorf("%s: %w", place, err))
	}
	for _, raw := range raws {
		objects, err := parseObjects(raw)
		if err != nil {
			return yield(object{}, fmt.Errorf("%s: %w", place, err))
		}
		for _, o := range objects {
			o.source = place
			if !yield(o, nil) {
				return false
			}
		}
	}
	return true
}

// toJSON turns a document into JSON texts: none if it holds but comments, several if it is a stream of JSON texts.
func toJSON(text []byte) ([]json.RawMessage, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		raw, err := yaml.YAMLToJSONStrict(text)
		if err != nil || string(raw) == "null" {
			return nil, err
		}
		return []json.RawMessage{raw}, nil
	}
	var raws []json.RawMessage
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return raws, nil
		} else if err != nil {
			// YAML in flow style begins like JSON.
			if raw, yamlErr := yaml.YAMLToJSONStrict(text); yamlErr == nil {
				return []json.RawMessage{raw}, nil
			}
			return nil, err
		}
		raws = append(raws, raw)
	}
}

// parseObjects returns an object, or the items of a list.
func parseObjects(raw []byte) ([]object, error) {
	o := object{raw: raw}
	if err := json.Unmarshal(raw, &o.PartialObjectMetadata); err != nil {
		return nil, fmt.Errorf("not a Kubernetes object: %w", err)
	}
	if o.APIVersion == "" || o.Kind == "" {
		return nil, errors.New("not a Kubernetes object: apiVersion or kind is missing")
	}
	var list struct{ Items *[]json.RawMessage }
	if !strings.HasSuffix(o.Kind, "List") || json.Unmarshal(raw, &list) != nil || list.Items == nil {
		return []object{o}, nil
	}
	var objects []object
	for i, item := range *list.Items {
		item, err := o.typed(item)
		if err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, err)
		}
		some, err := parseObjects(item)
		if err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, err)
		}
		objects = append(objects, some...)
	}
	return objects, nil
}

// typed gives an item the kind that the API server leaves out in lists of one kind, such as a PodList.
func (o *object) typed(item []byte) ([]byte, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(item, &members); err != nil {
		return nil, err
	}
	if o.Kind == "List" || members["kind"] != nil {
		return item, nil
	}
	members["apiVersion"], _ = json.Marshal(o.APIVersion) // a string can be marshalled
	members["kind"], _ = json.Marshal(strings.TrimSuffix(o.Kind, "List"))
	return json.Marshal(members)
}
