package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/ipwhitelist"
)

// orders is examples/signedapi as the provider of an API, whose configuration is in the cluster.
type orders struct {
	*platform
	server *cluster.Server
	dir    string // where the ConfigMap and the Secret are mounted
	key    string // the file of the caller
}

// startOrders makes a key for the caller billing, stores it as README.md of the example says, and starts the provider.
// The whitelisted address of its ConfigMap becomes one of loopback.
func (p *platform) startOrders(t *testing.T) *orders {
	t.Helper()
	o := &orders{platform: p, dir: filepath.Join(p.dir, "orders")}
	require.NoError(t, os.Mkdir(o.dir, 0o700))
	o.key = filepath.Join(o.dir, "billing.key")
	_, stderr, err := p.try(t, "signedapi", "keygen", "-id=billing.2026-11.1", "-out="+o.key) // it prints the key
	require.NoError(t, err, stderr)

	manifests := examples + "signedapi/manifests/"
	p.kubectl(t, "apply", "-f", manifests+"namespace.yaml")
	p.kubectl(t, "create", "secret", "generic", "caller-billing", "--namespace=orders", "--from-literal=mode=ip", "--from-file=active="+o.key)
	config, err := os.ReadFile(manifests + "configmap.yaml")
	require.NoError(t, err)
	require.Contains(t, string(config), "203.0.113.7/32")
	p.kubectlWith(t, strings.ReplaceAll(string(config), "203.0.113.7/32", "127.0.0.2/32"), "apply", "-f", "-")
	o.mount(t)

	o.server = p.Server(t, "orders", p.program("signedapi"), []string{
		"serve", "-config=" + filepath.Join(o.dir, "config.json"), "-secrets=" + filepath.Join(o.dir, "callers"),
		"-listen=127.0.0.1:0", "-metrics-listen=127.0.0.1:0", "-poll=100ms", "-log-format=json",
	})
	return o
}

// mount does what a kubelet does for the Pods of the example's Deployment: it writes the ConfigMap and the Secret to
// where their volumes are mounted.
func (o *orders) mount(t *testing.T) {
	t.Helper()
	var config corev1.ConfigMap
	var caller corev1.Secret
	require.NoError(t, json.Unmarshal([]byte(o.MustKubectl(t, "get", "configmap/orders", "--namespace=orders", "--output=json")), &config))
	require.NoError(t, json.Unmarshal([]byte(o.MustKubectl(t, "get", "secret/caller-billing", "--namespace=orders", "--output=json")), &caller))
	files := map[string][]byte{"config.json": []byte(config.Data["config.json"])}
	for name, data := range caller.Data {
		files["callers/billing/"+name] = data
	}
	for name, data := range files {
		path := filepath.Join(o.dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		fresh := filepath.Join(o.dir, "fresh")
		require.NoError(t, os.WriteFile(fresh, data, 0o440))
		require.NoError(t, os.Rename(fresh, path)) // never half of a file
	}
}

// proxy starts an egress proxy that connects from an address, and returns where it listens.
func (o *orders) proxy(t *testing.T, source string) string {
	t.Helper()
	return o.Server(t, "proxy-"+source, o.program("signedapi"), []string{"proxy", "-listen=127.0.0.1:0", "-upstream=" + o.server.Address, "-source=" + source}).Address
}

// call calls the API through a proxy, wants an answer, and returns the whole of it.
func (o *orders) call(t *testing.T, want, proxy string, flags ...string) string {
	t.Helper()
	args := append(append([]string{"call", "-connect=" + proxy}, flags...), "http://orders.svc.example.com/v1/orders/42")
	out, stderr, _ := o.try(t, "signedapi", args...) // 401 is exit code 1
	o.tell(t, "signedapi", args, stderr+out)
	require.Equal(t, want, strings.SplitN(out, "\n", 2)[0])
	return out
}

func (o *orders) report() string { return "http://" + o.server.Metrics + "/report" }

// mode changes the Secret of the caller, and waits until the provider goes by it.
func (o *orders) mode(t *testing.T, mode ipwhitelist.Mode) {
	t.Helper()
	o.kubectl(t, "patch", "secret/caller-billing", "--namespace=orders", `--patch={"stringData": {"mode": "`+string(mode)+`"}}`)
	o.mount(t)
	o.loaded(t, func(r ipwhitelist.Report) bool { return r.Callers[0].Mode == mode })
}

// noRules takes all addresses off the list, in the same way.
func (o *orders) noRules(t *testing.T) {
	t.Helper()
	o.kubectl(t, "patch", "configmap/orders", "--namespace=orders",
		`--patch={"data": {"config.json": "{\"version\": 1, \"authorities\": [\"orders.svc.example.com\"]}"}}`)
	o.mount(t)
	o.loaded(t, func(r ipwhitelist.Report) bool { return len(r.Rules) == 0 })
}

func (o *orders) loaded(t *testing.T, ok func(ipwhitelist.Report) bool) {
	t.Helper()
	o.await(t, "the provider has loaded it", func() error {
		text, err := o.server.Page("/report")
		if err != nil {
			return err
		}
		var r ipwhitelist.Report
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return err
		}
		if !ok(r) {
			return errors.New("it reports what was before")
		}
		return nil
	})
}

// notReady asks by the default criteria, a week of quiet among them, and returns what is in the way.
func (o *orders) notReady(t *testing.T) string {
	t.Helper()
	args := []string{"readiness", "-caller=billing", o.report()}
	out, stderr, err := o.try(t, "signedapi", args...)
	o.tell(t, "signedapi", args, stderr+out)
	require.Error(t, err)
	return out
}

// ready waits until the caller is ready for the next step, where a second of quiet is enough; the default is a week.
func (o *orders) ready(t *testing.T, want string) {
	t.Helper()
	args := []string{"readiness", "-quiet=1s", "-caller=billing", o.report()}
	o.await(t, "billing is ready", func() error {
		out, _, err := o.try(t, "signedapi", args...)
		if err == nil && !strings.HasPrefix(out, want) {
			err = errors.New(out)
		} else if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	o.run(t, "signedapi", args...)
}
