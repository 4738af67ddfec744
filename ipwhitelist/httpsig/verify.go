package httpsig

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of signatures that are read but not accepted.
var (
	ErrCoverage = errors.New("signature coverage")
	ErrTime     = errors.New("signature time")
	ErrMAC      = errors.New("signature does not match: another key, or the request was changed on its way (see Explain)")
)

// Window is which times are accepted. The zero value is the profile's.
type Window struct {
	MaxLifetime time.Duration // of expires - created; 0 is 300 s
	MaxAge      time.Duration // since created, also when expires is later; 0 is 60 s
	Skew        time.Duration // between the clocks, both ways; 0 is 30 s, negative is none
}

func (w Window) limits() (lifetime, age, skew int64) {
	or := func(d, otherwise time.Duration) int64 {
		if d == 0 {
			d = otherwise
		}
		return int64(max(0, d) / time.Second)
	}
	return or(w.MaxLifetime, 300*time.Second), or(w.MaxAge, time.Minute), or(w.Skew, 30*time.Second)
}

// Retention is the longest time for which [Signature.Until] can lie ahead of a time at which the signature is accepted:
// how long nonces have to be remembered.
func (w Window) Retention() time.Duration {
	_, age, skew := w.limits()
	return time.Duration(age+2*skew) * time.Second
}

// CheckTime reports, as [ErrTime], a signature that is too old, from the future, or made for too long. Only created and
// expires of the signature count, which are covered by it.
func (s *Signature) CheckTime(now time.Time, w Window) error {
	lifetime, _, skew := w.limits()
	seconds := now.Unix()
	switch {
	case s.Expires <= s.Created || s.Expires-s.Created > lifetime:
		return fmt.Errorf("%w: from %d to %d: sign for at most %d s", ErrTime, s.Created, s.Expires, lifetime)
	case s.Created > seconds+skew:
		return fmt.Errorf("%w: created at %d, and it is %d: set the clock of the one that is wrong", ErrTime, s.Created, seconds)
	case now.After(s.Until(w)):
		return fmt.Errorf("%w: created at %d, expires at %d, and it is %d", ErrTime, s.Created, s.Expires, seconds)
	}
	return nil
}

// Until returns the last moment at which the signature is accepted.
func (s *Signature) Until(w Window) time.Time {
	_, age, skew := w.limits()
	return time.Unix(min(s.Expires, s.Created+age)+skew, 0)
}

// CheckCoverage reports, as [ErrCoverage], what the signature should cover and does not: the method, the authority, the
// path and the query; the digest if there is, or may be, a body; those fields that change what a request means, and
// those of extra, if the request has them. unsignedBody lets the digest off.
//
// Trailers can't be covered, so a request that announces some is refused.
func (s *Signature) CheckCoverage(r Request, extra Fields, unsignedBody bool) error {
	for _, name := range derived {
		if !s.Covers(name) {
			return fmt.Errorf("%w: %s is not covered", ErrCoverage, name)
		}
	}
	if r.Body && !unsignedBody && !s.Covers("content-digest") {
		return fmt.Errorf("%w: there is a body, and content-digest is not covered", ErrCoverage)
	}
	for _, list := range [2][]field{ifPresent[:], extra.list} {
		for _, f := range list {
			if len(r.Header[f.canonical]) > 0 && !s.Covers(f.name) {
				return fmt.Errorf("%w: the request has %s, and it is not covered", ErrCoverage, f.name)
			}
		}
	}
	if r.Trailers {
		return fmt.Errorf("%w: trailers can't be covered", ErrCoverage)
	}
	return nil
}

// Verify computes the MAC over the request and compares it in constant time. The error is [ErrMAC], or [ErrTarget] or
// [ErrHeader] if the request is one that can't be signed. It reads no body: if "content-digest" is covered, the body has
// still to be compared with it ([CheckDigest]).
func (k *Key) Verify(r Request, s *Signature) error {
	w := k.pool.Get().(*work)
	defer k.pool.Put(w)
	var err error
	if w.base, err = appendBase(w.base[:0], &r, s); err != nil {
		return err
	}
	w.sign()
	if subtle.ConstantTimeCompare(w.sum[:], s.mac[:]) != 1 {
		return ErrMAC
	}
	return nil
}

// Verify checks everything about a signature that needs no memory, in the order in which it costs: headers, coverage,
// time, MAC. A server must also refuse a nonce that it has seen, and compare the body.
func Verify(r Request, k *Key, now time.Time, w Window) (*Signature, error) {
	s, err := Parse(r.Header)
	if err != nil {
		return nil, err
	}
	if s.KeyID != k.id {
		return nil, fmt.Errorf("%w: it is by key %s, not %s", ErrMAC, s.KeyID, k.id)
	}
	if err := s.CheckCoverage(r, Fields{}, false); err != nil {
		return nil, err
	}
	if err := s.CheckTime(now, w); err != nil {
		return nil, err
	}
	if err := k.Verify(r, s); err != nil {
		return nil, err
	}
	return s, nil
}

// Explain returns the signature base with each value as the beginning of its SHA-256, one line a component. Two sides
// that can't agree print it and see which line differs (RFC 9421, 7.4.1); it is for logs, not for answers to strangers,
// and does not depend on a key.
func Explain(r Request) (string, error) {
	s, err := Parse(r.Header)
	if err != nil {
		return "", err
	}
	base, err := appendBase(nil, &r, s)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for line := range strings.SplitSeq(string(base), "\n") {
		name, value, _ := strings.Cut(line, ": ")
		sum := sha256.Sum256([]byte(value))
		hash := hex.EncodeToString(sum[:6])
		if name == `"authorization"` { // a password could be guessed from its hash
			hash = fmt.Sprintf("(%d bytes)", len(value))
		}
		fmt.Fprintf(&out, "%s %s\n", strings.Trim(name, `"`), hash)
	}
	return out.String(), nil
}

// Accept returns the value of Accept-Signature (RFC 9421, 5.1) that asks for a signature of the profile.
func Accept(body bool) string {
	const head, tail = Label + `=("@method" "@authority" "@path" "@query"`, `);created;expires;tag="` + Tag + `"`
	if body {
		return head + ` "content-digest"` + tail
	}
	return head + tail
}
