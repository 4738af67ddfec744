package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/etcddecode"
)

func encode(ctx context.Context, args []string, s streams) error {
	fs := newFlags("encode", "Reads a manifest, YAML or JSON, and writes the bytes that etcd has to hold. Refuses what would not come back the same,\nand what is redacted.", s)
	file := fs.String("f", "-", "file with the manifest; - is stdin")
	key := fs.String("key", "", "the etcd key it will stand under; needed to encrypt")
	format := fs.String("format", "", "protobuf, json or, for custom resources, cbor; by default what the API server stores the kind as")
	config := fs.String("encryption-config", "", "encrypt as this EncryptionConfiguration says")
	resource := fs.String("resource", "", "resource that decides how to encrypt, deployments.apps say; by default that of the key, in the group of the manifest")
	out := fs.String("o", "-", "file to write; - is stdout")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	input, err := readManifest(*file, s.in)
	if err != nil {
		return err
	}
	options, err := encodeOptions(input, *format, *key, *resource, *config)
	if err != nil {
		return err
	}
	value, err := etcddecode.Encode(ctx, input, options)
	if err != nil {
		return err
	}
	if *out != "-" {
		return os.WriteFile(*out, value, 0o600)
	}
	if f, ok := s.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return errors.New("the value is binary and stdout is a terminal: use -o FILE or a pipe")
	}
	_, err = s.out.Write(value)
	return err
}

func readManifest(file string, stdin io.Reader) ([]byte, error) {
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(stdin, maxStdin))
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	manifest, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, errors.New("the manifest is no valid YAML, or has a key twice") // what is wrong may quote a secret
	}
	return manifest, nil
}

func encodeOptions(manifest []byte, format, key, resource, config string) (etcddecode.EncodeOptions, error) {
	o := etcddecode.EncodeOptions{Key: key, Resource: resource, Random: rand.Reader}
	switch format {
	case "":
	case "protobuf":
		o.Format = etcddecode.Protobuf
	case "json":
		o.Format = etcddecode.JSON
	case "cbor":
		o.Format = etcddecode.CBOR
	default:
		return o, errors.New("--format " + format + ": write protobuf, json or cbor")
	}
	var err error
	if o.Keyring, err = keyring(config); err != nil || o.Keyring == nil {
		return o, err
	}
	if key == "" {
		return o, errors.New("--encryption-config needs --key: the value is bound to its key")
	}
	if resource == "" {
		k, ok := etcddecode.ParseKey(key)
		if !ok {
			return o, errors.New("--key: no object's key; give --resource to say how to encrypt")
		}
		o.Resource = k.Resource + "." + groupOf(manifest)
		o.Resource = strings.TrimSuffix(o.Resource, ".")
	}
	return o, nil
}

// groupOf is the API group of a manifest, which the keys of built-in kinds lack.
func groupOf(manifest []byte) string {
	var object struct {
		APIVersion string `json:"apiVersion"`
	}
	if json.Unmarshal(manifest, &object) != nil {
		return "" // Encode says what is wrong
	}
	group, _, ok := strings.Cut(object.APIVersion, "/")
	if !ok {
		return ""
	}
	return group
}
