package service

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRollingRestart is the reason for this package: it must tell a server that stops at once from
// one that waits until the cluster has followed.
func TestRollingRestart(t *testing.T) {
	t.Run("stopping at once loses requests", func(t *testing.T) {
		done, lost := roll(t, func(p *pod) { p.Close() })
		require.NotZero(t, done)
		require.NotZero(t, lost)
	})
	t.Run("serving on until nobody comes loses none", func(t *testing.T) {
		done, lost := roll(t, func(p *pod) {
			p.unready.Store(true)
			time.Sleep(3 * lag) // the drain delay under test, not a wait for a condition
			require.Eventually(t, func() bool { return p.open.Load() == 0 }, time.Minute, time.Millisecond)
			p.Close()
		})
		require.NotZero(t, done)
		require.Zero(t, lost)
	})
}

// roll replaces two pods, one after the other, under load, and counts the requests that were
// answered and those that were not.
func roll(t *testing.T, stop func(*pod)) (done, lost int64) {
	t.Helper()
	old := []*pod{newPod(t, "old-0"), newPod(t, "old-1")}
	s := newService(t, old...)
	finish := load(t, s, 4)
	for i, p := range old {
		replacement := newPod(t, fmt.Sprint("new-", i))
		s.Add(replacement.addr())
		awaitReady(t, s, 3)
		s.Remove(p.addr())
		stop(p)
		awaitReady(t, s, 2)
	}
	return finish()
}

// load runs clients until finish is called: half reuse their connections and half do not.
func load(t *testing.T, s *Service, clients int) (finish func() (done, lost int64)) {
	t.Helper()
	var running sync.WaitGroup
	var done, lost atomic.Int64
	var over atomic.Bool
	for i := range clients {
		client := newClient(t, i%2 == 0)
		running.Go(func() {
			for !over.Load() {
				request(client, s, &done, &lost)
			}
		})
	}
	return func() (int64, int64) {
		over.Store(true)
		running.Wait()
		return done.Load(), lost.Load()
	}
}

func request(client *http.Client, s *Service, done, lost *atomic.Int64) {
	// POST, because a client repeats a GET by itself when a connection was closed under it.
	response, err := client.Post("https://"+s.Addr()+"/", "text/plain", http.NoBody)
	if err != nil {
		lost.Add(1)
		time.Sleep(time.Millisecond) // keeps a refused client from spinning
		return
	}
	done.Add(1)
	_ = response.Body.Close()
}
