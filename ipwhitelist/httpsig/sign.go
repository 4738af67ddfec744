package httpsig

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Label is what signatures of the profile are called. It has no meaning.
const Label = "ipw"

// DefaultLifetime is how long a signature is good for when nothing else is said. The server's limit is
// [Window.MaxLifetime].
const DefaultLifetime = time.Minute

// Params are what a signature says about itself.
type Params struct {
	Created  time.Time
	Lifetime time.Duration // 0 is DefaultLifetime; whole seconds
	Nonce    string        // 16 to 64 characters; see NewNonce
	Extra    Fields        // fields to cover, if the request has them, beside those of the profile
}

// NewNonce returns 16 bytes of random, which is crypto/rand.Reader but for tests, as 22 characters.
func NewNonce(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// Signed are the header fields that a signature adds.
type Signed struct {
	ContentDigest  string // "" without a body
	SignatureInput string
	Signature      string
}

// AddTo sets the fields. A signature and a digest that h has already are replaced: they were for another hop, or another
// body.
func (s Signed) AddTo(h http.Header) {
	delete(h, "Content-Digest") // of a body that there is not
	if s.ContentDigest != "" {
		h["Content-Digest"] = []string{s.ContentDigest}
	}
	h["Signature-Input"] = []string{s.SignatureInput}
	h["Signature"] = []string{s.Signature}
}

// Sign computes the fields that sign a request with its body. r.Header is not changed, and r.Body is not looked at:
// there is a body if there are bytes of it.
func Sign(r Request, body []byte, k *Key, p Params) (Signed, error) {
	if len(body) == 0 {
		return signDigest(r, "", k, p)
	}
	return signDigest(r, Digest(sha256.Sum256(body)), k, p)
}

// signDigest signs a request whose body has a digest, "" if there is no body.
func signDigest(r Request, digest string, k *Key, p Params) (Signed, error) {
	s := Signature{KeyID: k.id, Nonce: p.Nonce, Created: p.Created.Unix()}
	lifetime := p.Lifetime
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	s.Expires = s.Created + int64(lifetime/time.Second)
	if !isNonce(p.Nonce) || s.Expires <= s.Created || s.Created < 0 {
		return Signed{}, errors.New("httpsig: a signature needs a nonce of 16 to 64 characters, and a time and a lifetime in seconds")
	}
	if r.Trailers {
		return Signed{}, fmt.Errorf("%w: trailers can't be signed", ErrHeader)
	}
	if err := s.cover(r.Header, digest != "", p.Extra); err != nil {
		return Signed{}, err
	}
	field := string(s.appendInput(append(make([]byte, 0, 320), Label+"="...)))
	s.input = field[len(Label+"="):]
	w := k.pool.Get().(*work)
	defer k.pool.Put(w)
	r.digest = digest
	var err error
	if w.base, err = appendBase(w.base[:0], &r, &s); err != nil {
		return Signed{}, err
	}
	w.sign()
	signature := base64.StdEncoding.AppendEncode(append(make([]byte, 0, 64), Label+"=:"...), w.sum[:])
	return Signed{digest, field, string(append(signature, ':'))}, nil
}

// cover lists what is covered, and the parameters in their usual order.
func (s *Signature) cover(h http.Header, body bool, extra Fields) error {
	s.n = copy(s.components[:], derived[:])
	for _, list := range [2][]field{ifPresent[:], extra.list} {
		for _, f := range list {
			isDigest := f.name == "content-digest"
			if isDigest && !body || !isDigest && len(h[f.canonical]) == 0 {
				continue
			}
			if s.n == maxComponents {
				return fmt.Errorf("%w: more than %d components", ErrHeader, maxComponents)
			}
			s.components[s.n] = f.name
			s.n++
		}
	}
	s.nparams = copy(s.params[:], "cenkt")
	return nil
}

// sign computes the MAC of the base.
func (w *work) sign() {
	w.mac.Reset()
	w.mac.Write(w.base)
	w.mac.Sum(w.sum[:0])
}
