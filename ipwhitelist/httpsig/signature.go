package httpsig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Tag is the tag parameter of the profile. A signature is ours if it has this tag, whatever its label: labels are not
// signed, and intermediaries may rename them (RFC 9421, 7.2.5).
const Tag = "ipwhitelist-v1"

// Limits of what is read before anything is known about the sender.
const (
	maxHeader     = 8 << 10 // bytes of Signature-Input and Signature together
	maxSignatures = 4
	maxComponents = 16
	maxKey        = 64 // of labels and parameter names
	maxKeyID      = 64
	minNonce      = 16
	maxNonce      = 64
)

// ErrMissing is the error of a request without a signature of the profile.
var ErrMissing = errors.New("no signature with the tag " + Tag)

// Signature is what a request says about its signature. Nothing of it is proven before [Signature.Verify].
type Signature struct {
	KeyID, Nonce     string
	Created, Expires int64  // seconds since 1970
	Alg              string // "" if the parameter is absent
	components       [maxComponents]string
	n                int
	params           [6]byte // the parameters in their order, by letter: see appendInput
	nparams          int
	input            string // what is signed of Signature-Input: all of the member but its label, in the one strict form
	mac              [32]byte
}

// Components returns the names of what is covered, in their order.
func (s *Signature) Components() []string { return append([]string(nil), s.components[:s.n]...) }

// Covers reports whether a component is covered.
func (s *Signature) Covers(name string) bool {
	return slices.Contains(s.components[:s.n], name)
}

// Present reports whether a request has signature headers, of whatever kind.
func Present(h http.Header) bool { return len(h["Signature-Input"]) > 0 || len(h["Signature"]) > 0 }

// Parse reads the signature of the profile from a request's headers. The error is [ErrMissing] if there is none, and
// [ErrMalformed] if the headers break any rule of RFC 9421, of the profile, or a limit. Signatures with other tags are
// gone over, but must be well-formed and have labels of their own: all lines count, and nothing may stand twice.
func Parse(h http.Header) (*Signature, error) {
	inputs, signatures := h["Signature-Input"], h["Signature"]
	if len(inputs) == 0 && len(signatures) == 0 {
		return nil, ErrMissing
	}
	if size(inputs)+size(signatures) > maxHeader {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, maxHeader)
	}
	s := &Signature{}
	label, err := s.readInputs(join(inputs))
	if err != nil {
		return nil, err
	}
	if err := s.readSignatures(join(signatures), label); err != nil {
		return nil, err
	}
	return s, nil
}

func size(lines []string) int {
	n := 0
	for _, l := range lines {
		n += len(l) + 2
	}
	return n
}

// join makes one dictionary of several lines (RFC 9651, 4.2).
func join(lines []string) string {
	if len(lines) == 1 {
		return strings.Trim(lines[0], " ")
	}
	return strings.Trim(strings.Join(lines, ", "), " ")
}

// labels keeps the labels of one dictionary, to find those that stand twice: RFC 9651 lets the last one win, and others
// let the first.
type labels struct {
	names [maxSignatures]string
	n     int
}

func (l *labels) add(r *reader, name string) {
	for _, known := range l.names[:l.n] {
		if known == name {
			r.fail("a label that stands twice")
		}
	}
	if l.n == maxSignatures {
		r.fail("more than 4 signatures")
		return
	}
	l.names[l.n] = name
	l.n++
}

// readInputs reads Signature-Input and keeps the one member with our tag.
func (s *Signature) readInputs(text string) (label string, err error) {
	r := reader{s: text}
	var seen labels
	for more := !r.end(); more && r.err == nil; more = r.comma() {
		name := r.key()
		seen.add(&r, name)
		r.expect('=')
		m := member{Signature: s}
		if label != "" {
			m.Signature = &Signature{} // there is ours already, and all that counts of this one is its tag
		}
		m.read(&r)
		switch {
		case m.tag != Tag:
			*m.Signature = Signature{}
		case label != "":
			r.fail("two signatures with the tag " + Tag)
		case m.objection != nil:
			return "", m.objection
		default:
			label = name
		}
	}
	switch {
	case r.err != nil:
		return "", r.err
	case label == "":
		return "", ErrMissing
	}
	return label, nil
}

// readSignatures reads Signature and keeps the value under our label.
func (s *Signature) readSignatures(text, label string) error {
	r := reader{s: text}
	var seen labels
	found := false
	for more := !r.end(); more && r.err == nil; more = r.comma() {
		name := r.key()
		seen.add(&r, name)
		r.expect('=')
		if name != label {
			r.binary()
			r.skipParams()
			continue
		}
		if found = decodeMAC(&s.mac, r.colons()); !found {
			r.fail("no base64 of 32 bytes")
		}
	}
	if r.err == nil && !found {
		r.fail("no signature for the label " + label)
	}
	return r.err
}

var strictBase64 = base64.StdEncoding.Strict() //nolint:gochecknoglobals // constant

// decodeMAC decodes the one base64 text that 32 bytes have.
func decodeMAC(mac *[32]byte, text string) bool {
	if len(text) != strictBase64.EncodedLen(len(mac)) {
		return false
	}
	var buf [33]byte // what 44 digits could be
	n, err := strictBase64.Decode(buf[:], []byte(text))
	copy(mac[:], buf[:])
	return err == nil && n == len(mac) // less, if there were line breaks, which package base64 goes over
}
