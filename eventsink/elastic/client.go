package elastic

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options configure a [Client].
type Options struct {
	// URLs of the nodes, http or https. The next one is taken when one does not answer, is a proxy whose node does not, or
	// says that it is unavailable, and kept for what follows.
	URLs []string
	// HTTP has the transport: TLS, CA, proxy, timeout. One with a timeout of a minute if nil. Redirects are not followed,
	// unless its CheckRedirect says so.
	HTTP *http.Client
	// Username and Password, or APIKey ("id:key" or its base64). Not in the URLs, which errors quote.
	Username, Password, APIKey string
	// Gzip compresses bodies.
	Gzip bool
	// RequireDataStream keeps a server without the template from making an index with guessed mappings (Elasticsearch
	// 8.13; OpenSearch does not know it).
	RequireDataStream bool
	// MaxReply is the most that is read of an answer. 64 MiB.
	MaxReply int64
}

// Client speaks HTTP to Elasticsearch 7 to 9 and OpenSearch 1 to 3, without a vendor's client: those refuse the other
// vendor's servers. It holds no goroutine. It may be used by several.
type Client struct {
	o     Options
	http  http.Client
	bases []*url.URL
	first atomic.Uint32 // of bases, to be asked first
	auth  string
	query string
}

// NewClient checks the options and returns their Client. All problems are reported together.
func NewClient(o Options) (*Client, error) {
	c := &Client{o: o}
	var errs []error
	for _, text := range o.URLs {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			errs = append(errs, errors.New("elastic: a URL can't be parsed; write https://host:9200")) // it may hold a password
		case u.User != nil:
			errs = append(errs, fmt.Errorf("elastic: the URL of %q holds credentials; write them to Username and Password", clip(u.Host, 100)))
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			errs = append(errs, errors.New("elastic: a URL has no http:// or https://, or no host; write https://host:9200")) // as may this one
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			errs = append(errs, fmt.Errorf("elastic: the URL of %q has a query or a fragment; write https://host:9200", clip(u.Host, 100)))
		default:
			c.bases = append(c.bases, u)
		}
	}
	if len(o.URLs) == 0 {
		errs = append(errs, errors.New("elastic: no URL; write https://host:9200"))
	}
	if o.APIKey != "" && (o.Username != "" || o.Password != "") {
		errs = append(errs, errors.New("elastic: APIKey and Username exclude each other; write one of them"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.http = http.Client{Timeout: time.Minute}
	if o.HTTP != nil {
		c.http = *o.HTTP
	}
	if c.http.CheckRedirect == nil { // it would make a GET of a PUT, and take the credentials elsewhere
		c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	if c.o.MaxReply <= 0 || c.o.MaxReply == math.MaxInt64 {
		c.o.MaxReply = 64 << 20
	}
	c.auth = authorization(&o)
	// Only what is read of an answer, with the status of every item: an item of which nothing is left would vanish and
	// shift the others.
	c.query = "filter_path=" + url.QueryEscape("error,status,errors,items.*.status,items.*.error,items.*.failure_store")
	if o.RequireDataStream {
		c.query += "&require_data_stream=true"
	}
	return c, nil
}

func authorization(o *Options) string {
	switch {
	case strings.Contains(o.APIKey, ":"):
		return "ApiKey " + base64.StdEncoding.EncodeToString([]byte(o.APIKey))
	case o.APIKey != "":
		return "ApiKey " + o.APIKey
	case o.Username != "" || o.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(o.Username+":"+o.Password))
	}
	return ""
}

// Bulk sends one _bulk body. What went wrong is in the Reply, since it is for [Delivery.Settle] to judge. The body is
// the caller's again when Bulk returns.
func (c *Client) Bulk(ctx context.Context, body []byte) Reply {
	encoding := ""
	if c.o.Gzip {
		encoding, body = "gzip", compressed(body)
	}
	return c.do(ctx, http.MethodPost, "/_bulk?"+c.query, "application/x-ndjson", encoding, body)
}

// do asks one URL after the other until one answers, beginning with the one that did last.
func (c *Client) do(ctx context.Context, method, path, contentType, encoding string, body []byte) (r Reply) {
	n := uint32(len(c.bases))
	var failed []error
	for range c.bases {
		at := c.first.Load()
		r = c.try(ctx, c.bases[at%n], method, path, contentType, encoding, body)
		if r.Status == 0 || r.Status == http.StatusBadGateway || r.Status == http.StatusServiceUnavailable || r.Status == http.StatusGatewayTimeout {
			c.first.CompareAndSwap(at, (at+1)%n) // or another goroutine has moved on
		}
		if r.Status != 0 || ctx.Err() != nil {
			return r
		}
		failed = append(failed, r.Err)
	}
	r.Err = errors.Join(failed...)
	return r
}

func (c *Client) try(ctx context.Context, base *url.URL, method, path, contentType, encoding string, body []byte) Reply {
	target := strings.TrimSuffix(base.String(), "/") + path
	req, release, err := request(ctx, method, target, body)
	if err != nil {
		return Reply{Err: fmt.Errorf("elastic: %s: %w", target, err)}
	}
	defer release()
	if len(body) > 0 {
		req.Header.Set("Content-Type", contentType)
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	if c.auth != "" {
		req.Header.Set("Authorization", c.auth)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{Err: fmt.Errorf("elastic: %w", err)}
	}
	defer func() { _ = resp.Body.Close() }() // what was read of it counts
	text, err := io.ReadAll(io.LimitReader(resp.Body, c.o.MaxReply+1))
	switch {
	case err != nil:
		return Reply{Err: fmt.Errorf("elastic: %s %s: reading the answer: %w", method, target, err)}
	case int64(len(text)) > c.o.MaxReply:
		// Smaller requests have smaller answers, so it is split like a request that is too large.
		return Reply{
			Status: http.StatusRequestEntityTooLarge,
			Err:    fmt.Errorf("elastic: %s %s: the answer has more than %d bytes; raise MaxReply or send smaller batches", method, target, c.o.MaxReply),
		}
	}
	if to := resp.Header.Get("Location"); resp.StatusCode >= 300 && resp.StatusCode < 400 && to != "" {
		err = fmt.Errorf("elastic: %s %s: status %d redirects to %s; write the URL that it leads to", method, target, resp.StatusCode, clip(to, 200))
	}
	return Reply{Status: resp.StatusCode, Err: err, Body: text, ContentType: resp.Header.Get("Content-Type"), RetryAfter: RetryAfter(resp.Header)}
}

func compressed(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(body)
	}
	if err != nil || w.Close() != nil { // neither happens: the level is valid and the buffer takes all
		return nil
	}
	return b.Bytes()
}

// Server is what a node says of itself.
type Server struct {
	// Distribution is "elasticsearch" or "opensearch".
	Distribution string
	Version      string
}

// Server asks a node what it is.
func (c *Client) Server(ctx context.Context) (Server, error) {
	r := c.do(ctx, http.MethodGet, "/", "", "", nil)
	if err := r.err(http.MethodGet, "/"); err != nil {
		return Server{}, err
	}
	var info struct {
		Version struct {
			Distribution string `json:"distribution"`
			Number       string `json:"number"`
		} `json:"version"`
	}
	if err := json.Unmarshal(r.Body, &info); err != nil || info.Version.Number == "" {
		return Server{}, fmt.Errorf("elastic: GET /: %q is no answer of Elasticsearch or OpenSearch", clip(string(r.Body[:min(len(r.Body), 200)]), 100))
	}
	if info.Version.Distribution == "" {
		info.Version.Distribution = "elasticsearch"
	}
	return Server{Distribution: info.Version.Distribution, Version: info.Version.Number}, nil
}

// Install sends what [Setups] made, in its order. What exists is overwritten, but for an ISM policy, which OpenSearch
// wants to be told the revision of and which is left as it is.
func (c *Client) Install(ctx context.Context, setups []Setup) error {
	for _, s := range setups {
		r := c.do(ctx, http.MethodPut, s.Path, "application/json", "", s.Body)
		if r.Status == http.StatusConflict {
			continue
		}
		if err := r.err(http.MethodPut, s.Path); err != nil {
			return err
		}
	}
	return nil
}

// err is what went wrong with a request that is not a _bulk.
func (r *Reply) err(method, path string) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Status >= 200 && r.Status < 300 {
		return nil
	}
	kind, reason := requestError(r.Body)
	return fmt.Errorf("elastic: %s %s: status %d %s: %s", method, path, r.Status, kind, clip(reason, 300))
}
