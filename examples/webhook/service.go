package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/kubewright/kubewright/admission"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// service is the parts of a serving webhook: what answers, what it answers with, and what tells the cluster.
type service struct {
	options   *serveOptions
	config    *Config
	log       *slog.Logger
	metrics   *metrics
	pairs     *pairSource
	made      bool // the pair was made here
	server    *admission.Server
	installer *installer // nil: somebody else applies the configurations

	metricsAddress string // where metrics are served, once they are
}

func newService(o *serveOptions, c *Config, log *slog.Logger) (*service, error) {
	s := &service{options: o, config: c, log: log, metrics: newMetrics()}
	if err := errors.Join(s.findSets(), s.findNamespaces()); err != nil {
		return nil, err
	}
	tell := reviewLog(log)
	h, err := c.handler(admission.Options{
		Logger: log,
		Observe: func(ctx context.Context, o admission.Observation) {
			s.metrics.observe(ctx, o)
			tell(ctx, o)
		},
	})
	if err != nil {
		return nil, err
	}
	m, err := h.Manifests(c.manifestOptions(o.target.manifestOptions(nil)))
	if err != nil {
		return nil, err
	}
	s.metrics.kinds = h.Kinds()
	if err := s.findPairs(); err != nil {
		return nil, err
	}
	if o.install {
		if err := s.addInstaller(m); err != nil {
			return nil, err
		}
	}
	return s, s.addServer(h)
}

// findSets connects to the cluster if the section staticIP needs it, also where somebody else applies the
// configurations.
func (s *service) findSets() error {
	if !s.config.StaticIP.Enabled {
		return nil
	}
	restConfig, err := s.options.restConfig()
	if err != nil {
		return fmt.Errorf("staticIP reads StatefulSets: give -kubeconfig, or run in the cluster: %w", err)
	}
	client, err := newDynamic(restConfig)
	s.config.StaticIP.sets = clusterSets{client}
	return err
}

func (s *service) addServer(h *admission.Handler) error {
	certificate, err := admission.NewCertificate(s.pairs.read, admission.CertificateOptions{})
	if err != nil {
		return err
	}
	s.metrics.watchCertificate(certificate.NotAfter)
	s.server = &admission.Server{
		Handler:        s.metrics.countInFlight(h.Routes()),
		Certificate:    certificate,
		ReloadInterval: reloadInterval,
		DrainDelay:     s.options.drainDelay,
		Logger:         s.log,
	}
	if s.server.DrainDelay == 0 {
		s.server.DrainDelay = -1 // for Server, zero is the default
	}
	return s.checkClients()
}

// reloadInterval is how long a pair that was renewed, or is trusted at last, waits to be served.
const reloadInterval = 2 * time.Second

func (s *service) checkClients() error {
	if s.config.ClientCA == nil {
		return nil
	}
	text, err := os.ReadFile(s.config.ClientCA.File)
	if err != nil {
		return fmt.Errorf("clientCA.file: %w", err)
	}
	s.server.ClientCAs, s.server.ClientNames = x509.NewCertPool(), s.config.ClientCA.Names
	if !s.server.ClientCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("clientCA.file %s has no PEM certificate", s.config.ClientCA.File)
	}
	return nil
}

// run serves until the context ends, then drains.
func (s *service) run(ctx context.Context, out io.Writer) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.listen)
	if err != nil {
		return fmt.Errorf("%w (-listen chooses another address)", err)
	}
	defer ln.Close() //nolint:errcheck // the server has closed it, unless it never started
	stopMetrics, err := s.serveMetrics(ctx)
	if err != nil {
		return err
	}
	defer stopMetrics()
	if s.made {
		forget, err := s.greet(out, ln.Addr())
		if err != nil {
			return err
		}
		defer forget()
	}
	s.server.Listener = ln
	return s.serve(ctx)
}

func (s *service) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var installing sync.WaitGroup
	defer installing.Wait()
	if s.installer != nil {
		s.installer.announce(ctx)
		installing.Go(func() { s.install(ctx) })
	}
	stop := context.AfterFunc(ctx, func() {
		s.log.Info("draining: not ready, but serving on; a second signal ends it at once", "delay", s.options.drainDelay)
	})
	defer stop()
	s.log.InfoContext(ctx, "serving", "address", s.server.Listener.Addr().String(), "certificateNotAfter", s.server.Certificate.NotAfter())
	if err := s.server.Start(ctx); err != nil {
		stop()
		cancel() // what keeps the server from serving keeps nobody waiting
		return err
	}
	s.log.InfoContext(ctx, "stopped, with nothing in flight")
	return nil
}

// install starts when there is something to call.
func (s *service) install(ctx context.Context) {
	for s.server.Ready() != nil {
		if !sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
	s.installer.run(ctx)
	if s.options.target.url != "" {
		s.log.Warn("the webhook configurations stay in the cluster", "remove",
			"kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration "+s.config.Name)
	}
}

// serveMetrics listens on the plain port, which stays open until the draining is over.
func (s *service) serveMetrics(ctx context.Context) (stop func(), err error) {
	if s.options.metricsListen == "" {
		return func() {}, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.metricsListen)
	if err != nil {
		return nil, fmt.Errorf("%w (-metrics-listen chooses another address, or none)", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _ = cli.Write(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.server.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_ = cli.Write(w, "ok\n")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	go func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics are not served any more", "error", err)
		}
	}()
	s.metricsAddress = ln.Addr().String()
	s.log.InfoContext(ctx, "serving metrics", "address", s.metricsAddress)
	return func() { _ = server.Close() }, nil
}
