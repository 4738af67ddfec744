package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const signHelp = `
Usage: signedapi sign -key-file FILE [flags] URL

Prints a curl command for one signed request, good for a minute and for one use. With -explain it prints the signature
base instead, one hash a line, to compare with the "base" that the provider logs.
`

// headers is a flag that can be given several times.
type headers struct{ http.Header }

func (h headers) String() string { return "" }

func (h headers) Set(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return cli.Usagef("write -H 'Name: value'")
	}
	h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	return nil
}

func sign(_ context.Context, args []string, s streams) error {
	f := newFlags("sign", s, signHelp)
	keyPath := f.String("key-file", "", "`file` with the key")
	method := f.String("X", "", "the method (default GET, or POST with -d)")
	data := f.String("d", "", "the `body`, or @FILE")
	explain := f.Bool("explain", false, "print hashes of the signature base")
	extra := headers{http.Header{}}
	f.Var(extra, "H", "a `header` to send; content-type, authorization and the like are signed")
	left, err := f.ParseFiles(args)
	if err != nil {
		return err
	}
	if len(left) != 1 {
		return cli.Usagef("write one URL behind the flags")
	}
	if err := checkURL(left[0]); err != nil {
		return err
	}
	key, err := openKey(*keyPath)
	if err != nil {
		return err
	}
	body, err := readData(*data)
	if err != nil {
		return cli.Usage(err)
	}
	if bytes.IndexByte(body, 0) >= 0 {
		return cli.Usagef("the body has a zero byte, which no argument of a command can have")
	}
	r, err := http.NewRequest(methodFor(*method, body), left[0], http.NoBody)
	if err != nil {
		return cli.Usage(err)
	}
	if len(body) > 0 && extra.Get("Content-Type") == "" {
		extra.Header.Set("Content-Type", "application/json") // curl would add another, which would not be signed
	}
	r.Header = extra.Header
	text, err := signed(r, body, key.key, *explain)
	if err != nil {
		return cli.Usage(err)
	}
	return cli.Write(s.Out, text)
}

func methodFor(method string, body []byte) string {
	switch {
	case method != "":
		return method
	case len(body) > 0:
		return http.MethodPost
	}
	return http.MethodGet
}

func readData(data string) ([]byte, error) {
	if path, ok := strings.CutPrefix(data, "@"); ok {
		return os.ReadFile(path)
	}
	return []byte(data), nil
}

func signed(r *http.Request, body []byte, key *httpsig.Key, explain bool) (string, error) {
	parts, err := httpsig.FromClient(r)
	if err != nil {
		return "", err
	}
	nonce, err := httpsig.NewNonce(rand.Reader)
	if err != nil {
		return "", err
	}
	fields, err := httpsig.Sign(parts, body, key, httpsig.Params{Created: time.Now(), Nonce: nonce})
	if err != nil {
		return "", err
	}
	fields.AddTo(r.Header)
	if explain {
		return httpsig.Explain(parts)
	}
	return curl(r, body), nil
}

// curl writes a command for a POSIX shell.
func curl(r *http.Request, body []byte) string {
	var b strings.Builder
	b.WriteString("curl --globoff --path-as-is " + option(r.Method))
	for _, name := range []string{"Content-Digest", "Signature-Input", "Signature"} {
		for _, value := range r.Header[name] {
			b.WriteString(" \\\n  -H " + quote(name+": "+value))
		}
		delete(r.Header, name)
	}
	var rest strings.Builder
	_ = r.Header.Write(&rest) // in order; a strings.Builder never fails
	for line := range strings.SplitSeq(strings.TrimSpace(rest.String()), "\r\n") {
		if line != "" {
			b.WriteString(" \\\n  -H " + quote(line))
		}
	}
	if len(body) > 0 {
		b.WriteString(" \\\n  --data-raw " + quote(string(body)))
	}
	b.WriteString(" \\\n  " + quote(r.URL.String()) + "\n")
	return b.String()
}

// option is how curl is told the method. With -X HEAD it would wait for a body that never comes.
func option(method string) string {
	if method == http.MethodHead {
		return "--head"
	}
	return "-X " + quote(method)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
