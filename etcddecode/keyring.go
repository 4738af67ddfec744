package etcddecode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// KMS is a key management plugin of either version, which holds the keys that Kubernetes does not have. Methods may
// be called concurrently.
type KMS interface {
	// Decrypt returns the plaintext of what Encrypt returned. KeyID and Annotations are only set for v2.
	Decrypt(ctx context.Context, sealed Sealed) ([]byte, error)
	// Encrypt seals a key with the newest key of the plugin.
	Encrypt(ctx context.Context, plaintext []byte) (Sealed, error)
}

// Sealed is what a KMS makes of a plaintext, k8s.io/kms/apis/v2 EncryptResponse without the wire.
type Sealed struct {
	Ciphertext  []byte
	KeyID       string
	Annotations map[string][]byte
}

// Keyring opens and seals values as an EncryptionConfiguration says (kubernetes.io/docs: "Encrypting Confidential
// Data at Rest"). It is safe for concurrent use. Keys that a KMS has opened stay in its memory.
type Keyring struct {
	entries []keyringEntry

	mu     sync.Mutex
	opened map[string][]byte // keys that a KMS opened, by everything that went into it
}

// keyringEntry is one element of resources in the configuration.
type keyringEntry struct {
	resources []string
	providers []provider
}

// provider is one key of a provider, since each key has a prefix of its own.
type provider interface {
	encryption() Encryption
	open(ctx context.Context, k *Keyring, aad, body []byte) ([]byte, error)
	seal(ctx context.Context, random io.Reader, aad, plaintext []byte) ([]byte, error)
}

func prefixOf(e Encryption) string {
	return magicEncrypted + e.Provider + ":" + e.Version + ":" + e.Name + ":"
}

// Opened is a value and what it was encrypted with. A value that was not encrypted is its own plaintext.
type Opened struct {
	Plaintext  []byte
	Encryption Encryption
}

// Open decrypts a value. key is the whole etcd key: it goes into the authentication of all providers but aescbc and
// secretbox, so a value that was moved to another key does not open. Every key with the name in the value is tried,
// whatever resource it is configured for. The error says which key it would take, and wraps [ErrEncrypted].
func (k *Keyring) Open(ctx context.Context, key string, value []byte) (Opened, error) {
	_, sniffed := Sniff(value)
	if sniffed.IsZero() {
		return Opened{Plaintext: value}, nil
	}
	var failed []error
	for _, entry := range k.entries {
		for _, p := range entry.providers {
			e := p.encryption()
			body, ok := strings.CutPrefix(string(value), prefixOf(e))
			if e.IsZero() || !ok {
				continue
			}
			plain, err := p.open(ctx, k, []byte(key), []byte(body))
			if err == nil {
				return Opened{plain, e}, nil
			}
			failed = append(failed, fmt.Errorf("key %q of %s does not open it: %w", e.Name, e.Provider, err))
		}
	}
	if failed == nil {
		return Opened{}, fmt.Errorf("%w: the encryption configuration does not have %s", ErrEncrypted, sniffed)
	}
	if key == "" && sniffed.Provider != "aescbc" && sniffed.Provider != "secretbox" {
		failed = append(failed, errors.New("the etcd key, which it is authenticated with, was not given"))
	}
	return Opened{}, fmt.Errorf("%w: %w", ErrEncrypted, errors.Join(failed...))
}

// Seal encrypts a plaintext as the API server would when it stores an object of the resource, secrets or
// deployments.apps say: with the first provider of the first entry that lists it. If that is identity, or there is
// none, the plaintext is returned as it is. random is crypto/rand.Reader but in tests.
func (k *Keyring) Seal(ctx context.Context, random io.Reader, resource, key string, plaintext []byte) ([]byte, error) {
	p := k.writer(resource)
	if p == nil || p.encryption().IsZero() {
		return plaintext, nil
	}
	if key == "" {
		return nil, errors.New("no etcd key to encrypt the value for")
	}
	body, err := p.seal(ctx, random, []byte(key), plaintext)
	if err != nil {
		return nil, fmt.Errorf("encrypt with %s: %w", p.encryption(), err)
	}
	return append([]byte(prefixOf(p.encryption())), body...), nil
}

// writer returns the provider that writes a resource. Entries are looked at in their order, as by the API server,
// which refuses a configuration where a later one is more specific.
func (k *Keyring) writer(resource string) provider {
	name, group, _ := strings.Cut(resource, ".")
	for _, entry := range k.entries {
		for _, r := range entry.resources {
			rName, rGroup, hasGroup := strings.Cut(r, ".")
			all := r == "*.*" || hasGroup && rName == "*" && rGroup == group
			if all || rName == name && rGroup == group {
				return entry.providers[0]
			}
		}
	}
	return nil
}

// maxOpened bounds the cache of opened keys. The API server makes a new one each time it starts.
const maxOpened = 4096

// cached returns the key that a KMS opens, asking it only once for each.
func (k *Keyring) cached(id string, open func() ([]byte, error)) ([]byte, error) {
	k.mu.Lock()
	key, ok := k.opened[id]
	k.mu.Unlock()
	if ok {
		return key, nil
	}
	key, err := open()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened == nil || len(k.opened) >= maxOpened {
		k.opened = map[string][]byte{}
	}
	k.opened[id] = key
	return key, nil
}
