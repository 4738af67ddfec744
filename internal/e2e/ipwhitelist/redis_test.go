package ipwhitelist

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/ipwhitelist"
)

func redisServer(t *testing.T, addr string) *child {
	t.Helper()
	path := components.Program(t, "redis-server", "redis-server")
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	c := start(t, path, "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "noeviction", "--dir", t.TempDir())
	eventually(t, "redis listens", answers(addr))
	return c
}

// A nonce is accepted once by two replicas that share a Redis, also at the same time; without the Redis nothing signed
// passes, what the address admits does, and all is well when it is back.
func TestReplicasShareRedis(t *testing.T) {
	addr := freePort(t)
	redis := redisServer(t, addr)
	s := newSetup(t, ipwhitelist.ModeEither)
	a, b := s.serve("-redis="+addr), s.serve("-redis="+addr)
	get := func(r *replica, h http.Header) int {
		status, err := send(r.api, "/v1/whoami", h)
		require.NoError(t, err)
		return status
	}
	once := signedOnce(t, s.key())
	require.Equal(t, 200, get(a, once))
	require.Equal(t, 401, get(b, once))
	require.Equal(t, 401, get(a, once))

	for range 5 {
		once := signedOnce(t, s.key())
		var admitted, refused atomic.Int64
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				status, err := send([]*replica{a, b}[i%2].api, "/v1/whoami", once)
				switch {
				case err == nil && status == 200:
					admitted.Add(1)
				case err == nil && status == 401:
					refused.Add(1)
				}
			})
		}
		all.Wait()
		require.Equal(t, []int64{1, 99}, []int64{admitted.Load(), refused.Load()})
	}

	redis.stop()
	require.Equal(t, 503, get(a, signedOnce(t, s.key())), "fail closed")
	client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}).DialContext, DisableKeepAlives: true}}
	_, status, _ := answer(t, client, "GET", "http://"+a.api+"/v1/whoami", "")
	require.Equal(t, 200, status, "the address needs no Redis")
	require.Positive(t, a.reasons()["unavailable"])

	redisServer(t, addr)
	once = signedOnce(t, s.key())
	require.Equal(t, 200, get(b, once))
	require.Equal(t, 401, get(a, once))
}
