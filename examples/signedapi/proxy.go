package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const proxyHelp = `
Usage: signedapi proxy -upstream ADDRESS [flags]

A reverse proxy that connects from a fixed address, as nginx.conf beside this program does: what phase 1 whitelists. It
passes the request target and the Host on as they came, so that signatures pass through it.
`

func proxy(ctx context.Context, args []string, s streams) error {
	f := newFlags("proxy", s, proxyHelp)
	listen := f.String("listen", "127.0.0.1:8090", "`address` for callers")
	upstream := f.String("upstream", "127.0.0.1:8080", "`address` of the provider")
	source := f.String("source", "", "local `IP` to connect from")
	if err := f.ParseOnly(args); err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.DisableCompression = nil, true
	if *source != "" {
		ip := net.ParseIP(*source)
		if ip == nil {
			return cli.Usagef("-source %q is no IP", *source)
		}
		transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}, Timeout: 5 * time.Second}).DialContext
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(s.Err, nil))
	log.Info("serving", "address", l.Addr().String())
	return serveOn(ctx, l, &httputil.ReverseProxy{Transport: transport, Rewrite: rewrite(*upstream), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}, 5*time.Second)
}

// rewrite keeps the target byte for byte: a decoded and encoded path is another one, and its signature fails. It adds no
// X-Forwarded-For, since the provider must not believe this proxy.
func rewrite(upstream string) func(*httputil.ProxyRequest) {
	return func(p *httputil.ProxyRequest) {
		path, query, _ := strings.Cut(p.In.RequestURI, "?")
		p.Out.URL = &url.URL{Scheme: "http", Host: upstream, Opaque: path, RawQuery: query}
		if strings.HasPrefix(path, "//") { // in Opaque, this would be another host
			p.Out.URL.Opaque, p.Out.URL.Path, p.Out.URL.RawPath = "", p.In.URL.Path, path
		}
		p.Out.Host = p.In.Host
	}
}
