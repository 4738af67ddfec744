package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// provider is the process around the guard.
type provider struct {
	o       serveOptions
	log     *slog.Logger
	guard   *ipwhitelist.Guard
	metrics *metrics
	replay  *redisReplay // nil without -redis
	reports *reportFile
}

func serve(ctx context.Context, args []string, s streams) error {
	o, err := parseServe(args, s)
	if err != nil {
		return err
	}
	p := &provider{o: o, log: o.log.New(s.Err), metrics: newMetrics()}
	config, err := p.load()
	if err != nil {
		return cli.Usage(err)
	}
	if p.reports, err = openReportFile(o.reportFile); err != nil {
		return cli.Usage(err)
	}
	options := ipwhitelist.Options{Realm: o.realm, Authority: o.authority, ReplayFailOpen: o.failOpen, Observer: p.observe}
	if o.redis == "" {
		memory, err := ipwhitelist.NewMemoryReplay(0, 0, options.Window.Retention())
		if err != nil {
			return err
		}
		p.metrics.watchNonces(memory)
		options.Replay = memory
	} else {
		p.replay = newRedisReplay(o.redis, o.redisPrefix)
		defer func() { _ = p.replay.close() }() // the process ends
		options.Replay = p.replay.Replay
	}
	if p.guard, err = ipwhitelist.New(config, options); err != nil {
		return cli.Usage(err)
	}
	p.metrics.watch(p.guard.Report)
	return p.run(ctx)
}

// load is called again at each poll.
func (p *provider) load() (ipwhitelist.Config, error) {
	config, err := ipwhitelist.LoadFile(p.o.config)
	if err != nil || p.o.secrets == "" {
		return config, err
	}
	callers, err := ipwhitelist.CallersFromFS(os.DirFS(p.o.secrets))
	config.Callers = append(config.Callers, callers...)
	return config, err
}

func (p *provider) run(ctx context.Context) error {
	api, err := net.Listen("tcp", p.o.listen)
	if err != nil {
		return err
	}
	side, err := net.Listen("tcp", p.o.metricsListen)
	if err != nil {
		return errors.Join(err, api.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tasks sync.WaitGroup
	errs := make(chan error, 2)
	for l, h := range map[net.Listener]http.Handler{api: p.routes(), side: p.sideRoutes()} {
		tasks.Go(func() {
			defer cancel()
			errs <- serveOn(ctx, l, h, p.o.drain)
		})
	}
	tasks.Go(func() { p.guard.Watch(ctx, p.o.poll, p.load, p.reloaded) })
	if p.reports.path != "" {
		tasks.Go(func() { p.keepReport(ctx) })
	}
	p.log.Info("serving", "address", api.Addr().String(), "metrics", side.Addr().String())
	p.logOverrides()
	tasks.Wait()
	return errors.Join(<-errs, <-errs, p.lastReport())
}

// serveOn serves until ctx ends, and then until requests in flight have ended.
func serveOn(ctx context.Context, l net.Listener, h http.Handler, drain time.Duration) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		drained <- server.Shutdown(end)
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return <-drained
}

func (p *provider) reloaded(err error) {
	p.metrics.reload(err)
	if err != nil {
		p.log.Error("the configuration is not loaded: the last good one stays", "error", err)
		return
	}
	p.log.Info("configuration loaded")
	p.logOverrides()
}

// logOverrides keeps who broke the glass, and why, where it can be found later.
func (p *provider) logOverrides() {
	r := p.guard.Report()
	for _, c := range r.Callers {
		if o := c.Override; o != nil && o.Until.After(r.Until) {
			p.log.Warn("override", "caller", c.Name, "mode", c.Mode, "override", o.Mode, "from", o.From, "until", o.Until, "reason", o.Reason)
		}
	}
}

func (p *provider) routes() http.Handler {
	mux := http.NewServeMux()
	guard := func(pattern string, o ipwhitelist.Route, h http.HandlerFunc) {
		mux.Handle(pattern, p.guard.Route(o, h))
	}
	guard("GET /v1/orders/{id}", ipwhitelist.Route{}, getOrder)
	guard("POST /v1/orders", ipwhitelist.Route{}, postOrder)
	guard("GET /v1/whoami", ipwhitelist.Route{}, whoAmI)
	guard("PUT /v1/uploads/{name}", ipwhitelist.Route{Stream: true, MaxBody: 1 << 30}, upload)
	guard("DELETE /v1/orders/{id}", ipwhitelist.Route{}, ipwhitelist.RequireCaller(http.HandlerFunc(deleteOrder)).ServeHTTP)
	guard("/", ipwhitelist.Route{}, http.NotFound) // strangers do not learn what there is
	return mux
}

func (p *provider) sideRoutes() http.Handler {
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }
	mux.HandleFunc("GET /healthz", ok)
	mux.HandleFunc("GET /readyz", ok) // Redis is not asked: without it, addresses and API keys still admit
	mux.Handle("GET /metrics", p.metrics.handler())
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, _ *http.Request) { reply(w, p.guard.Report()) })
	return mux
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // to a client that may have gone
}

func getOrder(w http.ResponseWriter, r *http.Request) {
	reply(w, map[string]string{"id": r.PathValue("id"), "state": "shipped"})
}

func postOrder(w http.ResponseWriter, r *http.Request) {
	var order map[string]any
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		http.Error(w, "the body is no order", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
	reply(w, order)
}

func whoAmI(w http.ResponseWriter, r *http.Request) {
	id, _ := ipwhitelist.FromContext(r.Context())
	reply(w, map[string]any{"via": id.Via, "caller": id.Caller, "key": id.Key, "rule": id.Rule, "client": id.Client})
}

// upload counts the body. A real one would write to a temporary file, and rename it once the last Read has returned
// io.EOF: an error before may be the digest.
func upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, "the upload is not what was signed, or broke off", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintln(w, n, "bytes")
}

func deleteOrder(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
