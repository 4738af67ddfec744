package elastic

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// body is the bytes of one request. net/http may read on after it has returned an answer, as long as its connection lasts
// (http.RoundTripper); the bytes are the caller's again by then, so that it finds none.
type body struct {
	mu   sync.Mutex
	text []byte // nil once it is taken away
}

func (b *body) takeAway() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = nil
}

// reader is one reading of a body: there may be a second one, on another connection.
type reader struct {
	*body
	at int
}

func (r *reader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text == nil {
		return 0, io.ErrClosedPipe
	}
	if r.at == len(r.text) {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	r.at += n
	return n, nil
}

// request is one with a body that release takes away.
func request(ctx context.Context, method, target string, text []byte) (req *http.Request, release func(), err error) {
	if len(text) == 0 {
		req, err = http.NewRequestWithContext(ctx, method, target, http.NoBody)
		return req, func() {}, err
	}
	b := &body{text: text}
	open := func() (io.ReadCloser, error) { return io.NopCloser(&reader{body: b}), nil }
	first, _ := open() // never fails
	if req, err = http.NewRequestWithContext(ctx, method, target, first); err != nil {
		return nil, nil, err
	}
	req.ContentLength, req.GetBody = int64(len(text)), open
	return req, b.takeAway, nil
}
