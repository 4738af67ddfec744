package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testdata/shop.db.gz is a database with 11 revisions: a namespace, a ConfigMap that changed once, an encrypted Secret,
// a Deployment and its Pod, which were deleted, a custom resource and a Service. In later.db.gz the ConfigMap is gone,
// the Service has another port, and there is a Pod of broken bytes.
const (
	shop   = "testdata/shop.db.gz"
	later  = "testdata/later.db.gz"
	config = "testdata/encryption.yaml"
)

type result struct {
	out, err string
	code     int
}

func cli(t *testing.T, stdin []byte, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), args, streams{bytes.NewReader(stdin), &out, &err})
	require.NotContains(t, err.String(), "aHVudGVyMg")
	require.NotContains(t, err.String(), "hunter2")
	return result{out.String(), err.String(), code}
}

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		out  []string // each with - before it must not be there
		err  string
	}{
		{args: "-h", out: []string{"undelete", "An outage"}},
		{args: "nonsense", code: 1, err: "no command is named"},
		{args: "list", code: 1, err: "no source"},
		{args: "list -f testdata/nothing.db", code: 1, err: "no such file"},
		{args: "list -h"},
		{args: "list -f " + shop, out: []string{"/registry/configmaps/shop/motto\n", "/registry/secrets/shop/db\n", "-deployments"}},
		{args: "list -l -f " + shop, code: 2, out: []string{"v1/ConfigMap", "secretbox:v1:box"}, err: "can't be decrypted"},
		{args: "list --kind widget -f " + shop + " --encryption-config " + config, out: []string{"/registry/example.com/widgets/shop/w", "-motto"}},
		{args: "list -f " + shop + " --resource services", out: []string{"/registry/services/specs/shop/web", "-motto"}},
		{args: "list -f " + shop + " -n shop --name m*", out: []string{"motto", "-web"}},
		{args: "list -f " + shop + " --name [", code: 1, err: "no valid pattern"},
		{args: "list -f " + shop + " --labels =a", code: 1, err: "without a key"},
		{args: "list -f " + shop + " --labels app=web,!tier,app!=x -n shop --encryption-config " + config, out: []string{"motto", "-widgets"}},
		{args: "list -f " + shop + " --rev 7", out: []string{"/registry/deployments/shop/web\n"}},
		{args: "get -f " + shop + " /registry/configmaps/shop/motto", out: []string{"text: proved", "resourceVersion: \"5\""}},
		{args: "get -f " + shop + " /registry/configmaps/shop/motto --rev 4 -o json", out: []string{`"text":"prove it"`}},
		{args: "get -f " + shop + " /registry/configmaps/shop/none", code: 1, err: "not found"},
		{args: "get -f " + shop + " configmaps motto -n shop", out: []string{"text: proved"}},
		{args: "get -f " + shop + " configmaps motto -n other", code: 1, err: "nothing matches"},
		{args: "get -f " + shop + " cm motto -n shop", out: []string{"text: proved"}},
		{args: "get -f " + shop + " service", out: []string{"kind: Service"}},
		{args: "get -f " + shop + " widget.example.com", out: []string{"kind: Widget"}},
		{args: "get -f " + shop + " secrets -n shop --encryption-config " + config, out: []string{"password: <redacted>"}},
		{args: "get -f " + shop + " secrets -n shop --show-secrets --encryption-config " + config, out: []string{"password: aHVudGVyMg=="}},
		{args: "get -f " + shop + " /registry/secrets/shop/db", code: 1, err: "secretbox:v1:box"},
		{args: "get -f " + shop + " /registry/secrets/shop/db -o proto", code: 1, err: "--show-secrets"},
		{args: "get -f " + shop + " /registry/secrets/shop/db -o proto --show-secrets", code: 1, err: "--encryption-config"},
		{args: "get -f " + shop + " /registry/secrets/shop/db -o proto --show-secrets --encryption-config " + config, out: []string{"k8s\x00", "hunter2"}},
		{args: "get -f " + shop, code: 1, err: "get what"},
		{args: "get -f " + shop + " a b c", code: 1, err: "more arguments"},
		{args: "get -f " + shop + " pods -o x", code: 1, err: "-o x"},
		{args: "get -f " + shop + " pods -o proto", code: 1, err: "one key"},
		{args: "get -f " + shop + " -n shop configmaps -o jsonpath={.metadata.name}:{.data.text}", out: []string{"motto:proved\n"}},
		{args: "get -f " + shop + " /registry/configmaps/shop/motto -o jsonpath={.data.none}", out: []string{"-motto"}},
		{args: "get -f " + shop + " secrets -o jsonpath={.data.password} --encryption-config " + config, out: []string{"<redacted>\n"}},
		{args: "get -f " + shop + " configmaps -o jsonpath={.data", code: 1, err: "-o jsonpath: unclosed action"},
		{args: "get -f " + shop + " configmaps -o jsonpath={.metadata[0]}", code: 2, err: "/registry/configmaps/shop/motto: the template does not fit"},
		{args: "dump -f " + later + " --encryption-config " + config, code: 2, out: []string{`"kind":"Widget"`}, err: "/registry/pods/shop/broken: malformed"},
		{args: "dump -f " + shop + " -o yaml --encryption-config " + config, out: []string{"---\n", "kind: Widget"}},
		{args: "dump -f " + shop + " -o x", code: 1, err: "-o x"},
		{args: "grep -f " + shop + " -e si.e --encryption-config " + config, out: []string{"/registry/example.com/widgets/shop/w:8:  size: 3\n"}},
		{args: "grep -f " + shop + " -e si.e --keys --encryption-config " + config, out: []string{"/registry/example.com/widgets/shop/w\n"}},
		{args: "grep -f " + shop + " -e hunter2|aHVudGVyMg --encryption-config " + config, code: 1, err: "nothing matches"},
		{args: "grep -f " + shop, code: 1, err: "which REGEXP"},
		{args: "grep -f " + shop + " size: -e size:", code: 1, err: "two patterns"},
		{args: "grep -f " + shop + " si.e --keys --encryption-config " + config, out: []string{"/registry/example.com/widgets/shop/w\n"}},
		{args: "grep -f " + shop + " -e (", code: 1, err: "parsing regexp"},
		{args: "stats -f " + shop + " --top 2", code: 2, out: []string{"secretbox:v1:box", "tombstones       2", "more)"}},
		{args: "history -f " + shop + " /registry/configmaps/shop/motto --diff --yaml", out: []string{"version 2 of generation 4", "- data.text: \"prove it\"\n+ data.text: \"proved\"\n", "text: prove it"}},
		{args: "history -f " + shop + " /registry/deployments/shop/web", out: []string{"# revision 10: deleted"}},
		{args: "history -f " + shop + " /registry/none", code: 1, err: "not found"},
		{args: "history -f " + shop, code: 1, err: "which KEY"},
		{args: "history -f " + shop + " configmaps", code: 1, err: "write a KEY"},
		{args: "undelete -f " + shop, out: []string{"kind: Deployment", "-uid", "-kind: Pod", "-status"}},
		{args: "undelete -f " + shop + " --owned", out: []string{"kind: Pod", "-nodeName", "-ownerReferences"}},
		{args: "undelete -f " + shop + " --since-rev 11", code: 1, err: "nothing was deleted"},
		{args: "diff " + shop + " " + later + " --encryption-config " + config, code: 2, out: []string{"- /registry/configmaps/shop/motto\n", "~ /registry/services/specs/shop/web\n    - spec.ports[0].port: 80\n    + spec.ports[0].port: 8080\n", "-secrets"}},
		{args: "diff " + later + " " + shop + " --brief -n shop --resource configmaps", out: []string{"+ /registry/configmaps/shop/motto\n"}},
		{args: "diff " + shop, code: 1, err: "two databases"},
		{args: "verify -f " + shop + " --encryption-config " + config, out: []string{"checksum   absent", "problems   0"}},
		{args: "verify -f " + later + " --encryption-config " + config, code: 2, out: []string{"problems   1"}},
		{args: "carve -f " + shop},
		{args: "wal testdata/nothing", code: 1, err: "does not exist"},
		{args: "wal", code: 1, err: "which DIR"},
		{args: "wal " + shop, code: 1, err: "is a file"},
		{args: "list --endpoints http://127.0.0.1:1 -f x", code: 1, err: "choose one"},
		{args: "list -f " + shop + " --sensitive Pod", code: 1, err: "KIND:PATH"},
		{args: "get -f " + shop + " widgets --sensitive Widget.example.com:spec.size", out: []string{"size: <redacted>"}},
		{args: "list -f " + shop + " -l --encryption-config " + shop, code: 1, err: "no valid YAML"},
	} {
		t.Run(strings.ReplaceAll(c.args, "/", "|"), func(t *testing.T) {
			got := cli(t, nil, strings.Fields(c.args)...)
			require.Equal(t, c.code, got.code, "%s", got.err)
			for _, want := range c.out {
				if rest, absent := strings.CutPrefix(want, "-"); absent && !strings.HasPrefix(want, "- ") && !strings.HasPrefix(want, "---") {
					require.NotContains(t, got.out, rest)
				} else {
					require.Contains(t, got.out, want)
				}
			}
			if c.err != "" {
				require.Contains(t, got.err, c.err)
			}
		})
	}
}

func TestDumpIntoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	got := cli(t, nil, "dump", "-f", shop, "-d", dir, "--encryption-config", config)
	require.Zero(t, got.code, got.err)
	text, err := os.ReadFile(filepath.Join(dir, "registry/configmaps/shop/motto.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "text: proved")
	again := cli(t, nil, "dump", "-f", shop, "-d", dir)
	require.Equal(t, exitFailed, again.code, "nothing is overwritten")
	require.Error(t, writeFile(dir, "/../../escape", ".yaml", nil, map[string]bool{}))
}

func TestPipe(t *testing.T) {
	value := []byte(cli(t, nil, "get", "-f", shop, "/registry/services/specs/shop/web", "-o", "proto", "--show-secrets").out)
	want := cli(t, value)
	require.Contains(t, want.out, "kind: Service")
	key := "/registry/services/specs/shop/web"
	response, err := json.Marshal(map[string]any{"header": map[string]any{"revision": 1}, "kvs": []any{map[string]any{"key": []byte(key), "value": value, "mod_revision": 7}, map[string]any{"key": []byte("/x"), "value": []byte("k8s\x00\xff")}}})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		stdin []byte
		code  int
		want  string
	}{
		"with a line break":      {append(bytes.Clone(value), '\n'), 0, want.out},
		"key and value":          {append([]byte(key+"\n"), append(value, '\n')...), 0, want.out},
		"JSON with a broken one": {response, 2, "resourceVersion: \"7\""},
		"nothing":                {nil, 1, ""},
		"noise":                  {[]byte("\x00\x01"), 1, ""},
	} {
		got := cli(t, c.stdin, "-o", "yaml")
		require.Equal(t, c.code, got.code, "%s: %s", name, got.err)
		require.Contains(t, got.out, c.want, name)
	}
	require.Contains(t, cli(t, value, "decode", "-o", "json").out, `"kind":"Service"`)
	require.Equal(t, exitFailed, cli(t, value, "-o", "toml").code)
}

func TestEncode(t *testing.T) {
	manifest := []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\ndata: {p: Yg==}\n")
	plain := cli(t, manifest, "encode")
	require.Zero(t, plain.code, plain.err)
	require.Contains(t, cli(t, []byte(plain.out), "--show-secrets").out, "p: Yg==")
	sealed := cli(t, manifest, "encode", "--key", "/registry/secrets/b/a", "--encryption-config", config)
	require.True(t, strings.HasPrefix(sealed.out, "k8s:enc:secretbox:v1:box:"))
	require.Contains(t, cli(t, []byte(sealed.out), "--encryption-config", config).out, "p: <redacted>")
	widget := cli(t, []byte("apiVersion: example.com/v1\nkind: Widget\nspec: {size: 3}\n"), "encode", "--format", "cbor")
	require.True(t, strings.HasPrefix(widget.out, "\xd9\xd9\xf7"), widget.err)
	require.Contains(t, cli(t, []byte(widget.out)).out, "size: 3")
	require.Equal(t, exitFailed, cli(t, manifest, "encode", "--format", "cbor").code, "a Secret is no custom resource")
	file := filepath.Join(t.TempDir(), "value")
	require.Zero(t, cli(t, manifest, "encode", "-o", file, "--format", "json").code)
	for _, args := range []string{"--format x", "--encryption-config " + config, "--encryption-config " + config + " --key nonsense", "-f testdata/nothing", "--format protobuf extra"} {
		require.Equal(t, exitFailed, cli(t, manifest, append([]string{"encode"}, strings.Fields(args)...)...).code, args)
	}
	redacted := cli(t, []byte(plain.out)).out
	require.Contains(t, cli(t, []byte(redacted), "encode").err, "redacted")
	require.Equal(t, exitFailed, cli(t, []byte("a: [hunter2"), "encode").code)
}

// TestPlural gives every built-in resource by its singular name and its short ones.
func TestPlural(t *testing.T) {
	for singular, want := range map[string]string{
		"pod": "pods", "ingress": "ingresses", "networkpolicy": "networkpolicies", "storageclass": "storageclasses", "endpoints": "endpoints",
		"priorityclass": "priorityclasses", "configmap": "configmaps", "gateway": "gateways", "pods": "pods", "sts": "statefulsets", "no": "nodes",
	} {
		require.Equal(t, want, plural(singular))
	}
	for short, want := range shortNames {
		require.Equal(t, want, plural(want), short)
	}
}

// TestAppendPrintable is what printable says, also where that is quoted or lacks a token.
func TestAppendPrintable(t *testing.T) {
	for _, key := range []string{"", "/registry/pods/shop/web", "/registry/a\nb", "/k/oauth/accesstokens/secret", "/k/oauth/accesstokens/sha256~x", "/\x1b/oauth/accesstokens/secret", "/ü"} {
		require.Equal(t, "> "+printable([]byte(key)), string(appendPrintable([]byte("> "), []byte(key))))
	}
	require.NotContains(t, string(appendPrintable(nil, []byte("/k/oauth/accesstokens/secret"))), "secret")
}
