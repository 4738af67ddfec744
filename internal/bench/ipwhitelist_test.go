package bench

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/dunglas/httpsfv"
	cavage "github.com/go-fed/httpsig"
	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/clientip"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

const benchKeyID = "billing.2026-11.1"

func benchKey(tb testing.TB) (text string, key *httpsig.Key) {
	text, err := httpsig.GenerateKey(benchKeyID, rand.Reader)
	require.NoError(tb, err)
	key, err = httpsig.ParseKey(text)
	require.NoError(tb, err)
	return text, key
}

func benchGet() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://orders.svc.example.com/v1/orders/42?expand=lines", http.NoBody)
	r.Header.Set("Date", time.Unix(1_800_000_000, 0).UTC().Format(http.TimeFormat))
	return r
}

func benchSign(tb testing.TB, key *httpsig.Key, r *http.Request, now time.Time) httpsig.Signed {
	nonce, err := httpsig.NewNonce(rand.Reader)
	require.NoError(tb, err)
	signed, err := httpsig.Sign(httpsig.FromServer(r), nil, key, httpsig.Params{Created: now, Nonce: nonce})
	require.NoError(tb, err)
	return signed
}

// cavageSigner is the signer of the draft that came before RFC 9421, for the same four parts of a request.
func cavageSigner(tb testing.TB) cavage.Signer {
	s, _, err := cavage.NewSigner([]cavage.Algorithm{cavage.HMAC_SHA256}, cavage.DigestSha256, []string{cavage.RequestTarget, "host", "date"}, cavage.Signature, 60)
	require.NoError(tb, err)
	return s
}

// hmacFloor is one HMAC-SHA256 over as many bytes as a signature base has, with a new hash.
func hmacFloor(secret, message []byte) {
	m := hmac.New(sha256.New, secret)
	m.Write(message)
	m.Sum(nil)
}

// timed runs f and reports the process's CPU time.
func timed(b *testing.B, f func()) {
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// BenchmarkSignature signs and verifies one GET without a body. The AWS signer signs and does not verify; httpsfv parses
// the two header fields and does nothing else.
func BenchmarkSignature(b *testing.B) {
	secret, message := make([]byte, 32), make([]byte, 400)
	_, _ = rand.Read(secret)
	_, key := benchKey(b)
	now := time.Unix(1_800_000_000, 0)
	r := benchGet()
	b.Run("sign/hmac-floor", func(b *testing.B) { timed(b, func() { hmacFloor(secret, message) }) })
	b.Run("sign/kubewright", func(b *testing.B) {
		timed(b, func() {
			nonce, err := httpsig.NewNonce(rand.Reader)
			must(err)
			_, err = httpsig.Sign(httpsig.FromServer(r), nil, key, httpsig.Params{Created: now, Nonce: nonce})
			must(err)
		})
	})
	b.Run("sign/aws-sigv4", func(b *testing.B) {
		signer, credentials := v4.NewSigner(), aws.Credentials{AccessKeyID: benchKeyID, SecretAccessKey: "secret"}
		const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		r := benchGet()
		timed(b, func() { must(signer.SignHTTP(context.Background(), credentials, r, empty, "orders", "eu", now)) })
	})
	b.Run("sign/cavage-go-fed", func(b *testing.B) {
		signer, r := cavageSigner(b), benchGet()
		r.Header.Set("Host", r.Host)
		timed(b, func() {
			r.Header.Del("Signature")
			must(signer.SignRequest(secret, benchKeyID, r, nil))
		})
	})

	signed := benchGet()
	benchSign(b, key, signed, now).AddTo(signed.Header)
	b.Run("verify/hmac-floor", func(b *testing.B) { timed(b, func() { hmacFloor(secret, message) }) })
	b.Run("verify/kubewright", func(b *testing.B) {
		timed(b, func() {
			_, err := httpsig.Verify(httpsig.FromServer(signed), key, now, httpsig.Window{})
			must(err)
		})
	})
	b.Run("verify/cavage-go-fed", func(b *testing.B) {
		r := benchGet()
		r.Header.Set("Host", r.Host)
		must(cavageSigner(b).SignRequest(secret, benchKeyID, r, nil))
		timed(b, func() {
			v, err := cavage.NewVerifier(r)
			must(err)
			must(v.Verify(secret, cavage.HMAC_SHA256))
		})
	})
	b.Run("verify/httpsfv-parse-only", func(b *testing.B) {
		timed(b, func() {
			for _, name := range []string{"Signature-Input", "Signature"} {
				_, err := httpsfv.UnmarshalDictionary(signed.Header[name])
				must(err)
			}
		})
	})
}

// BenchmarkGuard is the whole decision about a request, nonce included.
func BenchmarkGuard(b *testing.B) {
	text, key := benchKey(b)
	now := time.Unix(1_800_000_000, 0)
	newGuard := func() *ipwhitelist.Guard {
		replay, err := ipwhitelist.NewMemoryReplay(1<<17, 1<<17, 2*time.Minute)
		must(err)
		g, err := ipwhitelist.New(ipwhitelist.Config{
			Version: 1,
			Callers: []ipwhitelist.Caller{{Name: "billing", Mode: ipwhitelist.ModeEither, Keys: []ipwhitelist.Key{{ID: benchKeyID, Secret: ipwhitelist.Secret(text), State: ipwhitelist.Active}}}},
			Rules:   []ipwhitelist.Rule{{Name: "egress", Prefixes: []string{"203.0.113.7"}, Callers: []string{"billing"}}},
		}, ipwhitelist.Options{Replay: replay, Clock: func() time.Time { return now }})
		must(err)
		return g
	}
	g := newGuard()
	requests := make([]*http.Request, 1<<16)
	for i := range requests {
		requests[i] = benchGet()
		benchSign(b, key, requests[i], now).AddTo(requests[i].Header)
	}
	check := func(b *testing.B, r *http.Request, want bool) {
		if _, d := g.Check(r, ipwhitelist.Route{}); d.Allowed != want {
			b.Fatal(d.Err)
		}
	}
	b.Run("signature", func(b *testing.B) {
		i := 0
		g = newGuard()
		timed(b, func() {
			if i == len(requests) { // all nonces are used: a new memory, once in 65,536 requests
				i, g = 0, newGuard()
			}
			check(b, requests[i], true)
			i++
		})
	})
	b.Run("address", func(b *testing.B) {
		r := benchGet()
		r.RemoteAddr = "203.0.113.7:40000"
		timed(b, func() { check(b, r, true) })
	})
	b.Run("stranger", func(b *testing.B) {
		_, other := benchKey(b)
		r := benchGet()
		benchSign(b, other, r, now).AddTo(r.Header)
		timed(b, func() { check(b, r, false) })
	})
}

// BenchmarkPrefixes looks up addresses among 10,000 prefixes, half of them listed.
func BenchmarkPrefixes(b *testing.B) {
	rng := mathrand.New(mathrand.NewPCG(1, 1))
	var entries []clientip.Entry[int]
	var list []netip.Prefix
	seen := map[netip.Prefix]bool{}
	for len(entries) < 10_000 {
		var raw [4]byte
		binary.BigEndian.PutUint32(raw[:], rng.Uint32())
		p, err := netip.AddrFrom4(raw).Prefix(16 + rng.IntN(17))
		require.NoError(b, err)
		if !seen[p] {
			seen[p] = true
			list, entries = append(list, p), append(entries, clientip.Entry[int]{Prefix: p, Value: len(entries)})
		}
	}
	table, err := clientip.NewTable(entries)
	require.NoError(b, err)
	addrs := make([]netip.Addr, 1<<10)
	for i := range addrs {
		if addrs[i] = list[rng.IntN(len(list))].Addr(); i%2 == 0 {
			addrs[i] = addrs[i].Prev()
		}
	}
	b.Run("lookup/kubewright", func(b *testing.B) {
		i := 0
		timed(b, func() { table.Lookup(addrs[i%len(addrs)]); i++ })
	})
	b.Run("lookup/linear-netip", func(b *testing.B) {
		i := 0
		timed(b, func() {
			for _, p := range list {
				if p.Contains(addrs[i%len(addrs)]) {
					break
				}
			}
			i++
		})
	})
	b.Run("client/parse-only", func(b *testing.B) { // the three addresses that are looked at
		timed(b, func() {
			_, err := netip.ParseAddrPort("10.9.0.5:1234")
			must(err)
			for _, s := range [...]string{"10.9.1.1", "203.0.113.7"} {
				_, err = netip.ParseAddr(s)
				must(err)
			}
		})
	})
	b.Run("client/kubewright", func(b *testing.B) {
		resolver, err := clientip.NewResolver(clientip.Options{TrustedProxies: []string{"10.9.0.0/16"}})
		require.NoError(b, err)
		header := []string{"127.0.0.1, 203.0.113.7, 10.9.1.1"}
		timed(b, func() {
			_, err := resolver.Resolve("10.9.0.5:1234", header)
			must(err)
		})
	})
}

// The other side accepts what it signs, and refuses what was changed: the benchmarks compare work, not errors.
func TestSignaturesAreVerified(t *testing.T) {
	_, key := benchKey(t)
	now := time.Unix(1_800_000_000, 0)
	r := benchGet()
	benchSign(t, key, r, now).AddTo(r.Header)
	_, err := httpsig.Verify(httpsig.FromServer(r), key, now, httpsig.Window{})
	require.NoError(t, err)
	r.RequestURI = "/v1/orders/43"
	_, err = httpsig.Verify(httpsig.FromServer(r), key, now, httpsig.Window{})
	require.ErrorIs(t, err, httpsig.ErrMAC)

	secret := []byte("0123456789abcdef0123456789abcdef")
	r = benchGet()
	r.Header.Set("Host", r.Host)
	require.NoError(t, cavageSigner(t).SignRequest(secret, benchKeyID, r, nil))
	v, err := cavage.NewVerifier(r)
	require.NoError(t, err)
	require.NoError(t, v.Verify(secret, cavage.HMAC_SHA256))
	r.URL.Path = "/v1/orders/43"
	v, err = cavage.NewVerifier(r)
	require.NoError(t, err)
	require.Error(t, v.Verify(secret, cavage.HMAC_SHA256))
}
