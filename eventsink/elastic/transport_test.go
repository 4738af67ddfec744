package elastic_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink/elastic"
)

// A server may answer before it has read the request, and net/http then goes on writing for a while. The body is the
// caller's again all the same: Flow.Recycle renders other documents into it.
func TestBodyIsNotReadAfterBulk(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close() //nolint:errcheck // a test's
	released := make(chan struct{})
	received := make(chan []byte)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // a test's
		r := bufio.NewReader(conn)
		for line := ""; line != "\r\n"; line, _ = r.ReadString('\n') { //nolint:revive // the head
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
		<-released
		text, _ := io.ReadAll(r)
		received <- text
	}()
	c, err := elastic.NewClient(elastic.Options{URLs: []string{"http://" + ln.Addr().String()}})
	require.NoError(t, err)
	body := bytes.Repeat([]byte("x"), 16<<20)
	require.Equal(t, http.StatusRequestEntityTooLarge, c.Bulk(context.Background(), body).Status)
	close(released)
	for i := 0; i < len(body); i += 1 << 10 {
		body[i] = 'y'
	}
	text := <-received
	require.Equal(t, bytes.Repeat([]byte("x"), len(text)), text)
}

// One whose deadline is shorter than the client's timeout must not ask a node that is gone for ever.
func TestDeadlineMovesOnToTheNextNode(t *testing.T) {
	hang := make(chan struct{})
	var asked atomic.Int32
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if asked.Add(1) > 1 {
			return
		}
		<-hang
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(hang) })
	c := client(t, elastic.Options{URLs: []string{silent.URL}}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}")
	})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.Zero(t, c.Bulk(ctx, []byte("{}\n{}\n")).Status)
	require.Equal(t, http.StatusOK, c.Bulk(context.Background(), []byte("{}\n{}\n")).Status)
	require.LessOrEqual(t, asked.Load(), int32(1))
}

// A node without a master, and a load balancer without a node, answer 503 for as long as that lasts.
func TestUnavailableNodeMovesOn(t *testing.T) {
	for _, status := range []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(bad.Close)
		c := client(t, elastic.Options{URLs: []string{bad.URL}}, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "{}")
		})
		require.Equal(t, status, c.Bulk(context.Background(), []byte("{}\n{}\n")).Status)
		require.Equal(t, http.StatusOK, c.Bulk(context.Background(), []byte("{}\n{}\n")).Status)
	}
}

// A redirect would turn a PUT into a GET, whose answer says nothing of what was to be installed, and take the credentials
// to wherever it leads.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		followed := 0
		c := client(t, elastic.Options{Username: "u", Password: "p"}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				followed++
				_, _ = io.WriteString(w, "{}")
				return
			}
			http.Redirect(w, r, "/login", status)
		})
		require.ErrorContains(t, c.Install(context.Background(), []elastic.Setup{{Path: "/_index_template/x", Body: []byte("{}")}}),
			fmt.Sprintf("status %d redirects to /login", status))
		_, b := batch(t, 1)
		d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
		require.Empty(t, d.Settle(c.Bulk(context.Background(), b.Bytes())))
		require.ErrorIs(t, d.Held(), elastic.ErrHeld)
		require.ErrorContains(t, d.Held(), "redirects to /login")
		require.Zero(t, followed)
	}
}

func TestRefusedURLsShowNoSecret(t *testing.T) {
	for _, url := range []string{
		"elastic:sesame@search:9200", "//elastic:sesame@search:9200", "https://sesame@search:9200", "https://elastic:sesame@search:9200",
		"https://search:9200?api_key=sesame", "https://search:9200#sesame", "ftp://elastic:sesame@search", "https://:sesame@", "http://a b:sesame@c",
	} {
		_, err := elastic.NewClient(elastic.Options{URLs: []string{url}})
		require.ErrorContains(t, err, "write", url)
		require.NotContains(t, err.Error(), "sesame")
	}
	_, err := elastic.NewClient(elastic.Options{URLs: []string{"https://search:9200?"}})
	require.Error(t, err)
}

func TestAnyBoundOfAReply(t *testing.T) {
	c := client(t, elastic.Options{MaxReply: math.MaxInt64}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 100))
	})
	require.Len(t, c.Bulk(context.Background(), []byte("{}\n{}\n")).Body, 100)
}

// An answer that is whole and says nothing that can be read is told: it would be sent again for ever in silence.
func TestMalformedAnswerIsTold(t *testing.T) {
	for _, body := range []string{
		`{"items":[{"create":{"status":"201"}}]}`, `{"items":[{"create":{}}]}`, `{"items":[{}]}`, `{"items":[1]}`, `{"items":[{"create":{"status":2e2}}]}`,
	} {
		_, b := batch(t, 1)
		d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
		require.Empty(t, d.Settle(elastic.Reply{Status: 200, Body: []byte(body)}), body)
		require.ErrorIs(t, d.Held(), elastic.ErrHeld, body)
		require.Len(t, d.Settle(reply(`{"status":201}`)), 1)
		require.NoError(t, d.Held())
	}
}

func TestBackoffDoesNotOverflow(t *testing.T) {
	_, b := batch(t, 1)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{Backoff: 1<<34 + 1, MaxBackoff: time.Hour, Jitter: func() float64 { return 1 }})
	last := time.Duration(0)
	for range 40 {
		d.Settle(elastic.Reply{})
		_, wait := d.Next()
		require.GreaterOrEqual(t, wait, last)
		require.LessOrEqual(t, wait, time.Hour)
		last = wait
	}
}

func TestFoundTakesAnyIndex(t *testing.T) {
	_, b := batch(t, 3)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	require.Len(t, d.Found([]int{1, -1, 3, 1}), 1)
	part, _ := d.Next()
	require.Equal(t, 2, part.Len())
}
