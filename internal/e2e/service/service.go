// Package service stands in for a Kubernetes Service with kube-proxy: a TCP load balancer on
// loopback whose backends come and go as Pods do in a rolling restart.
//
// What it models is what makes rolling restarts lose requests. The kubelet probes readiness now and
// then; the result travels through the API server to every node; until it is there, new connections
// still go to a Pod that is no longer ready. And a connection that exists stays where it is, ready
// or not, until one side closes it.
//
// What it leaves out: several nodes that disagree, session affinity, and the fallback to
// terminating Pods if no other is ready.
package service

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options tunes a [Service]. The zero value is a quick cluster.
type Options struct {
	// Lag is the time from a change of readiness, or the removal of a backend, to new connections
	// following it. Default 1 s, which is usual; a busy cluster takes 10.
	Lag time.Duration
	// Interval is the time between two readiness probes of a backend. Default 100 ms.
	Interval time.Duration
	// FailureThreshold is how many probes in a row must fail until a backend is not ready. Default 1; 3 is that of kubelets.
	FailureThreshold int
	// Path is what a probe asks for over HTTPS. Default /readyz.
	Path string
}

// Service is a running load balancer. It is safe for concurrent use.
type Service struct {
	options  Options
	listener net.Listener
	prober   *http.Client
	running  sync.WaitGroup

	mu     sync.Mutex
	table  table
	counts Counts
	probes map[string]context.CancelFunc
	conns  map[net.Conn]bool
	closed bool
}

// Start listens on a free port of loopback.
func Start(o Options) (*Service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	s := &Service{
		options:  o,
		listener: listener,
		prober:   newProber(),
		table:    table{lag: o.Lag},
		counts:   Counts{Forwarded: map[string]int{}},
		probes:   map[string]context.CancelFunc{},
		conns:    map[net.Conn]bool{},
	}
	s.running.Go(s.accept)
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Lag == 0 {
		o.Lag = time.Second
	}
	if o.Interval == 0 {
		o.Interval = 100 * time.Millisecond
	}
	if o.FailureThreshold == 0 {
		o.FailureThreshold = 1
	}
	if o.Path == "" {
		o.Path = "/readyz"
	}
	return o
}

// Addr is the host:port that clients connect to. It stays the same until Close.
func (s *Service) Addr() string { return s.listener.Addr().String() }

// Add makes host:port a backend. It gets connections once it was seen ready, plus the lag.
func (s *Service) Add(backend string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.probes[backend]; ok || s.closed {
		return
	}
	ctx, cancel := context.WithCancel(context.Background()) // ends with Remove or Close
	s.probes[backend] = cancel
	s.running.Go(func() { s.probe(ctx, backend) })
}

// Remove tells that the backend's Pod was deleted, which a cluster does at the moment it sends the
// Pod SIGTERM. New connections still go there for the time of the lag; existing ones stay.
func (s *Service) Remove(backend string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop, ok := s.probes[backend]; ok {
		stop()
		delete(s.probes, backend)
		s.table.observe(time.Now(), backend, false)
	}
}

// Ready lists the backends that a connection made now may go to, sorted.
func (s *Service) Ready() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.ready(time.Now())
}

// Counts is what became of the connections so far.
type Counts struct {
	Forwarded map[string]int // by backend
	Refused   int            // no backend was ready, or the one picked did not answer
}

// Counts returns a copy of the counts.
func (s *Service) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{Forwarded: maps.Clone(s.counts.Forwarded), Refused: s.counts.Refused}
}

// Close stops listening and probing, cuts all connections and waits until nothing of it runs.
func (s *Service) Close() error {
	err := s.listener.Close()
	s.cut()
	s.running.Wait()
	return err
}

func (s *Service) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, stop := range s.probes {
		stop()
	}
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// newProber makes the client of the kubelet's HTTPS probes, which take any certificate and open a
// new connection each time.
func newProber() *http.Client {
	return &http.Client{
		Timeout: time.Second,
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // as the kubelet
			DisableKeepAlives: true,
		},
	}
}

// probe watches one backend's readiness until ctx ends.
func (s *Service) probe(ctx context.Context, backend string) {
	tick := time.NewTicker(s.options.Interval)
	defer tick.Stop()
	seen := streak{threshold: s.options.FailureThreshold}
	for {
		if ready := s.isReady(ctx, backend); seen.counts(ready) {
			s.observe(ctx, backend, ready)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// streak counts the failures in a row.
type streak struct{ failures, threshold int }

// counts reports whether the outcome of a probe makes a difference, ready or not.
func (s *streak) counts(ready bool) bool {
	if s.failures++; ready {
		s.failures = 0
	}
	return ready || s.failures >= s.threshold
}

// observe notes the outcome of a probe, unless Remove has had the last word meanwhile.
func (s *Service) observe(ctx context.Context, backend string, ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() == nil {
		s.table.observe(time.Now(), backend, ready)
	}
}

func (s *Service) isReady(ctx context.Context, backend string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+backend+s.options.Path, nil)
	if err != nil {
		return false
	}
	response, err := s.prober.Do(request)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close()) == nil && response.StatusCode < 400
}
