package ipwhitelist

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

func (o *Route) maxBody() int64 {
	if o.MaxBody > 0 {
		return min(o.MaxBody, math.MaxInt64-bytes.MinRead) // there is room to read one byte more
	}
	return defaultMaxBody
}

// openBody compares the body with its signed digest: now, or while it is read. If it is not right, c.body still gives
// all of it, for the case that the address admits the request.
func (c *check) openBody() error {
	body, digest := c.body, c.r.Header.Get("Content-Digest")
	switch {
	case c.shadow():
		c.body = newDigestBody(body, digest, -1, c.streamFailed)
		return nil
	case c.r.ContentLength > c.o.maxBody():
		return &Error{ReasonTooLarge, nil}
	case c.o.Stream:
		c.body = newDigestBody(body, digest, c.o.maxBody(), c.streamFailed)
		return nil
	}
	data, err := readBody(body, c.r.ContentLength, c.o.maxBody())
	c.body = replay{io.MultiReader(bytes.NewReader(data), &failing{body, err}), body}
	switch {
	case err != nil:
		return &Error{ReasonBody, err}
	case int64(len(data)) > c.o.maxBody():
		return &Error{ReasonTooLarge, nil}
	}
	if err := httpsig.CheckDigest(digest, sha256.Sum256(data)); err != nil {
		return &Error{ReasonDigest, err}
	}
	if len(c.r.Trailer) > 0 { // net/http has them from HTTP/1.1 also when they were not announced
		return &Error{ReasonCoverage, errors.New("trailers can't be covered")}
	}
	c.body = replay{bytes.NewReader(data), body}
	return nil
}

// streamFailed counts what is found out after the decision.
func (c *check) streamFailed(r Reason) { c.g.countFailure(c, r) }

// readBody reads at most one byte more than the limit. It trusts a length only up to the limit.
func readBody(r io.Reader, length, limit int64) ([]byte, error) {
	if length < 0 {
		length = min(limit, 4<<10)
	}
	buf := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead))
	_, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	return buf.Bytes(), err
}

// replay gives again what was read.
type replay struct {
	io.Reader
	io.Closer
}

// failing reads on, or repeats the error that reading ended with.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.r.Read(p)
}

// digestBody hashes what is read. It looks one byte ahead: what it hands out is never the end of the body, unless the
// digest is right. So a handler that stops at the end of a JSON value, or after Content-Length bytes, is as safe as one
// that waits for io.EOF.
type digestBody struct {
	body   io.ReadCloser
	ahead  *bufio.Reader
	hash   hash.Hash
	digest string
	left   int64 // -1: check and report, but hand everything out
	shadow bool
	failed func(Reason)
	err    error
}

// newDigestBody makes a body of at most limit bytes; a negative limit makes one that only reports.
func newDigestBody(body io.ReadCloser, digest string, limit int64, failed func(Reason)) *digestBody {
	return &digestBody{
		body: body, ahead: bufio.NewReader(body), hash: sha256.New(), digest: digest, left: limit, shadow: limit < 0, failed: failed,
	}
}

// Read returns [httpsig.ErrDigest] instead of the last bytes and io.EOF if the body is not the signed one, and an
// [*Error] with ReasonTooLarge if it has more than the route allows.
func (b *digestBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.ahead.Read(p)
	b.hash.Write(p[:n])
	if err == nil {
		_, err = b.ahead.Peek(1)
	}
	if !b.shadow {
		if b.left -= int64(n); b.left < 0 {
			return b.fail(ReasonTooLarge, nil)
		}
	}
	if errors.Is(err, io.EOF) {
		if digestErr := httpsig.CheckDigest(b.digest, [sha256.Size]byte(b.hash.Sum(nil))); digestErr != nil {
			if !b.shadow {
				return b.fail(ReasonDigest, digestErr)
			}
			b.failed(ReasonDigest)
		}
	}
	b.err = err
	if n > 0 {
		return n, nil
	}
	return 0, err
}

func (b *digestBody) fail(r Reason, err error) (int, error) {
	b.failed(r)
	b.err = &Error{r, err}
	return 0, b.err
}

func (b *digestBody) Close() error { return b.body.Close() }

// limitBody ends a body that nothing was signed about.
func limitBody(body io.ReadCloser, limit int64) io.ReadCloser {
	return &limitedBody{body, limit}
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &Error{ReasonTooLarge, nil}
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, &Error{ReasonTooLarge, nil}
	}
	return n, err
}
