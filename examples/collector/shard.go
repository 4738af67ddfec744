package main

import (
	"net/http"
	"strings"

	"github.com/kubewright/kubewright/eventsink"
)

// sharded asks the API server for the Events of one shard alone (KEP-5866, ListOptions.shardSelector): alpha in
// Kubernetes 1.36, behind the feature gate ShardedListAndWatch. In 1.36.3 that is for lists of Events; a watch of them,
// which goes to etcd rather than to a cache, brings all. A server without the gate does not read the parameter. So the
// reader filters by the same hash whatever was asked for. The parameter is added here because client-go knows it from
// v0.36 on alone.
type sharded struct {
	next     http.RoundTripper
	selector string
}

// shardTransport is what rest.Config.Wrap takes, nil where all Events are read.
func shardTransport(s eventsink.Shard) func(http.RoundTripper) http.RoundTripper {
	if s.Selector() == "" {
		return nil
	}
	return func(next http.RoundTripper) http.RoundTripper { return &sharded{next, s.Selector()} }
}

// RoundTrip adds the selector to lists and watches of Events, and to nothing else.
func (s *sharded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/api/v1/events") {
		return s.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	query := r.URL.Query()
	query.Set("shardSelector", s.selector)
	r.URL.RawQuery = query.Encode()
	return s.next.RoundTrip(r)
}
