package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/kubewright/kubewright/cgroupview/node"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const serveHelp = `
Usage: nodeagent serve [flags]

Serves metrics of all containers on this machine, and of the two things that kill nodes slowly: reads of memory.stat
that take seconds, and shells that were left in containers. Paths: /metrics, /healthz, /readyz.
`

func serve(ctx context.Context, args []string, s streams) error {
	flags := newFlags("serve", s, serveHelp)
	root := rootFlag(flags)
	listen := flags.String("listen", "127.0.0.1:9105", "`address` to serve on")
	every := flags.Duration("every", 15*time.Second, "how often to read all containers")
	most := flags.Int("max-containers", 500, "how many containers get metrics of their own")
	rules, logs := rulesFlags(flags), flags.Log()
	if err := flags.ParseOnly(args); err != nil {
		return err
	}
	if *every <= 0 || *most < 0 {
		return cli.Usagef("-every %s -max-containers %d: want more than 0", *every, *most)
	}
	which, err := rules()
	if err != nil {
		return err
	}
	m, err := newMachine(*root)
	if err != nil {
		return err
	}
	log := logs.New(s.Err)
	metrics := newMetrics()
	sampler := &sampler{m, node.NewScanner(which), *most}
	return together(ctx,
		func(ctx context.Context) error { return sampling(ctx, sampler, metrics, *every, log) },
		func(ctx context.Context) error { latency{m, metrics.memoryStat}.run(ctx, *every); return nil },
		func(ctx context.Context) error { return serveHTTP(ctx, *listen, metricsMux(metrics, *every), log) },
	)
}

// together runs functions until all have returned; the first one that fails ends the others.
func together(ctx context.Context, functions ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(functions))
	var wg sync.WaitGroup
	for i, f := range functions {
		wg.Go(func() {
			if errs[i] = f(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func sampling(ctx context.Context, s *sampler, m *metrics, every time.Duration, log *slog.Logger) error {
	for {
		snap, err := s.snapshot(time.Now(), time.Since)
		if err != nil {
			m.failures.Inc()
			log.Error("nothing could be read", "error", err)
		} else {
			m.last.Store(snap)
			tell(log, snap.errors)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// tell logs what could not be read: all of it for those who want details, and for the others one line, unless it has
// only ended meanwhile.
func tell(log *slog.Logger, errs []error) {
	lasting := 0
	var first error
	for _, err := range errs {
		log.Debug("could not be read", "error", err)
		if !errors.Is(err, fs.ErrNotExist) {
			if lasting++; first == nil {
				first = err
			}
		}
	}
	if lasting > 0 {
		log.Warn("some could not be read", "errors", lasting, "first", first)
	}
}

// metricsMux is ready while snapshots are fresh.
func metricsMux(m *metrics, every time.Duration) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		s := m.last.Load()
		if s == nil || time.Since(s.at) > 3*every+time.Minute {
			answer(w, http.StatusServiceUnavailable, "no snapshot, or an old one")
			return
		}
		answer(w, http.StatusOK, "ok")
	})
	return mux
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text) // a client that is gone does not want to know
}

// serveHTTP serves until ctx ends, and then lets requests finish.
func serveHTTP(ctx context.Context, address string, h http.Handler, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	log.Info("serving", "address", "http://"+listener.Addr().String())
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace) // Serve returns its own error
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
