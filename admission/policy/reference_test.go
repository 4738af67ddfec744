package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The cases are those of the grammar in github.com/distribution/reference.
func TestParseReference(t *testing.T) {
	hash := strings.Repeat("0a", 64)
	for s, want := range map[string]reference{
		"nginx":                           {"docker.io", "library/nginx", "", ""},
		"nginx:1.29":                      {"docker.io", "library/nginx", "1.29", ""},
		"team/app":                        {"docker.io", "team/app", "", ""},
		"docker.io/nginx":                 {"docker.io", "library/nginx", "", ""},
		"index.docker.io/nginx":           {"docker.io", "library/nginx", "", ""},
		"localhost/app":                   {"localhost", "app", "", ""},
		"localhost:5000":                  {"docker.io", "library/localhost", "5000", ""},
		"host:5000/a/b:t":                 {"host:5000", "a/b", "t", ""},
		"Host/app":                        {"Host", "app", "", ""},
		"REG.example.com/app":             {"REG.example.com", "app", "", ""},
		"[2001:db8::1]/app":               {"[2001:db8::1]", "app", "", ""},
		"[2001:db8::1]:5000/app:1":        {"[2001:db8::1]:5000", "app", "1", ""},
		"a.b/c__d/e--f.g_h:T_.-":          {"a.b", "c__d/e--f.g_h", "T_.-", ""},
		"a.b/c@sha512:" + hash:            {"a.b", "c", "", "sha512:" + hash},
		"a.b/c:t@sha384:" + hash[:96]:     {"a.b", "c", "t", "sha384:" + hash[:96]},
		"a.b/c:" + hash:                   {"a.b", "c", hash, ""},
		"a.b/" + hash[:64]:                {"a.b", hash[:64], "", ""},
		"a.b/" + strings.Repeat("x", 251): {"a.b", strings.Repeat("x", 251), "", ""},
	} {
		got, ok := parseReference(s)
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{
		"", " ", ":", "/", "@", "nginx:", "nginx@", ":tag", "a//b", "/a", "a/", "a.b/", "nginx:a b", "nginx:.a", "nginx:-a", "nginx:" + hash + "x",
		"NGINX", "a/B", "a/../b", "a/./b", "a.b/../c", "a._b", "a___b", "a..b", "-a", "a-", "_a", "a.b:/c", "a.b:x/c", "-a.b/c", "a-.b/c", "a_b.c/d",
		"[::1/a", "[]/a", "[::1]:/a", "[::1]a/b", "[g::1]/a", "a]/b.c:1", "https://a.b/c", "user@a.b/c",
		"a@sha256:abc", "a@md5:" + hash[:32], "a@sha256:" + strings.ToUpper(hash[:64]), "a@sha256:" + hash[:64] + "@x", "a@b@sha256:" + hash[:64],
		hash[:64], "a.b/" + strings.Repeat("x", 252), "ä", "aä", "a.ä", "a\xc6", "a\n", "a\x00b",
	} {
		_, ok := parseReference(s)
		require.False(t, ok, s)
	}
}

func TestReferenceIn(t *testing.T) {
	for _, tc := range []struct {
		place string
		in    []string
		out   []string
	}{
		{
			"registry.example.com",
			[]string{"registry.example.com/app", "REGISTRY.example.com/team/app:1"},
			[]string{"registry.example.com.evil.io/app", "registry.example.com:5000/app", "evil.io/registry.example.com/app", "app", "example.com/app"},
		},
		{
			"registry.example.com/team/",
			[]string{"registry.example.com/team", "registry.example.com/team/app"},
			[]string{"registry.example.com/teams", "registry.example.com/team-b/app", "registry.example.com/app"},
		},
		{
			"docker.io/library",
			[]string{"nginx", "docker.io/nginx", "index.docker.io/library/nginx"},
			[]string{"team/app", "docker.io/team/app", "quay.io/library/nginx"},
		},
		{"index.docker.io", []string{"nginx", "team/app"}, []string{"localhost/app"}},
		{"docker.io/library/nginx", []string{"nginx"}, []string{"nginx-unprivileged", "library/nginxx"}},
		{"localhost:5000", []string{"localhost:5000/a"}, []string{"localhost/a", "localhost:5000"}},
		{"localhost", []string{"localhost/a"}, []string{"localhost:5000/a"}},
		{"[::1]:5000/a", []string{"[::1]:5000/a/b"}, []string{"[::1]/a"}},
	} {
		place, ok := parseRepository(tc.place)
		require.True(t, ok, tc.place)
		for _, s := range tc.in {
			ref, ok := parseReference(s)
			require.True(t, ok, s)
			require.True(t, ref.in(place), "%s in %s", s, tc.place)
		}
		for _, s := range tc.out {
			ref, ok := parseReference(s)
			require.True(t, ok, s)
			require.False(t, ref.in(place), "%s in %s", s, tc.place)
		}
	}
}

// FuzzReference: what is a valid reference stays one, with the same meaning, when it is written out in full.
func FuzzReference(f *testing.F) {
	for _, s := range []string{
		"nginx", "nginx:1", "a.b/c", "a.b:5000/c:tag", "localhost/x", "Foo/x", "[::1]:5000/x:1", "index.docker.io/nginx", "a/b__c/d--e.f", "0\xc6\xa9", "x@" + someDigest,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, ok := parseReference(s)
		if !ok {
			return
		}
		full := ref.name()
		if ref.tag != "" {
			full += ":" + ref.tag
		}
		if ref.digest != "" {
			full += "@" + ref.digest
		}
		again, ok := parseReference(full)
		require.True(t, ok, full)
		require.Equal(t, ref, again)
		place, ok := parseRepository(ref.name())
		require.True(t, ok, full)
		require.True(t, ref.in(place), full)
	})
}
