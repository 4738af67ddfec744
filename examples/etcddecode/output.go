package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"k8s.io/client-go/util/jsonpath"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// render is how a worker makes text of an object.
type render func(dst []byte, o *etcddecode.Object, r etcddb.Record) ([]byte, error)

func renderYAML(dst []byte, o *etcddecode.Object, _ etcddb.Record) ([]byte, error) {
	return o.AppendYAML(dst)
}

func renderJSON(dst []byte, o *etcddecode.Object, _ etcddb.Record) ([]byte, error) {
	return append(o.AppendJSON(dst), '\n'), nil
}

// outputs are what renderer knows.
const outputs = "yaml, json or jsonpath={.metadata.name}"

// renderer is what -o asks for.
func renderer(format string) (render, error) {
	template, isPath := strings.CutPrefix(format, "jsonpath=")
	switch {
	case format == "yaml":
		return renderYAML, nil
	case format == "json":
		return renderJSON, nil
	case isPath:
		return jsonPath(template)
	}
	return nil, errors.New("-o " + format + ": write " + outputs)
}

// jsonPath renders the template of kubectl's -o jsonpath. What an object lacks is empty.
func jsonPath(template string) (render, error) {
	parse := func() (*jsonpath.JSONPath, error) { // it keeps state while it runs, so each object has its own
		p := jsonpath.New("output").AllowMissingKeys(true)
		return p, p.Parse(template)
	}
	if _, err := parse(); err != nil {
		return nil, fmt.Errorf("-o jsonpath: %w", err)
	}
	return func(dst []byte, o *etcddecode.Object, _ etcddb.Record) ([]byte, error) {
		object := o.Unstructured()
		if object == nil {
			return dst, errors.New("is no object")
		}
		p, err := parse()
		if err != nil {
			return dst, err
		}
		out := bytes.NewBuffer(dst)
		if err := p.Execute(out, object); err != nil {
			return dst, errors.New("the template does not fit") // what is wrong may quote a value
		}
		if out.Len() > len(dst) && !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
			out.WriteByte('\n')
		}
		return out.Bytes(), nil
	}, nil
}
