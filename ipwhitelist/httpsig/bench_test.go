package httpsig

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAllocations(t *testing.T) {
	k := sharedSecret(t)
	r := vectors()[0].request()
	p := Params{Created: vectorTime(), Nonce: vectorNonce}
	signed, err := Sign(r, nil, k, p)
	require.NoError(t, err)
	sign := testing.AllocsPerRun(100, func() {
		p.Nonce, _ = NewNonce(rand.Reader)
		_, _ = Sign(r, nil, k, p)
	})
	signed.AddTo(r.Header)
	verify := testing.AllocsPerRun(100, func() { _, _ = Verify(r, k, vectorTime(), Window{}) })
	require.LessOrEqual(t, sign, 10.0)
	require.LessOrEqual(t, verify, 4.0)
}

func BenchmarkSign(b *testing.B) {
	k := sharedSecret(b)
	r := vectors()[0].request()
	b.ReportAllocs()
	for b.Loop() {
		nonce, err := NewNonce(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Sign(r, nil, k, Params{Created: vectorTime(), Nonce: nonce}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k := sharedSecret(b)
	r := vectors()[0].request()
	signed, err := Sign(r, nil, k, Params{Created: vectorTime(), Nonce: vectorNonce})
	require.NoError(b, err)
	signed.AddTo(r.Header)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(r, k, vectorTime(), Window{}); err != nil {
			b.Fatal(err)
		}
	}
}
