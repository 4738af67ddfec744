package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const callHelp = `
Usage: signedapi call [-key-file FILE] [flags] URL

Sends requests: signed with the key in -key-file, which is read again when it changes, or unsigned without one. Prints
the answer, or with -n how many answers there were of each status, also when it is interrupted. Exit code 1 if one was not
2xx.
`

type callOptions struct {
	url, method, data, keyPath, connect, ca, apiKey string
	n, parallel                                     int
	interval                                        time.Duration
	learn, follow                                   bool
}

func call(ctx context.Context, args []string, s streams) error {
	o, err := parseCall(args, s)
	if err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	body, err := readData(o.data)
	if err != nil {
		return cli.Usage(err)
	}
	if o.n == 1 {
		return o.one(ctx, client, body, s.Out)
	}
	return o.many(ctx, client, body, s.Out)
}

func parseCall(args []string, s streams) (callOptions, error) {
	var o callOptions
	f := newFlags("call", s, callHelp)
	f.StringVar(&o.method, "X", "", "the method (default GET, or POST with -d)")
	f.StringVar(&o.data, "d", "", "the `body`, or @FILE")
	f.StringVar(&o.keyPath, "key-file", "", "`file` with the key to sign with")
	f.StringVar(&o.apiKey, "api-key-file", "", "`file` with an API key to send")
	f.StringVar(&o.connect, "connect", "", "connect to this `address`, whatever the URL's host: the proxy of phase 1")
	f.StringVar(&o.ca, "ca", "", "`file` with the certificates to trust, in PEM")
	f.IntVar(&o.n, "n", 1, "how many requests")
	f.IntVar(&o.parallel, "parallel", 1, "how many at a time")
	f.DurationVar(&o.interval, "interval", 0, "how long each sender waits between requests")
	f.BoolVar(&o.learn, "learn-offset", false, "correct the clock by the provider's, over TLS")
	f.BoolVar(&o.follow, "L", false, "follow redirects")
	left, err := f.ParseFiles(args)
	if err != nil {
		return o, err
	}
	if len(left) != 1 || o.n < 1 || o.parallel < 1 {
		return o, cli.Usagef("write one URL behind the flags, and -n and -parallel of at least 1")
	}
	o.url = left[0]
	return o, checkURL(o.url)
}

// checkURL refuses what has no host before anything else has to make sense of it.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err == nil && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		err = fmt.Errorf("%q: write a URL like http://orders.svc.example.com/v1/orders/42", text)
	}
	if err != nil {
		return cli.Usage(err)
	}
	return nil
}

func (o callOptions) client() (*http.Client, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.Proxy, base.MaxIdleConnsPerHost = nil, o.parallel
	if o.connect != "" {
		base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, o.connect)
		}
	}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, cli.Usage(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, cli.Usagef("%s: holds no certificate", o.ca)
		}
		base.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	client := &http.Client{Transport: base, Timeout: 30 * time.Second}
	if !o.follow {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	if o.keyPath == "" {
		return client, nil
	}
	key, err := openKey(o.keyPath)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(o.url)
	if err != nil {
		return nil, cli.Usage(err)
	}
	client.Transport, err = httpsig.NewTransport(httpsig.TransportOptions{
		Base: base, Key: key.active, Hosts: []string{u.Scheme + "://" + u.Host}, LearnOffset: o.learn,
	})
	if err != nil {
		return nil, cli.Usage(err)
	}
	return client, nil
}

func (o callOptions) request(ctx context.Context, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, methodFor(o.method, body), o.url, strings.NewReader(string(body)))
	if err != nil {
		return nil, cli.Usage(err)
	}
	r.Header.Set("User-Agent", "signedapi-call")
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	if o.apiKey != "" {
		text, err := os.ReadFile(o.apiKey)
		if err != nil {
			return nil, cli.Usage(err)
		}
		r.Header.Set("Authorization", "ApiKey "+strings.TrimSpace(string(text)))
	}
	return r, nil
}

func (o callOptions) one(ctx context.Context, client *http.Client, body []byte, out io.Writer) error {
	r, err := o.request(ctx, body)
	if err != nil {
		return err
	}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString(res.Status + "\n")
	for _, name := range []string{"Www-Authenticate", "Deprecation", "Sunset", "Location"} {
		if v := res.Header.Get(name); v != "" {
			text.WriteString(name + ": " + v + "\n")
		}
	}
	if err := cli.Write(out, text.String()+strings.TrimSpace(string(answer))+"\n"); err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return cli.ErrSilent
	}
	return nil
}

// many counts answers. When ctx ends, requests that are on their way get theirs.
func (o callOptions) many(ctx context.Context, client *http.Client, body []byte, out io.Writer) error {
	var mu sync.Mutex
	answers := map[string]int{}
	turns := make(chan struct{}, o.n)
	for range o.n {
		turns <- struct{}{}
	}
	close(turns)
	var senders sync.WaitGroup
	for range o.parallel {
		senders.Go(func() {
			for range turns {
				answer := o.send(context.WithoutCancel(ctx), client, body)
				mu.Lock()
				answers[answer]++
				mu.Unlock()
				select {
				case <-ctx.Done():
					return
				case <-time.After(o.interval):
				}
			}
		})
	}
	senders.Wait()
	failed := false
	for _, answer := range slices.Sorted(maps.Keys(answers)) {
		failed = failed || answer[0] != '2'
		if err := cli.Write(out, fmt.Sprintf("%d × %s\n", answers[answer], answer)); err != nil {
			return err
		}
	}
	if failed {
		return cli.ErrSilent
	}
	return nil
}

func (o callOptions) send(ctx context.Context, client *http.Client, body []byte) string {
	r, err := o.request(ctx, body)
	if err != nil {
		return err.Error()
	}
	res, err := client.Do(r)
	if err != nil {
		return cmp.Or(errors.Unwrap(err), err).Error() // without the URL
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return err.Error()
	}
	return res.Status
}
