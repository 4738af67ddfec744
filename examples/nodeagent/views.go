package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const viewsHelp = `
Usage: nodeagent views [flags]

Renders for each container the files of /proc that it should see. Those that only change with a limit, /proc/cpuinfo and
/sys/devices/system/cpu/online, are written below -dir, as DIR/<container ID>/proc/cpuinfo and so on, and for each
number of CPUs as DIR/cpus/<n>/…: plain files to bind-mount, which are rewritten in place when a limit changes, and stay
when this program ends. All files are served as http://ADDRESS/views/<container ID>/proc/meminfo and so on; examples/nodeagent/fuse
mounts them.
`

func views(ctx context.Context, args []string, s streams) error {
	flags := newFlags("views", s, viewsHelp)
	root := rootFlag(flags)
	dir := flags.String("dir", "", "`directory` to write files to; none if empty")
	listen := flags.String("listen", "127.0.0.1:9106", "`address` to serve on; empty serves nothing")
	once := flags.Bool("once", false, "write the files once and return")
	logs := flags.Log()
	if err := flags.ParseOnly(args); err != nil {
		return err
	}
	m, err := newMachine(*root)
	if err != nil {
		return err
	}
	if *once && *dir == "" {
		return cli.Usagef("-once without -dir would do nothing")
	}
	log := logs.New(s.Err)
	v := newViewer(m, *dir)
	if *once {
		return v.update(ctx)
	}
	functions := []func(context.Context) error{func(ctx context.Context) error { return v.run(ctx, log) }}
	if *listen != "" {
		functions = append(functions, func(ctx context.Context) error { return serveHTTP(ctx, *listen, v.mux(), log) })
	}
	return together(ctx, functions...)
}

// run updates all views every 5 seconds, as load averages need it.
func (v *viewer) run(ctx context.Context, log *slog.Logger) error {
	t := time.NewTicker(5 * time.Second) // as [cgroupview.Load] wants it
	defer t.Stop()
	for {
		if err := v.update(ctx); err != nil {
			log.Error("views", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (v *viewer) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !v.ready() {
			answer(w, http.StatusServiceUnavailable, "nothing was read yet")
			return
		}
		answer(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /views/{id}/{file...}", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), v.patience)
		defer cancel()
		text, err := v.render(ctx, r.PathValue("id"), r.PathValue("file"))
		switch {
		case errors.Is(err, errStuck):
			answer(w, http.StatusServiceUnavailable, err.Error())
		case errors.Is(err, errNoView):
			answer(w, http.StatusNotFound, err.Error())
		case err != nil:
			answer(w, http.StatusInternalServerError, err.Error())
		default:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, text) // a client that is gone does not want to know
		}
	})
	return mux
}
