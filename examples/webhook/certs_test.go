package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newPairFor makes a pair for names, and localhost.
func newPairFor(t *testing.T, names ...string) (pair, error) {
	t.Helper()
	return newPair(time.Now(), 48*time.Hour, append(names, "localhost", "127.0.0.1"))
}

func TestPairIsGoodFor(t *testing.T) {
	now := time.Now()
	p, err := newPair(now, time.Hour, []string{"a.example.com", "10.0.0.1", "::1"})
	require.NoError(t, err)
	for _, name := range []string{"a.example.com", "10.0.0.1", "::1", ""} {
		require.NoError(t, p.check(now, name))
	}
	other := must(newPairFor(t))
	for name, c := range map[string]struct {
		pair pair
		at   time.Time
		host string
		want string
	}{
		"another name": {p, now, "b.example.com", "b.example.com"},
		"later":        {p, now.Add(2 * time.Hour), "", "valid from"},
		"earlier":      {p, now.Add(-time.Hour), "", "valid from"},
		"another CA":   {pair{other.ca, p.cert, p.key}, now, "", "unknown authority"},
		"another key":  {pair{p.ca, p.cert, other.key}, now, "", "does not match"},
		"no CA at all": {pair{[]byte("x"), p.cert, p.key}, now, "", "the CA file has no PEM certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, c.pair.check(c.at, c.host), c.want)
		})
	}
}

func TestCertsPrintsASecret(t *testing.T) {
	r := invoke(t, "", "certs", "-service-namespace", "ns", "-service-name", "s", "-secret", "tls", "-host", "extra.example.com", "-host", "10.1.1.1", "-valid", "2h")
	require.Zero(t, r.code, r.err)
	var secret corev1.Secret
	require.NoError(t, yaml.UnmarshalStrict([]byte(r.out), &secret))
	require.Equal(t, "ns/tls", secret.Namespace+"/"+secret.Name)
	require.Equal(t, corev1.SecretTypeTLS, secret.Type)
	p := pair{secret.Data[caFile], secret.Data[certFile], secret.Data[keyFile]}
	for _, name := range []string{"s.ns.svc", "s.ns", "s.ns.svc.cluster.local", "extra.example.com", "10.1.1.1", "localhost"} {
		require.NoError(t, p.check(time.Now(), name))
	}
	require.Error(t, p.check(time.Now().Add(3*time.Hour), ""))
}

func TestCertsWritesFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "certs")
	r := invoke(t, "", "certs", "-out", dir, "-url", "https://webhook.example.com:8443")
	require.Equal(t, result{}, r)
	p, err := readPairFrom(dir)
	require.NoError(t, err)
	require.NoError(t, p.check(time.Now(), "webhook.example.com"))
	info, err := os.Stat(filepath.Join(dir, keyFile))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "the key is nobody else's")
}

// TestRenewal is what pairSource does while a Secret changes under it.
func TestRenewal(t *testing.T) {
	now := time.Now()
	first, second := must(newPairFor(t, "h")), must(newPairFor(t, "h"))
	files, trusted := first, map[string]bool{}
	s := &pairSource{
		load:    func() (pair, error) { return files, nil },
		host:    "h",
		trusted: func(ca []byte) bool { return trusted[string(ca)] },
		now:     func() time.Time { return now },
	}
	serves := func(p pair) {
		t.Helper()
		cert, key, err := s.read()
		require.NoError(t, err)
		require.Equal(t, string(p.cert), string(cert))
		require.Equal(t, string(p.key), string(key))
	}
	serves(first) // there is nothing better to wait with
	require.Equal(t, parseBundle(first.ca), s.bundle())

	files.cert, files.key = second.cert, second.key // half of the renewal
	_, _, err := s.read()
	require.Error(t, err, "the new certificate does not verify against the old CA")
	files = second
	serves(first)
	require.Equal(t, parseBundle(first.ca).union(parseBundle(second.ca)), s.bundle(), "to be published before it is needed")
	trusted[string(second.ca)] = true
	serves(second)
	require.Equal(t, parseBundle(second.ca), s.bundle())

	files = first
	now = now.Add(47*time.Hour + 30*time.Minute) // both are about to expire
	serves(first)                                // the API server may refuse it, but will surely refuse the other
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	_, err := readPairFrom(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	s := &pairSource{load: func() (pair, error) { return readPairFrom(dir) }, now: time.Now}
	_, _, err = s.read()
	require.ErrorIs(t, err, os.ErrNotExist)
}
