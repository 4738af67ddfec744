package etcddecode

import (
	"context"
	"crypto/aes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// kmsV1Provider has a key for each value, which the plugin seals: length of the sealed key, key, AES-GCM since
// Kubernetes 1.25 and AES-CBC before.
type kmsV1Provider struct {
	name   string
	plugin KMS
}

func (p kmsV1Provider) encryption() Encryption { return Encryption{"kms", "v1", p.name} }

func (p kmsV1Provider) open(ctx context.Context, k *Keyring, aad, body []byte) ([]byte, error) {
	if len(body) < 2 {
		return nil, errShort
	}
	size := int(binary.BigEndian.Uint16(body))
	if len(body) < 2+size {
		return nil, errShort
	}
	sealed, body := body[2:2+size], body[2+size:]
	key, err := k.cached("v1\x00"+p.name+"\x00"+string(sealed), func() ([]byte, error) {
		return askPlugin(ctx, p.plugin, Sealed{Ciphertext: sealed})
	})
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errors.New("the plugin returned no AES key")
	}
	plain, err := openGCM(block, aad, body)
	if err != nil {
		if old, cbc := openCBC(block, body); cbc == nil {
			return old, nil
		}
	}
	return plain, err
}

func (p kmsV1Provider) seal(ctx context.Context, random io.Reader, aad, plaintext []byte) ([]byte, error) {
	key := make([]byte, 32)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, err
	}
	if p.plugin == nil {
		return nil, errNoPlugin
	}
	sealed, err := p.plugin.Encrypt(ctx, key)
	if err != nil {
		return nil, err
	}
	if len(sealed.Ciphertext) > 1<<16-1 {
		return nil, errors.New("the plugin made a key of more than 65535 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	body, err := sealGCM(block, random, aad, plaintext)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(len(sealed.Ciphertext)))
	return append(append(out, sealed.Ciphertext...), body...), nil
}

var errNoPlugin = errors.New("no KMS plugin to ask")

func askPlugin(ctx context.Context, plugin KMS, sealed Sealed) ([]byte, error) {
	if plugin == nil {
		return nil, errNoPlugin
	}
	key, err := plugin.Decrypt(ctx, sealed)
	if err != nil {
		return nil, fmt.Errorf("KMS plugin: %w", err)
	}
	return key, nil
}

// kmsV2Provider shares what the plugin sealed between values: a key, or since 1.29 a seed from which each value has a
// key (KEP-3299; k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2/api.proto).
type kmsV2Provider struct {
	name   string
	plugin KMS
}

// Limits of kmsv2/envelope.go.
const (
	maxKeyID        = 1 << 10
	maxSealedKey    = 1 << 10
	maxAnnotations  = 32 << 10
	seedSize        = 32
	typeKey         = 0
	typeSeed        = 1
	fieldData       = 1
	fieldKeyID      = 2
	fieldSealedKey  = 3
	fieldAnnotation = 4
	fieldType       = 5
)

func (p kmsV2Provider) encryption() Encryption { return Encryption{"kms", "v2", p.name} }

// encryptedObject is the message that KMS v2 stores.
type encryptedObject struct {
	Sealed
	data string
	typ  uint64
}

func readEncryptedObject(msg string) (o encryptedObject, err error) {
	annotations := 0
	for len(msg) > 0 {
		var f wireField
		if f, msg, err = nextField(msg); err != nil {
			return o, err
		}
		switch f.number {
		case fieldData:
			o.data = f.bytes
		case fieldKeyID:
			o.KeyID = f.bytes
		case fieldSealedKey:
			o.Ciphertext = []byte(f.bytes)
		case fieldType:
			o.typ = f.num
		case fieldAnnotation:
			key, err := wireString(f.bytes, 1)
			if err != nil {
				return o, err
			}
			value, err := wireString(f.bytes, 2)
			if err != nil {
				return o, err
			}
			if o.Annotations == nil {
				o.Annotations = map[string][]byte{}
			}
			o.Annotations[key] = []byte(value)
			annotations += len(key) + len(value)
		}
	}
	if len(o.KeyID) > maxKeyID || len(o.Ciphertext) > maxSealedKey || annotations > maxAnnotations {
		return o, errors.New("parts that are longer than KMS v2 allows")
	}
	if o.typ != typeKey && o.typ != typeSeed {
		return o, fmt.Errorf("key type %d of a later KMS", o.typ)
	}
	return o, nil
}

func (p kmsV2Provider) open(ctx context.Context, k *Keyring, aad, body []byte) ([]byte, error) {
	o, err := readEncryptedObject(string(body))
	if err != nil {
		return nil, err
	}
	secret, err := k.cached(p.cacheID(&o.Sealed), func() ([]byte, error) { return askPlugin(ctx, p.plugin, o.Sealed) })
	if err != nil {
		return nil, fmt.Errorf("%w (key ID %.64q)", err, o.KeyID)
	}
	data := []byte(o.data)
	if o.typ == typeSeed {
		if len(data) < seedSize {
			return nil, errShort
		}
		if secret, err = derive(secret, data[:seedSize]); err != nil {
			return nil, err
		}
		data = data[seedSize:]
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, errors.New("the plugin returned no AES key")
	}
	return openGCM(block, aad, data)
}

// derive is HKDF-Expand alone: the seed is random, so there is nothing to extract.
func derive(seed, info []byte) ([]byte, error) {
	if len(seed) < seedSize {
		return nil, errors.New("the plugin returned a seed of less than 32 bytes")
	}
	return hkdf.Expand(sha256.New, seed, string(info), 32)
}

func (p kmsV2Provider) cacheID(s *Sealed) string {
	id := "v2\x00" + p.name
	add := func(part string) { id += fmt.Sprintf("\x00%d\x00%s", len(part), part) }
	add(s.KeyID)
	add(string(s.Ciphertext))
	for _, key := range slices.Sorted(maps.Keys(s.Annotations)) {
		add(key)
		add(string(s.Annotations[key]))
	}
	return id
}

func (p kmsV2Provider) seal(ctx context.Context, random io.Reader, aad, plaintext []byte) ([]byte, error) {
	if p.plugin == nil {
		return nil, errNoPlugin
	}
	seedAndInfo := make([]byte, 2*seedSize)
	if _, err := io.ReadFull(random, seedAndInfo); err != nil {
		return nil, err
	}
	seed, info := seedAndInfo[:seedSize], seedAndInfo[seedSize:]
	sealed, err := p.plugin.Encrypt(ctx, seed)
	if err != nil {
		return nil, err
	}
	key, err := derive(seed, info)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	body, err := sealGCM(block, random, aad, plaintext)
	if err != nil {
		return nil, err
	}
	out := appendBytes(nil, fieldData, string(info)+string(body))
	out = appendBytes(out, fieldKeyID, sealed.KeyID)
	out = appendBytes(out, fieldSealedKey, string(sealed.Ciphertext))
	for _, key := range slices.Sorted(maps.Keys(sealed.Annotations)) {
		entry := appendBytes(appendBytes(nil, 1, key), 2, string(sealed.Annotations[key]))
		out = appendBytes(out, fieldAnnotation, string(entry))
	}
	out = binary.AppendUvarint(out, fieldType<<3|wireVarint)
	return append(out, typeSeed), nil
}
