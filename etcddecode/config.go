package etcddecode

import (
	"crypto/aes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// KMSPlugin is a kms provider of an EncryptionConfiguration.
type KMSPlugin struct {
	Name       string
	APIVersion string // v1 or v2
	Endpoint   string // unix:///var/run/kms.sock
}

// encryptionConfiguration is apiserver.config.k8s.io/v1, as far as it says what keys there are.
type encryptionConfiguration struct {
	Kind      string `json:"kind"`
	Resources []struct {
		Resources []string              `json:"resources"`
		Providers []encryptionProviders `json:"providers"`
	} `json:"resources"`
}

type encryptionProviders struct {
	AESGCM    *encryptionKeys `json:"aesgcm"`
	AESCBC    *encryptionKeys `json:"aescbc"`
	Secretbox *encryptionKeys `json:"secretbox"`
	Identity  *struct{}       `json:"identity"`
	KMS       *struct {
		APIVersion string `json:"apiVersion"`
		Name       string `json:"name"`
		Endpoint   string `json:"endpoint"`
	} `json:"kms"`
}

type encryptionKeys struct {
	Keys []struct {
		Name   string `json:"name"`
		Secret string `json:"secret"`
	} `json:"keys"`
}

// ParseKeyring reads an EncryptionConfiguration (apiserver.config.k8s.io/v1) as JSON; for the YAML that the API
// server has, sigs.k8s.io/yaml.YAMLToJSON comes first. plugin returns the client for a KMS; if it is nil, values that
// need a KMS stay closed. All mistakes are reported, and no key is in an error.
func ParseKeyring(config []byte, plugin func(KMSPlugin) (KMS, error)) (*Keyring, error) {
	var c encryptionConfiguration
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("EncryptionConfiguration: %w", withoutValue(err))
	}
	if c.Kind != "EncryptionConfiguration" && c.Kind != "EncryptionConfig" {
		return nil, fmt.Errorf("EncryptionConfiguration: kind is %.40q", c.Kind)
	}
	k := &Keyring{}
	var problems []error
	for i, r := range c.Resources {
		entry := keyringEntry{resources: r.Resources}
		for j := range r.Providers {
			providers, err := r.Providers[j].providers(plugin)
			if err != nil {
				problems = append(problems, fmt.Errorf("EncryptionConfiguration: resources[%d].providers[%d]: %w", i, j, err))
			}
			entry.providers = append(entry.providers, providers...)
		}
		if len(r.Providers) == 0 {
			problems = append(problems, fmt.Errorf("EncryptionConfiguration: resources[%d] has no providers", i))
		}
		k.entries = append(k.entries, entry)
	}
	if len(c.Resources) == 0 {
		problems = append(problems, errors.New("EncryptionConfiguration: resources is empty"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return k, nil
}

// withoutValue keeps what encoding/json says about the place, and drops what it says about the value.
func withoutValue(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s is not what it should be", wrong.Field)
	}
	return errors.New("no valid JSON; YAML is to be converted first")
}

func (p *encryptionProviders) providers(plugin func(KMSPlugin) (KMS, error)) ([]provider, error) {
	switch {
	case p.Identity != nil:
		return []provider{identityProvider{}}, nil
	case p.AESCBC != nil:
		return p.AESCBC.each("aescbc", func(name string, key []byte) (provider, error) {
			block, err := aes.NewCipher(key)
			return cbcProvider{name, block}, err
		})
	case p.AESGCM != nil:
		return p.AESGCM.each("aesgcm", func(name string, key []byte) (provider, error) {
			block, err := aes.NewCipher(key)
			return gcmProvider{name, block}, err
		})
	case p.Secretbox != nil:
		return p.Secretbox.each("secretbox", func(name string, key []byte) (provider, error) {
			if len(key) != 32 {
				return nil, fmt.Errorf("%d bytes", len(key))
			}
			return &secretboxProvider{name, [32]byte(key)}, nil
		})
	case p.KMS != nil:
		return p.kms(plugin)
	}
	return nil, errors.New("none of aescbc, aesgcm, secretbox, kms and identity")
}

func (k *encryptionKeys) each(of string, construct func(name string, key []byte) (provider, error)) ([]provider, error) {
	var out []provider
	var problems []error
	if len(k.Keys) == 0 {
		problems = append(problems, fmt.Errorf("%s has no keys", of))
	}
	for _, key := range k.Keys {
		secret, err := base64.StdEncoding.DecodeString(key.Secret)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s key %.64q: the secret is not base64", of, key.Name))
			continue
		}
		p, err := construct(key.Name, secret)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s key %.64q: a key of %d bytes; write one of 16, 24 or 32, for secretbox 32", of, key.Name, len(secret)))
			continue
		}
		out = append(out, p)
	}
	return out, errors.Join(problems...)
}

func (p *encryptionProviders) kms(plugin func(KMSPlugin) (KMS, error)) ([]provider, error) {
	version := p.KMS.APIVersion
	if version == "" {
		version = "v1" // the default of the API
	}
	if version != "v1" && version != "v2" {
		return nil, fmt.Errorf("kms %.64q: apiVersion %.20q; write v1 or v2", p.KMS.Name, version)
	}
	if p.KMS.Name == "" || strings.Contains(p.KMS.Name, ":") {
		return nil, fmt.Errorf("kms name %.64q: it must not be empty and must not have a colon", p.KMS.Name)
	}
	var client KMS
	if plugin != nil {
		var err error
		if client, err = plugin(KMSPlugin{Name: p.KMS.Name, APIVersion: version, Endpoint: p.KMS.Endpoint}); err != nil {
			return nil, fmt.Errorf("kms %.64q: %w", p.KMS.Name, err)
		}
	}
	if version == "v1" {
		return []provider{kmsV1Provider{p.KMS.Name, client}}, nil
	}
	return []provider{kmsV2Provider{p.KMS.Name, client}}, nil
}
