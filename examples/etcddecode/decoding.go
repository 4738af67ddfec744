package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/etcddecode"
)

// decoding is the flags that say how values are decoded.
type decoding struct {
	encryptionConfig string
	showSecrets      bool
	managedFields    bool
	sensitive        string
}

func (o *decoding) add(fs *flag.FlagSet) {
	fs.StringVar(&o.encryptionConfig, "encryption-config", "", "the EncryptionConfiguration of the API server, to decrypt with")
	fs.BoolVar(&o.showSecrets, "show-secrets", false, "print secrets instead of <redacted>")
	fs.BoolVar(&o.managedFields, "managed-fields", false, "print metadata.managedFields")
	fs.StringVar(&o.sensitive, "sensitive", "", "redact these, too: Pod:spec.containers.*.env.*.value,Widget.example.com:spec.token")
}

func (o *decoding) decoder() (*etcddecode.Decoder, error) {
	options := etcddecode.Options{ShowSecrets: o.showSecrets, OmitManagedFields: !o.managedFields}
	var err error
	if options.Keyring, err = keyring(o.encryptionConfig); err != nil {
		return nil, err
	}
	if o.sensitive != "" {
		for part := range strings.SplitSeq(o.sensitive, ",") {
			what, field, ok := strings.Cut(part, ":")
			if !ok {
				return nil, fmt.Errorf("--sensitive %q: write KIND:PATH or KIND.GROUP:PATH", part)
			}
			kind, group, _ := strings.Cut(what, ".")
			options.Sensitive = append(options.Sensitive, etcddecode.Rule{Group: group, Kind: kind, Path: field})
		}
	}
	return etcddecode.NewDecoder(options)
}

// keyring reads an EncryptionConfiguration, which may be none.
func keyring(file string) (*etcddecode.Keyring, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	config, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, errors.New(file + ": no valid YAML") // what is wrong would quote a key
	}
	return etcddecode.ParseKeyring(config, dialKMS)
}
