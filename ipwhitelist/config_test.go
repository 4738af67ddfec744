package ipwhitelist

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// sample is a key file with everything in it.
func sample(t testing.TB) Config {
	return newWorld(t, ModeReport, func(c *Config, _ *Options) {
		start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		c.Callers[0].Override = &Override{Mode: ModeEither, From: start, Until: start.Add(time.Hour), Reason: "INC-7"}
	}).config
}

func TestConfigRoundTrips(t *testing.T) {
	c := sample(t)
	text, err := json.MarshalIndent(c, "", "  ")
	require.NoError(t, err)
	got, err := ParseConfig(text)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(c, got))
	_, err = New(got, Options{})
	require.NoError(t, err)
}

func TestParseConfigIsStrict(t *testing.T) {
	for text, says := range map[string]string{
		`{"version":1,"caller":[]}`:                              `unknown field "caller"`,
		`{"version":1}{}`:                                        "behind the end",
		`{"version":1} x`:                                        "behind the end",
		`{"version":1,"version":2}`:                              `"version" stands twice`,
		`{"version":1,"Version":2}`:                              "lower case",
		`{"callers":[{"name":"a","mode":"ip","mode":"either"}]}`: `"mode" stands twice`,
		`{"version":"1"}`:                                        "version",
		`[`:                                                      "half written",
		``:                                                       "half written",
		`{"version":`:                                            "half written",
		`{"ver\u017fion":1}`:                                     "lower case", // ſ folds to s
		strings.Repeat("[", 100):                                 "nests",
		strings.Repeat(" ", maxFile+1):                           "more than",
	} {
		c, err := ParseConfig([]byte(text))
		require.ErrorContains(t, err, says, shorten(text))
		require.Zero(t, c)
	}
}

func TestConfigProblems(t *testing.T) {
	good := sample(t)
	text := func(c Config) []byte { b, err := json.Marshal(c); require.NoError(t, err); return b }(good)
	secret := string(good.Callers[0].Keys[1].Secret)
	for _, c := range []struct {
		says   string
		change func(*Config)
	}{
		{"version 0: write 1", func(c *Config) { c.Version = 0 }},
		{`name "Billing"`, func(c *Config) { c.Callers[0].Name = "Billing" }},
		{"caller billing: stands twice", func(c *Config) { c.Callers[1].Name = "billing" }},
		{`mode "": write ip, either`, func(c *Config) { c.Callers[0].Mode = "" }},
		{"17 keys, more than 16", func(c *Config) { c.Callers[0].Keys = make([]Key, 16) }},
		{"ids are for all callers", func(c *Config) { c.Callers[1].Keys[0].ID = "billing.k1" }},
		{"only hmac-sha256", func(c *Config) { c.Callers[0].Keys[0].Alg = "rsa" }},
		{"its secret is another key's", func(c *Config) {
			_, random, err := httpsig.DecodeText("ipw1", secret)
			require.NoError(t, err)
			c.Callers[0].Keys[0].Secret = Secret(httpsig.EncodeText("ipw1", "billing.next", random))
		}},
		{"is that of billing.active", func(c *Config) { c.Callers[0].Keys[0].Secret = Secret(secret) }},
		{"the checksum is wrong", func(c *Config) { c.Callers[0].Keys[1].Secret = Secret(secret[:len(secret)-1] + "g") }},
		{`does not begin with "ipw1."`, func(c *Config) { c.Callers[0].Keys[1].Secret = "" }},
		{"64 hex digits", func(c *Config) { c.Callers[0].APIKeys[0].SHA256 = "abc" }},
		{"has no not_after", func(c *Config) { c.Callers[0].Keys[2].NotAfter = time.Time{} }},
		{`state "on"`, func(c *Config) { c.Callers[0].Keys[0].State = "on" }},
		{"at most 24 h apart", func(c *Config) { c.Callers[0].Override.Until = c.Callers[0].Override.From.Add(25 * time.Hour) }},
		{"a mode, and the reason", func(c *Config) { c.Callers[0].Override.Reason = "" }},
		{"rule egress-a: stands twice", func(c *Config) { c.Rules[1].Name = "egress-a" }},
		{`rules[0]: name ""`, func(c *Config) { c.Rules[0].Name = "" }},
		{"write prefixes and callers", func(c *Config) { c.Rules[0].Callers = nil }},
		{`there is no caller "x"`, func(c *Config) { c.Rules[0].Callers = []string{"x"} }},
		{"a caller stands twice", func(c *Config) { c.Rules[0].Callers = []string{"billing", "billing"} }},
		{"canary_percent 101", func(c *Config) { c.Rules[0].CanaryPercent = 101 }},
		{"write a date like", func(c *Config) { c.Rules[0].RemoveAfter = "soon" }},
		{"write 10.0.0.0/8, or 10.1.2.3/32", func(c *Config) { c.Rules[0].Prefixes = []string{"10.1.2.3/8"} }},
		{"203.0.113.7/32: stands twice", func(c *Config) { c.Rules[1].Prefixes = []string{"::ffff:203.0.113.7"} }},
		{"believe everybody", func(c *Config) { c.TrustedProxies = []string{"::/0"} }},
		{"in host", func(c *Config) { c.Authorities = []string{"a b"} }},
		{"rules: 10001, more than", func(c *Config) { c.Rules = make([]Rule, maxRules+1) }},
		{"callers: 10001, more than", func(c *Config) { c.Callers = make([]Caller, maxCallers+1) }},
		{"100001 prefixes, more than", func(c *Config) {
			c.Rules[0].Prefixes = make([]string, maxPrefixes)
			for i := range c.Rules[0].Prefixes {
				c.Rules[0].Prefixes[i] = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			}
		}},
		{"exceeding", func(c *Config) { c.Callers[0].Keys[0].NotAfter = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
	} {
		t.Run(c.says, func(t *testing.T) {
			bad, err := ParseConfig(text)
			require.NoError(t, err)
			c.change(&bad)
			g, err := New(bad, Options{})
			require.Nil(t, g)
			if c.says == "exceeding" {
				require.Error(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), secret[22:50], "no secret in an error")
		})
	}
	_, err := New(Config{Callers: []Caller{{}}, Rules: []Rule{{}}}, Options{Realm: "a\"b", Authority: "a b"})
	for _, says := range []string{"version 0", "callers[0]", "rules[0]", "realm", "authority"} {
		require.ErrorContains(t, err, says, "all problems at once")
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	c := sample(t)
	secret := string(c.Callers[0].Keys[0].Secret)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", c.Callers[0].Keys[0].Secret)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "config", c)
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %v %x", c, c.Callers[0].Keys, c.Callers[0], c.Callers[0].Keys[0].Secret), logged.String()} {
		require.NotContains(t, text, secret[20:])
		require.NotContains(t, text, fmt.Sprintf("%x", secret))
		require.Contains(t, text, "[secret]")
	}
}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callers.json")
	text, err := json.Marshal(sample(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o440: true, 0o640: true, 0o644: false, 0o660: false, 0o601: false} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := LoadFile(path)
		require.Equal(t, ok, err == nil, "%o: %v", mode, err)
	}
	_, err = LoadFile(filepath.Dir(path))
	require.ErrorContains(t, err, "chmod 600")
	_, err = LoadFile(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = LoadFile(path)
	require.ErrorContains(t, err, path)
}

// What is wrong leaves the last good configuration in place, and counters outlive a change.
func TestWatchKeepsTheLastGood(t *testing.T) {
	w := newWorld(t, ModeEither)
	loads := make(chan Config)
	fails := make(chan error)
	reports := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.g.Watch(ctx, time.Millisecond, func() (Config, error) {
			select {
			case c := <-loads:
				return c, nil
			case err := <-fails:
				return Config{}, err
			case <-ctx.Done():
				return w.config, nil
			}
		}, func(err error) { reports <- err })
	}()
	ask := func() int { return w.do(Route{}, w.sign(request(nowhere, "GET", "/", ""), "billing.active")).Code }
	require.Equal(t, 200, ask())
	fails <- errTest
	require.ErrorIs(t, <-reports, errTest)
	bad := w.config
	bad.Version = 2
	loads <- bad
	require.ErrorContains(t, <-reports, "version 2")
	require.Equal(t, 200, ask())
	loads <- w.config // nothing has changed: no report
	changed, err := ParseConfig(must(json.Marshal(w.config)))
	require.NoError(t, err)
	changed.Callers[0].Keys[1].State = Disabled
	loads <- changed
	require.NoError(t, <-reports)
	require.Equal(t, 401, ask())
	cancel()
	<-done
	require.EqualValues(t, 2, w.g.Report().Callers[0].Signed.Count)
	changed.Callers[0].Name = "x" // the guard has a copy of its own
	require.Equal(t, "billing", w.g.Report().Callers[0].Name)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestCallersFromKubernetesSecrets(t *testing.T) {
	text, k := newKey(t, "billing.1")
	retiring, _ := newKey(t, "billing.0")
	_, api, err := GenerateAPIKey("billing.k1", rand.Reader)
	require.NoError(t, err)
	apiKeys, err := json.Marshal([]APIKey{api})
	require.NoError(t, err)
	fsys := fstest.MapFS{
		"..data/x":              {Data: []byte("x")},
		"billing/..data/active": {Data: []byte("x")},
		"billing/mode":          {Data: []byte("either\n")},
		"billing/active":        {Data: []byte(text + "\n")},
		"billing/retiring":      {Data: []byte(retiring + " 2027-02-01T00:00:00Z\n")},
		"billing/api-keys":      {Data: apiKeys},
		"billing/allow-api-key": {Data: []byte("true")},
	}
	callers, err := CallersFromFS(fsys)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]Caller{{
		Name: "billing", Mode: ModeEither, AllowAPIKey: true, APIKeys: []APIKey{api}, Keys: []Key{
			{ID: k.ID(), Secret: Secret(text), State: Active},
			{ID: "billing.0", Secret: Secret(retiring), State: Retiring, NotAfter: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)},
		},
	}}, callers, cmp.Comparer(func(a, b Secret) bool { return a == b })))
	_, err = New(Config{Version: 1, Callers: callers}, Options{})
	require.NoError(t, err)

	for entry, c := range map[string]struct{ data, says string }{
		"activ":         {text, "write mode, next, active"},
		"active":        {text[:50], "characters"},
		"next":          {text + " tomorrow", "the time behind it"},
		"retiring":      {text + " a b", "a key on each line"},
		"api-keys":      {"[{}", "half written"},
		"allow-api-key": {"yes", "write true or false"},
	} {
		_, err := CallerFromSecret("billing", map[string][]byte{entry: []byte(c.data)})
		require.ErrorContains(t, err, c.says, entry)
		require.NotContains(t, err.Error(), text[20:40])
		_, err = CallersFromFS(fstest.MapFS{"billing/" + entry: {Data: []byte(c.data)}})
		require.ErrorContains(t, err, c.says)
	}
	_, err = CallersFromFS(fstest.MapFS{"billing": {Data: []byte("x")}})
	require.ErrorContains(t, err, "billing")
	_, err = CallersFromFS(fstest.MapFS{"billing/active": {Data: make([]byte, 2<<20)}})
	require.ErrorContains(t, err, "more than")
	for mode, ok := range map[os.FileMode]bool{0o440: true, 0o600: true, 0o644: false, 0o460: false} {
		_, err = CallersFromFS(fstest.MapFS{"billing/mode": {Data: []byte("ip"), Mode: mode}})
		require.Equal(t, ok, err == nil, mode)
		if !ok {
			require.ErrorContains(t, err, "secret of caller billing: mode: mode "+mode.String()+": others can read it: set defaultMode: 0440")
		}
	}
	_, err = CallersFromFS(fstest.MapFS{"billing/sub/x": {}})
	require.Error(t, err)
	_, err = CallersFromFS(os.DirFS(filepath.Join(t.TempDir(), "none")))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestGenerateAPIKeyRefuses(t *testing.T) {
	_, _, err := GenerateAPIKey("A", rand.Reader)
	require.ErrorContains(t, err, "write 1 to 64")
	_, _, err = GenerateAPIKey("a", iotest.ErrReader(errTest))
	require.ErrorIs(t, err, errTest)
}

func FuzzParseConfig(f *testing.F) {
	seeds := [][]byte{must(json.Marshal(sample(f))), []byte(`{"version":1,"callers":[{"name":"a","mode":"ip"}],"rules":[{"name":"r","prefixes":["::/0"],"callers":["a"]}]}`)}
	require.NotEmpty(f, seeds)
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			require.Zero(t, c)
			return
		}
		g, err := New(c, Options{})
		if err != nil {
			require.Nil(t, g)
			return
		}
		again, err := ParseConfig(must(json.Marshal(c)))
		require.NoError(t, err)
		require.NoError(t, g.Replace(again))
	})
}
