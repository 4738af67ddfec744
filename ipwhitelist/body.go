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
		c.body = newDigestBody(body, digest, c.o.maxBody(), c.streamFailed)
		c.body.(*digestBody).shadow = true
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

// readBody reads at most one byte more than the limit. It makes room for what is announced only as far as the default
// limit: who announces much, and sends nothing, must not cost memory where routes allow more.
func readBody(r io.Reader, length, limit int64) ([]byte, error) {
	if length < 0 {
		length = 4 << 10
	}
	length = min(length, limit, defaultMaxBody)
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
// digest is right. So a handler that stops after Content-Length bytes is as safe as one that waits for io.EOF. One that
// stops at the end of a JSON value is not: somebody on the way can have put his own there, and white space behind it.
type digestBody struct {
	body   io.ReadCloser
	ahead  *bufio.Reader
	hash   hash.Hash
	digest string
	left   int64
	shadow bool // report, once, what is wrong, but hand everything out
	failed func(Reason)
	told   bool
	err    error
}

// newDigestBody makes a body of at most limit bytes.
func newDigestBody(body io.ReadCloser, digest string, limit int64, failed func(Reason)) *digestBody {
	return &digestBody{body: body, ahead: bufio.NewReader(body), hash: sha256.New(), digest: digest, left: limit, failed: failed}
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
	b.left -= int64(n)
	if b.left < 0 {
		if refused := b.fail(ReasonTooLarge, nil); refused != nil {
			return 0, refused
		}
	} else if errors.Is(err, io.EOF) {
		if wrong := httpsig.CheckDigest(b.digest, [sha256.Size]byte(b.hash.Sum(nil))); wrong != nil {
			if refused := b.fail(ReasonDigest, wrong); refused != nil {
				return 0, refused
			}
		}
	}
	b.err = err
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// fail counts what is wrong with the body, and returns the error that ends it, if it does.
func (b *digestBody) fail(r Reason, err error) error {
	if !b.told {
		b.told = true
		b.failed(r)
	}
	if !b.shadow {
		b.err = &Error{r, err}
	}
	return b.err
}

func (b *digestBody) Close() error { return b.body.Close() }

// limitedBody ends a body that nothing was signed about, or only counts that it would.
type limitedBody struct {
	io.ReadCloser
	left   int64
	shadow bool
	failed func(Reason)
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		if b.shadow {
			return b.ReadCloser.Read(p)
		}
		return 0, &Error{ReasonTooLarge, nil}
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left >= 0 {
		return n, err
	}
	b.failed(ReasonTooLarge)
	if b.shadow {
		return n, err
	}
	return n - 1, &Error{ReasonTooLarge, nil}
}
