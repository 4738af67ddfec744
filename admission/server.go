package admission

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// Server serves a webhook over HTTPS. Fill in the fields and call [Server.Start]; they must not change after that.
//
// It speaks HTTP/1.1, as API servers do to webhooks. Besides Handler it answers GET /healthz, which says that the
// process serves, and GET /readyz, which says that the next request should be sent here: the certificate is valid and
// the server is not draining.
type Server struct {
	// Addr to listen on, such as ":8443". Listener takes precedence if it is set.
	Addr     string
	Listener net.Listener
	// Handler answers everything else, usually [Handler.Routes].
	Handler http.Handler
	// Certificate is the serving pair. [Server.Start] reloads it every ReloadInterval, 10 s if zero.
	Certificate    *Certificate
	ReloadInterval time.Duration
	// ClientCAs makes Handler's paths answer 403 to clients without a certificate of one of these authorities and, if
	// ClientNames is not empty, with one of these common names. Health checks stay open: kubelets have no certificate.
	ClientCAs   *x509.CertPool
	ClientNames []string
	// DrainDelay is how long the server goes on serving, not ready, after its context ended, so that load balancers
	// stop sending before it stops listening. 10 s if zero; negative for none.
	DrainDelay time.Duration
	// ShutdownTimeout bounds the wait for requests in flight after that. 30 s if zero, as no webhook may take longer.
	ShutdownTimeout time.Duration
	// Logger gets what net/http has to say, such as failed handshakes. The default logger if nil.
	Logger *slog.Logger

	draining atomic.Bool
	addr     atomic.Pointer[net.Addr]
}

// NeedLeaderElection is false: every replica serves. With Start it makes a Server a Runnable of controller-runtime's
// manager.
func (s *Server) NeedLeaderElection() bool { return false }

// Start serves until the context ends, then drains: it turns not ready and asks clients to close their connections,
// serves on for DrainDelay, stops listening, and waits for requests in flight. It returns nil after that, or what kept
// it from serving or from finishing in time.
func (s *Server) Start(ctx context.Context) error {
	if s.Certificate == nil || s.Handler == nil {
		return errors.New("admission server: Certificate and Handler must be set")
	}
	ln := s.Listener
	if ln == nil {
		var err error
		if ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr); err != nil {
			return fmt.Errorf("admission server: %w", err)
		}
	}
	addr := ln.Addr()
	s.addr.Store(&addr)
	hs := s.httpServer()
	serving := make(chan error, 1)
	go func() { serving <- hs.ServeTLS(ln, "", "") }()
	if err := s.reloadUntil(ctx, serving); err != nil {
		return fmt.Errorf("admission server: %w", err)
	}
	return s.drain(ctx, hs, serving)
}

// Address is where the server listens, or nil before it does.
func (s *Server) Address() net.Addr {
	if a := s.addr.Load(); a != nil {
		return *a
	}
	return nil
}

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

func (s *Server) httpServer() *http.Server {
	tlsConfig := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: s.Certificate.GetCertificate,
		NextProtos:     []string{"http/1.1"},
	}
	if s.ClientCAs != nil {
		tlsConfig.ClientAuth, tlsConfig.ClientCAs = tls.VerifyClientCertIfGiven, s.ClientCAs
	}
	return &http.Server{
		Handler:           s.routes(),
		TLSConfig:         tlsConfig,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       maxTimeout + 5*time.Second,
		WriteTimeout:      2*maxTimeout + 5*time.Second,
		IdleTimeout:       2 * time.Minute, // longer than API servers keep idle connections, 90 s, so that they close first
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger().Handler(), slog.LevelWarn),
	}
}

// routes adds health checks and what drain and ClientCAs need to the handler.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.Handle("/", s.checkClient(s.Handler))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close") // the next request finds another replica
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) checkClient(next http.Handler) http.Handler {
	if s.ClientCAs == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "a client certificate is required", http.StatusForbidden)
			return
		}
		if name := r.TLS.VerifiedChains[0][0].Subject.CommonName; len(s.ClientNames) > 0 && !slices.Contains(s.ClientNames, name) {
			http.Error(w, fmt.Sprintf("client %q may not call this webhook", name), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Ready says why the next request should go to another replica, or nil.
func (s *Server) Ready() error {
	if s.draining.Load() {
		return errors.New("shutting down")
	}
	if s.addr.Load() == nil {
		return errors.New("not listening yet")
	}
	return s.Certificate.Check(time.Now()) //nolint:forbidigo // a server lives in real time
}

// reloadUntil keeps the certificate fresh until the context ends, which is nil, or serving fails.
func (s *Server) reloadUntil(ctx context.Context, serving <-chan error) error {
	tick := time.NewTicker(orDefault(s.ReloadInterval, 10*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-serving:
			return err
		case <-tick.C:
			if changed, err := s.Certificate.Reload(); err != nil {
				s.logger().ErrorContext(ctx, "serving certificate not reloaded, the last good one stays", "error", err)
			} else if changed {
				s.logger().InfoContext(ctx, "serving certificate reloaded", "notAfter", s.Certificate.NotAfter())
			}
		}
	}
}

func (s *Server) drain(ctx context.Context, hs *http.Server, serving <-chan error) error {
	s.draining.Store(true)
	if delay := orDefault(s.DrainDelay, 10*time.Second); delay > 0 {
		select {
		case <-time.After(delay):
		case err := <-serving:
			return fmt.Errorf("admission server: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), orDefault(s.ShutdownTimeout, 30*time.Second))
	defer cancel()
	if err := hs.Shutdown(ctx); err != nil {
		_ = hs.Close()
		return fmt.Errorf("admission server: requests were still in flight after the shutdown timeout: %w", err)
	}
	return nil
}
