package service

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const lag = 200 * time.Millisecond

// pod is an HTTPS server that answers every request with its own name and can be made unready.
type pod struct {
	*httptest.Server
	name    string
	unready atomic.Bool
	open    atomic.Int64 // connections
}

func newPod(t *testing.T, name string) *pod {
	t.Helper()
	p := &pod{name: name}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			p.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			p.open.Add(-1)
		}
	}
	p.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of every probe that was cut off
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.unready.Load() {
		w.Header().Set("Connection", "close") // sends the client away with its answer
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	_, _ = io.WriteString(w, p.name)
}

func (p *pod) addr() string { return p.Listener.Addr().String() }

// newService returns a service that has found all pods ready.
func newService(t *testing.T, pods ...*pod) *Service {
	t.Helper()
	s, err := Start(Options{Lag: lag, Interval: 10 * time.Millisecond, FailureThreshold: 3}) // a busy machine answers late
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for _, p := range pods {
		s.Add(p.addr())
	}
	awaitReady(t, s, len(pods))
	return s
}

// setLag changes the lag of what is observed from now on.
func (s *Service) setLag(lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.lag = lag
}

func awaitReady(t *testing.T, s *Service, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.Ready()) == n }, time.Minute, 5*time.Millisecond)
}

// newClient makes a client that reuses its connections, or one that never does.
func newClient(t *testing.T, keepAlive bool) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: !keepAlive,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func get(client *http.Client, s *Service) (string, error) {
	response, err := client.Get("https://" + s.Addr() + "/")
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestNewConnectionsGoToReadyBackends(t *testing.T) {
	a, b := newPod(t, "a"), newPod(t, "b")
	s := newService(t, a, b)
	a.unready.Store(true)
	awaitReady(t, s, 1)
	require.Equal(t, []string{b.addr()}, s.Ready())
	fresh := newClient(t, false)
	for range 10 {
		name, err := get(fresh, s)
		require.NoError(t, err)
		require.Equal(t, "b", name)
	}
	require.Equal(t, 10, s.Counts().Forwarded[b.addr()])
	a.unready.Store(false)
	awaitReady(t, s, 2)
}

func TestEstablishedConnectionsStay(t *testing.T) {
	a := newPod(t, "a")
	s := newService(t, a)
	client := newClient(t, true)
	_, err := get(client, s)
	require.NoError(t, err)

	b := newPod(t, "b")
	s.Add(b.addr())
	awaitReady(t, s, 2)
	s.Remove(a.addr())
	awaitReady(t, s, 1)
	for range 5 {
		name, err := get(client, s)
		require.NoError(t, err)
		require.Equal(t, "a", name)
	}
	require.Equal(t, map[string]int{a.addr(): 1}, s.Counts().Forwarded)
}

func TestRemovalTakesTheLag(t *testing.T) {
	a := newPod(t, "a")
	s := newService(t, a)
	s.setLag(time.Second)
	removed := time.Now()
	s.Remove(a.addr())
	require.Equal(t, []string{a.addr()}, s.Ready(), "still known as ready")
	awaitReady(t, s, 0)
	require.GreaterOrEqual(t, time.Since(removed), time.Second)
}

func TestRefused(t *testing.T) {
	t.Run("nobody is ready", func(t *testing.T) {
		s := newService(t)
		_, err := get(newClient(t, false), s)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Equal(t, 1, s.Counts().Refused)
	})
	t.Run("the backend has gone and nobody knows", func(t *testing.T) {
		a, b := newPod(t, "a"), newPod(t, "b")
		s := newService(t, a, b)
		s.setLag(time.Hour)
		a.Close()
		fresh := newClient(t, false)
		_, err1 := get(fresh, s)
		_, err2 := get(fresh, s)
		require.NotEqual(t, err1 == nil, err2 == nil, "one of two went to b, the other was not tried again")
		require.Equal(t, 1, s.Counts().Refused)
	})
}

func TestEndsArePassedOn(t *testing.T) {
	// The backend echoes what it got after the client has said that it sends no more, then resets.
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = backend.Close() }()
	go func() {
		conn, err := backend.Accept()
		if err != nil {
			return
		}
		data, _ := io.ReadAll(conn)
		_, _ = conn.Write(data)
		reset(conn.(*net.TCPConn))
	}()
	s := newService(t)
	s.setLag(0)
	s.observe(t.Context(), backend.Addr().String(), true) // it speaks no HTTPS, so a probe would never find it ready

	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.Copy(conn, strings.NewReader("hello"))
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	_, err = io.ReadAll(conn)
	require.ErrorIs(t, err, syscall.ECONNRESET, "a reset is no orderly end")
}

func TestCloseCutsConnections(t *testing.T) {
	a := newPod(t, "a")
	s, err := Start(Options{Lag: time.Millisecond, Interval: time.Millisecond})
	require.NoError(t, err)
	s.Add(a.addr())
	awaitReady(t, s, 1)
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.Eventually(t, func() bool { return len(s.Counts().Forwarded) == 1 }, time.Second, time.Millisecond)

	require.NoError(t, s.Close())
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
