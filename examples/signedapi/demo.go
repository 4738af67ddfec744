package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const demoHelp = `
Usage: signedapi demo

Walks through the migration with real processes: a provider, the proxy whose address is whitelisted, and a caller. It
needs nothing but loopback addresses, and takes a few seconds.
`

// proxyIP is the fixed address of phase 1. On Linux all of 127.0.0.0/8 is the machine's own.
const proxyIP = "127.0.0.2"

const ordersURL = "http://orders.svc.example.com"

// walk is a running demo.
type walk struct {
	ctx             context.Context //nolint:containedctx // as long as one command
	s               streams
	dir, self       string
	api, side, door string // addresses of the provider, its metrics, and the proxy
	config          ipwhitelist.Config
	err             error // the first one
}

func demo(ctx context.Context, args []string, s streams) error {
	if err := newFlags("demo", s, demoHelp).ParseOnly(args); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "signedapi-demo")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // in the system's directory for such
	ctx, cancel := context.WithCancel(ctx)
	w := &walk{ctx: ctx, s: s, dir: dir, self: self}
	stop, err := w.start()
	if err == nil {
		w.phases()
		err = w.err
	}
	cancel()
	stop()
	return err
}

// start makes the keys and the configuration, and starts the provider and the proxy.
func (w *walk) start() (stop func(), err error) {
	var children []*exec.Cmd
	stop = func() {
		for _, c := range children {
			_ = c.Wait() // ended by the context
		}
	}
	text, err := httpsig.GenerateKey("billing.2026-11.1", rand.Reader)
	if err != nil {
		return stop, err
	}
	if err := os.WriteFile(w.path("billing.key"), []byte(text+"\n"), 0o600); err != nil {
		return stop, err
	}
	w.config = ipwhitelist.Config{
		Version: 1, Authorities: []string{"orders.svc.example.com"},
		Callers: []ipwhitelist.Caller{{Name: "billing", Mode: ipwhitelist.ModeIP, Keys: []ipwhitelist.Key{
			{ID: "billing.2026-11.1", Secret: ipwhitelist.Secret(text), State: ipwhitelist.Active},
		}}},
		Rules: []ipwhitelist.Rule{{Name: "egress-proxy", Prefixes: []string{proxyIP}, Callers: []string{"billing"}, RemoveAfter: "2027-01-15"}},
	}
	if err := w.writeConfig(); err != nil {
		return stop, err
	}
	provider, child, err := w.spawn("serve", "-config="+w.path("callers.json"), "-listen=127.0.0.1:0", "-metrics-listen=127.0.0.1:0", "-poll=50ms", "-log-format=json")
	if err != nil {
		return stop, err
	}
	children = append(children, child)
	w.api, w.side = provider["address"], provider["metrics"]
	door, child, err := w.spawn("proxy", "-listen=127.0.0.1:0", "-upstream="+w.api, "-source="+proxyIP)
	if err != nil {
		return stop, err
	}
	children = append(children, child)
	w.door = door["address"]
	return stop, nil
}

func (w *walk) path(name string) string { return filepath.Join(w.dir, name) }

// writeConfig replaces the file at once, as an editor or a kubelet would.
func (w *walk) writeConfig() error {
	text, err := json.MarshalIndent(w.config, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.path("new"), text, 0o600); err != nil {
		return err
	}
	return os.Rename(w.path("new"), w.path("callers.json"))
}

// spawn starts this program again, and returns what it logs when it serves.
func (w *walk) spawn(args ...string) (map[string]string, *exec.Cmd, error) {
	c := exec.CommandContext(w.ctx, w.self, args...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	logs, err := c.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := c.Start(); err != nil {
		return nil, nil, err
	}
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		var line map[string]any
		if json.Unmarshal(lines.Bytes(), &line) == nil && line["msg"] == "serving" {
			go func() { _, _ = io.Copy(io.Discard, logs) }() // until it ends
			address, _ := line["address"].(string)
			metrics, _ := line["metrics"].(string)
			return map[string]string{"address": address, "metrics": metrics}, c, nil
		}
		w.s.Say("%s: %s\n", args[0], lines.Text())
	}
	return nil, nil, errors.Join(fmt.Errorf("%s does not serve", args[0]), c.Wait())
}

// phases is the story.
func (w *walk) phases() {
	signed := "-key-file=" + w.path("billing.key")
	w.title("Phase 1: the proxy's address is on the list (mode ip)")
	w.tell("billing calls through the proxy, which has the fixed address %s", proxyIP)
	w.call(200, "-connect="+w.door, ordersURL+"/v1/whoami")
	w.tell("from a Pod's own address there is no way in")
	w.call(401, "-connect="+w.api, ordersURL+"/v1/whoami")
	w.tell("billing's new version signs; the signature is checked, and the address still decides")
	w.call(200, "-connect="+w.door, signed, ordersURL+"/v1/whoami")
	w.report()
	w.ready()

	w.title("Phase 2: keys and signatures are accepted (mode either)")
	w.mode(ipwhitelist.ModeEither)
	w.tell("signed, from anywhere")
	w.call(200, "-connect="+w.api, signed, ordersURL+"/v1/whoami")
	w.call(201, "-connect="+w.api, signed, `-d={"item": "book"}`, ordersURL+"/v1/orders")
	w.tell("unsigned, through the proxy, as before")
	w.call(200, "-connect="+w.door, ordersURL+"/v1/orders/42")
	w.report()
	w.notReady()
	w.call(0, "-connect="+w.api, signed, "-n=100", "-parallel=4", ordersURL+"/v1/orders/42")
	w.wait()
	w.ready()

	w.title("Phase 3: callers sign, and the address leaves the list (mode report, then signature)")
	w.mode(ipwhitelist.ModeReport)
	w.tell("an unsigned request still works, is counted, and is told when that ends")
	w.call(200, "-connect="+w.door, ordersURL+"/v1/orders/42")
	w.report()
	w.notReady()
	w.tell("billing fixes that job; nothing relies on the address for a while (here 3 s, in production 7 days)")
	w.wait()
	w.ready()
	w.mode(ipwhitelist.ModeSignature)
	w.call(401, "-connect="+w.door, ordersURL+"/v1/orders/42")
	w.call(200, "-connect="+w.api, signed, ordersURL+"/v1/orders/42")
	w.tell("the rule has no caller left that needs it: the address leaves the list, and the proxy can go")
	w.config.Rules = nil
	w.mode(ipwhitelist.ModeSignature)
	w.call(200, "-connect="+w.api, signed, ordersURL+"/v1/whoami")
	w.report()
}

func (w *walk) title(text string) { w.print("\n== " + text + "\n") }

func (w *walk) tell(format string, args ...any) {
	w.print("\n# " + fmt.Sprintf(format, args...) + "\n")
}

func (w *walk) print(text string) {
	if w.err == nil {
		w.err = cli.Write(w.s.Out, text)
	}
}

// command runs this program, shows the command and its output, and returns the output and the exit code.
func (w *walk) command(args ...string) (string, int) {
	if w.err != nil {
		return "", 0
	}
	shown := strings.NewReplacer(w.dir+"/", "", "-connect="+w.door, "-connect=PROXY", "-connect="+w.api, "-connect=PROVIDER", w.side, "PROVIDER")
	w.print("$ signedapi " + shown.Replace(strings.Join(args, " ")) + "\n")
	var out bytes.Buffer
	c := exec.CommandContext(w.ctx, w.self, args...)
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || ok && exit.ExitCode() == cli.ExitUsage {
		w.err = fmt.Errorf("%s: %w: %s", args[0], err, out.String())
		return "", 0
	}
	w.print(out.String())
	return out.String(), c.ProcessState.ExitCode()
}

// call sends requests, and ends the demo if the answer is not the expected one; 0 is 2xx for all of several.
func (w *walk) call(want int, args ...string) {
	out, code := w.command(append([]string{"call"}, args...)...)
	if w.err == nil && (want > 0 && !strings.HasPrefix(out, fmt.Sprint(want)) || want == 0 && code != cli.ExitOK) {
		w.err = fmt.Errorf("the answer should be %d", want)
	}
}

func (w *walk) report() {
	w.print("\n")
	w.command("report", "http://"+w.side+"/report")
	w.print("\n")
}

const demoQuiet = 3 * time.Second

func (w *walk) ready() { w.readiness(demoQuiet, cli.ExitOK) }

// notReady asks for a minute, so that it does not depend on how long the demo takes on a busy machine.
func (w *walk) notReady() { w.readiness(time.Minute, cli.ExitFailed) }

func (w *walk) readiness(quiet time.Duration, want int) {
	_, code := w.command("readiness", "-quiet="+quiet.String(), "http://"+w.side+"/report")
	if w.err == nil && code != want {
		w.err = fmt.Errorf("readiness should exit with %d", want)
	}
}

// wait lets the time pass in which nothing may happen.
func (w *walk) wait() {
	select {
	case <-w.ctx.Done():
		w.err = errors.Join(w.err, w.ctx.Err())
	case <-time.After(demoQuiet + time.Second): // reports count in seconds
	}
}

// mode changes the configuration, and waits until the provider has it.
func (w *walk) mode(m ipwhitelist.Mode) {
	if w.err != nil {
		return
	}
	w.config.Callers[0].Mode = m
	w.print(fmt.Sprintf("\n# callers.json: billing is in mode %s, rules: %d\n", m, len(w.config.Rules)))
	w.err = w.writeConfig()
	for deadline := time.Now().Add(10 * time.Second); w.err == nil; time.Sleep(20 * time.Millisecond) {
		r, err := readReports(w.ctx, []string{"http://" + w.side + "/report"})
		if err == nil && r.Callers[0].Mode == m && len(r.Rules) == len(w.config.Rules) {
			return
		}
		if time.Now().After(deadline) {
			w.err = errors.Join(errors.New("the provider does not load its configuration"), err)
		}
	}
}
