package etcddecode

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"

	"golang.org/x/crypto/nacl/secretbox"
)

var (
	errShort   = errors.New("too short")
	errPadding = errors.New("wrong padding, so the key is probably another of the same name")
	errAuth    = errors.New("authentication failed: another key of the same name, or the value stood under another etcd key")
)

// identityProvider is the one that leaves values alone.
type identityProvider struct{}

func (identityProvider) encryption() Encryption { return Encryption{} }

func (identityProvider) open(_ context.Context, _ *Keyring, _, body []byte) ([]byte, error) {
	return body, nil
}

func (identityProvider) seal(_ context.Context, _ io.Reader, _, plaintext []byte) ([]byte, error) {
	return plaintext, nil
}

// cbcProvider is AES-CBC with PKCS#7 padding: IV, then ciphertext.
type cbcProvider struct {
	name  string
	block cipher.Block
}

func (p cbcProvider) encryption() Encryption { return Encryption{"aescbc", "v1", p.name} }

func (p cbcProvider) open(_ context.Context, _ *Keyring, _, body []byte) ([]byte, error) {
	return openCBC(p.block, body)
}

func openCBC(block cipher.Block, body []byte) ([]byte, error) {
	if len(body) < 2*aes.BlockSize || len(body)%aes.BlockSize != 0 {
		return nil, errShort
	}
	out := make([]byte, len(body)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, body[:aes.BlockSize]).CryptBlocks(out, body[aes.BlockSize:])
	pad := int(out[len(out)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, errPadding
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, errPadding
		}
	}
	plain := out[:len(out)-pad]
	if !plausible(plain) {
		return nil, errPadding
	}
	return plain, nil
}

// plausible reports whether a plaintext that nothing authenticates may be right. One wrong key in 256 leaves a padding
// that looks right, and what it opens is noise.
func plausible(plain []byte) bool {
	format, e := Sniff(plain)
	return format != Unrecognized || !e.IsZero() || len(plain) == 0
}

func (p cbcProvider) seal(_ context.Context, random io.Reader, _, plaintext []byte) ([]byte, error) {
	pad := aes.BlockSize - len(plaintext)%aes.BlockSize
	out := make([]byte, aes.BlockSize+len(plaintext)+pad)
	if _, err := io.ReadFull(random, out[:aes.BlockSize]); err != nil {
		return nil, err
	}
	body := out[aes.BlockSize:]
	copy(body, plaintext)
	for i := len(plaintext); i < len(body); i++ {
		body[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(p.block, out[:aes.BlockSize]).CryptBlocks(body, body)
	return out, nil
}

// gcmProvider is AES-GCM: nonce, then ciphertext and tag. The etcd key is authenticated with it.
type gcmProvider struct {
	name  string
	block cipher.Block
}

func (p gcmProvider) encryption() Encryption { return Encryption{"aesgcm", "v1", p.name} }

func (p gcmProvider) open(_ context.Context, _ *Keyring, aad, body []byte) ([]byte, error) {
	return openGCM(p.block, aad, body)
}

func (p gcmProvider) seal(_ context.Context, random io.Reader, aad, plaintext []byte) ([]byte, error) {
	return sealGCM(p.block, random, aad, plaintext)
}

func openGCM(block cipher.Block, aad, body []byte) ([]byte, error) {
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(body) < gcm.NonceSize()+gcm.Overhead() {
		return nil, errShort
	}
	out, err := gcm.Open(nil, body[:gcm.NonceSize()], body[gcm.NonceSize():], aad)
	if err != nil {
		return nil, errAuth
	}
	return out, nil
}

func sealGCM(block cipher.Block, random io.Reader, aad, plaintext []byte) ([]byte, error) {
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize(), gcm.NonceSize()+len(plaintext)+gcm.Overhead())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, err
	}
	return gcm.Seal(nonce, nonce, plaintext, aad), nil
}

// secretboxProvider is XSalsa20 and Poly1305: nonce, then what nacl/secretbox makes.
type secretboxProvider struct {
	name string
	key  [32]byte
}

func (p *secretboxProvider) encryption() Encryption { return Encryption{"secretbox", "v1", p.name} }

func (p *secretboxProvider) open(_ context.Context, _ *Keyring, _, body []byte) ([]byte, error) {
	if len(body) < 24+secretbox.Overhead {
		return nil, errShort
	}
	out, ok := secretbox.Open(nil, body[24:], (*[24]byte)(body), &p.key)
	if !ok {
		return nil, errors.New("authentication failed: another key of the same name")
	}
	return out, nil
}

func (p *secretboxProvider) seal(_ context.Context, random io.Reader, _, plaintext []byte) ([]byte, error) {
	var nonce [24]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return nil, err
	}
	return secretbox.Seal(nonce[:], plaintext, &nonce, &p.key), nil
}
