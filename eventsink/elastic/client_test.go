package elastic_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink/elastic"
)

func client(t testing.TB, o elastic.Options, h http.HandlerFunc) *elastic.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	o.URLs = append(o.URLs, s.URL+"/")
	c, err := elastic.NewClient(o)
	require.NoError(t, err)
	return c
}

func TestBulkRequest(t *testing.T) {
	for _, c := range []struct {
		options elastic.Options
		auth    string
	}{
		{elastic.Options{}, ""},
		{elastic.Options{Username: "u", Password: "p", Gzip: true}, "Basic dTpw"},
		{elastic.Options{APIKey: "id:key", RequireDataStream: true}, "ApiKey aWQ6a2V5"},
		{elastic.Options{APIKey: "aWQ6a2V5"}, "ApiKey aWQ6a2V5"},
	} {
		var got *http.Request
		var body []byte
		cl := client(t, c.options, func(w http.ResponseWriter, r *http.Request) {
			got = r
			reader := io.Reader(r.Body)
			if r.Header.Get("Content-Encoding") == "gzip" {
				z, err := gzip.NewReader(r.Body)
				if err != nil {
					return
				}
				reader = z
			}
			body, _ = io.ReadAll(reader)
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		r := cl.Bulk(context.Background(), []byte("{}\n{}\n"))
		require.Equal(t, elastic.Reply{Status: 429, Body: []byte{}, RetryAfter: 3 * time.Second}, r)
		require.Equal(t, "{}\n{}\n", string(body))
		require.Equal(t, "/_bulk", got.URL.Path)
		require.Equal(t, "application/x-ndjson", got.Header.Get("Content-Type"))
		require.Equal(t, c.auth, got.Header.Get("Authorization"))
		require.Contains(t, got.URL.Query().Get("filter_path"), "items.*.status")
		require.Equal(t, c.options.RequireDataStream, got.URL.Query().Get("require_data_stream") == "true")
		require.Equal(t, c.options.Gzip, got.Header.Get("Content-Encoding") == "gzip")
	}
}

func TestRepliesThatFail(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	c := client(t, elastic.Options{URLs: []string{dead.URL}, MaxReply: 10}, func(w http.ResponseWriter, r *http.Request) {
		switch body, _ := io.ReadAll(r.Body); string(body) {
		case "long":
			_, _ = io.WriteString(w, strings.Repeat("x", 11))
		case "cut":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "x")
		default:
			_, _ = io.WriteString(w, "fine")
		}
	})
	require.Equal(t, elastic.Reply{Status: 200, Body: []byte("fine"), ContentType: "text/plain; charset=utf-8"}, c.Bulk(context.Background(), nil), "the next URL answers")
	r := c.Bulk(context.Background(), []byte("cut"))
	require.Zero(t, r.Status)
	require.ErrorContains(t, r.Err, "reading the answer")
	r = c.Bulk(context.Background(), []byte("long"))
	require.Equal(t, elastic.Split, elastic.ClassifyHTTP(r.Status, r.Body), "a smaller request has a smaller answer")
	require.ErrorContains(t, r.Err, "raise MaxReply or send smaller batches")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r = c.Bulk(ctx, nil)
	require.ErrorIs(t, r.Err, context.Canceled)
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := elastic.NewClient(elastic.Options{URLs: []string{"https://user:secret@host", "host:9200", "http://[", "http://h?q"}, APIKey: "k", Username: "u"})
	require.EqualError(t, err, `elastic: the URL of "host" holds credentials; write them to Username and Password
elastic: a URL has no http:// or https://, or no host; write https://host:9200
elastic: a URL can't be parsed; write https://host:9200
elastic: the URL of "h" has a query or a fragment; write https://host:9200
elastic: APIKey and Username exclude each other; write one of them`)
	_, err = elastic.NewClient(elastic.Options{})
	require.EqualError(t, err, "elastic: no URL; write https://host:9200")
}

func TestServer(t *testing.T) {
	for body, want := range map[string]elastic.Server{
		`{"version":{"distribution":"opensearch","number":"2.19.1"}}`:                              {Distribution: "opensearch", Version: "2.19.1"},
		`{"version":{"number":"9.1.0","build_flavor":"default"},"tagline":"You Know, for Search"}`: {Distribution: "elasticsearch", Version: "9.1.0"},
	} {
		c := client(t, elastic.Options{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		got, err := c.Server(context.Background())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	c := client(t, elastic.Options{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	_, err := c.Server(context.Background())
	require.EqualError(t, err, `elastic: GET /: "hello" is no answer of Elasticsearch or OpenSearch`)
	c = client(t, elastic.Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}`)
	})
	_, err = c.Server(context.Background())
	require.EqualError(t, err, "elastic: GET /: status 401 security_exception: missing authentication credentials")
}

func TestInstall(t *testing.T) {
	var put []string
	status := http.StatusOK
	c := client(t, elastic.Options{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		put = append(put, r.Method+" "+r.URL.Path+" "+string(bytes.TrimSpace(body[:1])))
		if strings.Contains(r.URL.Path, "_ism") {
			w.WriteHeader(http.StatusConflict)
			return
		}
		w.WriteHeader(status)
	})
	setups, err := elastic.Setups(elastic.TemplateOptions{Server: elastic.Server{Distribution: "opensearch", Version: "2.19.1"}})
	require.NoError(t, err)
	require.NoError(t, c.Install(context.Background(), setups))
	require.Equal(t, []string{"PUT /_plugins/_ism/policies/k8s-events {", "PUT /_index_template/k8s-events {"}, put)
	status = http.StatusForbidden
	require.ErrorContains(t, c.Install(context.Background(), setups), "elastic: PUT /_index_template/k8s-events: status 403")
	dead := httptest.NewServer(nil)
	dead.Close()
	c, err = elastic.NewClient(elastic.Options{URLs: []string{dead.URL}, HTTP: &http.Client{}})
	require.NoError(t, err)
	require.Error(t, c.Install(context.Background(), setups))
}
