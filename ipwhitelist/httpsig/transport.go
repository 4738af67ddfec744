package httpsig

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// TransportOptions configure a [Transport]. Key and Hosts are required.
type TransportOptions struct {
	// Base sends the signed requests; nil is http.DefaultTransport.
	Base http.RoundTripper
	// Key returns the key to sign with. It is asked for each attempt, so that keys can be rotated, and must be quick.
	Key func() (*Key, error)
	// Hosts are those that requests are signed for: "orders.svc.example.com", with a port if it is not 80 or 443, or
	// "https://orders.svc.example.com" for that scheme alone. Requests to others, redirects among them, are sent as they
	// are: if a server finds a signature "missing", it is not listed, or with another port. If Request.Host differs from the
	// URL's host, both must be listed: net/http keeps Request.Host when it follows a redirect like "//other.example.com/",
	// and that host must not get a signature for the first one.
	Hosts []string
	// Cover are fields to sign, if a request has them, beside those of the profile.
	Cover []string
	// MaxBody bounds what is read into memory of a body that has no GetBody; 0 is 1 MiB. Others are read twice.
	MaxBody int64
	// Lifetime of signatures; 0 is DefaultLifetime.
	Lifetime time.Duration
	// LearnOffset lets the transport correct its clock, by at most 15 minutes, from the Date of an answer over TLS that
	// says that a signature has expired.
	LearnOffset bool
	// Clock is time.Now if nil. Random is crypto/rand.Reader if nil.
	Clock  func() time.Time
	Random io.Reader
}

// maxOffset bounds what a server can do to the clock.
const maxOffset = 15 * time.Minute

// Transport is an [http.RoundTripper] that signs requests. It is safe for concurrent use.
//
// It signs a clone: the caller's request stays as it was, and each hop of a redirect is signed for itself, or not at
// all if it leads to a host that is not listed. An answer 401 is tried once more, with a new signature, when that is
// safe: if the server says "replayed" and the method is safe, or there is an Idempotency-Key, since net/http resends
// such requests below us when a kept-alive connection dies; and if it says "expired" and the clock could be corrected.
// Every other answer is the caller's.
type Transport struct {
	o      TransportOptions
	hosts  map[string]bool // with scheme or without
	extra  Fields
	offset atomic.Int64 // nanoseconds to add to the clock
}

// NewTransport checks the options and returns all that is wrong with them.
func NewTransport(o TransportOptions) (*Transport, error) {
	t := &Transport{hosts: map[string]bool{}}
	var problems []error
	if o.Key == nil {
		problems = append(problems, errors.New("httpsig: TransportOptions.Key is nil: return the key to sign with"))
	}
	if len(o.Hosts) == 0 {
		problems = append(problems, errors.New("httpsig: TransportOptions.Hosts is empty: list the hosts to sign for"))
	}
	for _, h := range o.Hosts {
		scheme, host, ok := strings.Cut(h, "://")
		if !ok {
			scheme, host = "", h
		}
		authority, err := Authority(host)
		if err != nil || ok && scheme != "http" && scheme != "https" {
			problems = append(problems, fmt.Errorf("httpsig: TransportOptions.Hosts: %q: write host, host:port or https://host", shorten(h)))
			continue
		}
		t.hosts[strings.TrimPrefix(scheme+"://"+authority, "://")] = true
	}
	var err error
	if t.extra, err = NewFields(o.Cover...); err != nil {
		problems = append(problems, fmt.Errorf("httpsig: TransportOptions.Cover: %w", err))
	}
	if o.Lifetime < 0 || o.Lifetime%time.Second != 0 || o.MaxBody < 0 {
		problems = append(problems, errors.New("httpsig: TransportOptions.Lifetime must be whole seconds, and MaxBody not negative"))
	}
	if o.Base == nil {
		o.Base = http.DefaultTransport
	}
	if o.Clock == nil {
		o.Clock = time.Now //nolint:forbidigo // the one place where the clock comes in
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	t.o = o
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return t, nil
}

// Offset returns what was learned about the clock: 0 unless LearnOffset is set.
func (t *Transport) Offset() time.Duration { return time.Duration(t.offset.Load()) }

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil || !t.signsFor(req) {
		return t.o.Base.RoundTrip(req) // which knows what to do without a URL
	}
	parts, err := FromClient(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	body, err := t.openBody(req)
	if err != nil {
		return nil, err
	}
	res, err := t.send(req, parts, body, t.Offset())
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		return res, err
	}
	offset, again := t.retry(req, res)
	if !again {
		return res, nil
	}
	if body.next, err = body.reopen(); err != nil {
		return res, nil //nolint:nilerr // the caller has the answer that there is
	}
	_ = res.Body.Close() // it is replaced by the next one
	res, err = t.send(req, parts, body, offset)
	if err == nil && res.StatusCode != http.StatusUnauthorized {
		t.offset.Store(int64(offset))
	}
	return res, err
}

func (t *Transport) signsFor(req *http.Request) bool {
	return t.lists(req.URL.Scheme, req.URL.Host) && t.lists(req.URL.Scheme, cmp.Or(req.Host, req.URL.Host))
}

func (t *Transport) lists(scheme, host string) bool {
	a, err := Authority(host)
	return err == nil && (t.hosts[a] || t.hosts[scheme+"://"+a])
}

// send signs a clone and sends it.
func (t *Transport) send(req *http.Request, parts Request, b *body, offset time.Duration) (*http.Response, error) {
	signed, err := t.sign(parts, b.digest, offset)
	if err != nil {
		_ = b.next.Close() // RoundTrip has to, whatever happens
		return nil, err
	}
	out := req.Clone(req.Context())
	if out.Header == nil {
		out.Header = http.Header{}
	}
	signed.AddTo(out.Header)
	out.Body, out.ContentLength, out.GetBody = b.next, b.size, b.get
	return t.o.Base.RoundTrip(out)
}

func (t *Transport) sign(parts Request, digest string, offset time.Duration) (Signed, error) {
	key, err := t.o.Key()
	if err == nil && key == nil {
		err = ErrKey
	}
	if err != nil {
		return Signed{}, fmt.Errorf("httpsig: no key to sign with: %w", err)
	}
	nonce, err := NewNonce(t.o.Random)
	if err != nil {
		return Signed{}, err
	}
	return signDigest(parts, digest, key, Params{
		Created: t.o.Clock().Add(offset), Lifetime: t.o.Lifetime, Nonce: nonce, Extra: t.extra,
	})
}

// body is a request's body with its digest, and how to have it again.
type body struct {
	digest string
	size   int64
	next   io.ReadCloser
	get    func() (io.ReadCloser, error) // nil without a body
}

func (b *body) reopen() (io.ReadCloser, error) {
	if b.get == nil {
		return http.NoBody, nil
	}
	return b.get()
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // what RoundTrip has to do, whatever happens
	}
}

// openBody computes the digest: from a second copy, if there can be one, else from memory.
func (t *Transport) openBody(req *http.Request) (*body, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return &body{next: http.NoBody}, nil
	}
	if req.GetBody == nil {
		return t.buffer(req)
	}
	again, err := req.GetBody()
	if err != nil {
		closeBody(req)
		return nil, fmt.Errorf("httpsig: the body for its digest: %w", err)
	}
	hash := sha256.New()
	n, err := io.Copy(hash, contextReader{req.Context(), again})
	if err := errors.Join(err, again.Close()); err != nil {
		closeBody(req)
		return nil, fmt.Errorf("httpsig: the body for its digest: %w", err)
	}
	if n == 0 {
		closeBody(req)
		return &body{next: http.NoBody}, nil
	}
	return &body{Digest([sha256.Size]byte(hash.Sum(nil))), n, req.Body, req.GetBody}, nil
}

// contextReader ends the reading of a long body with its request.
type contextReader struct {
	ctx context.Context //nolint:containedctx // as long as one call of io.Copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func (t *Transport) buffer(req *http.Request) (*body, error) {
	data, err := io.ReadAll(io.LimitReader(req.Body, t.o.MaxBody+1))
	if err := errors.Join(err, req.Body.Close()); err != nil {
		return nil, fmt.Errorf("httpsig: the body for its digest: %w", err)
	}
	if int64(len(data)) > t.o.MaxBody {
		return nil, fmt.Errorf("httpsig: a body of more than %d bytes without GetBody: set Request.GetBody or TransportOptions.MaxBody", t.o.MaxBody)
	}
	if len(data) == 0 {
		return &body{next: http.NoBody}, nil
	}
	get := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	next, err := get()
	return &body{Digest(sha256.Sum256(data)), int64(len(data)), next, get}, err
}
