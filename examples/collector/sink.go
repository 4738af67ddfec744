package main

import (
	"context"
	"net/url"
	"regexp"
	"strings"

	"github.com/kubewright/kubewright/eventsink"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// sink takes documents. It is safe for concurrent use.
type sink interface {
	// prepare makes the sink ready to take the first document.
	prepare(ctx context.Context) error
	// deliver returns when every document of the batch was settled, or the context ended. What it could not settle by
	// then stays in flight: the checkpoint has not passed it, so that the next process reads it again. An error is for
	// what no repetition mends; it ends the collector.
	deliver(ctx context.Context, b *eventsink.Batch, settle func(...settlement)) error
	// name is the value of the label sink.
	name() string
	close() error
}

// hostPort is a URL whose scheme was forgotten. It may hold a password.
var hostPort = regexp.MustCompile(`^[^/\\]+:[0-9]+$`)

// newSink makes the sink that -sink describes: "-", a file name, an http URL, or kafka://broker,broker/topic.
func newSink(o *options, e *environment) (sink, error) {
	if o.sink == "-" {
		return &fileSink{w: e.out, label: "stdout"}, nil
	}
	scheme, _, isURL := strings.Cut(o.sink, "://")
	if !isURL {
		if hostPort.MatchString(o.sink) {
			return nil, cli.Usagef("-sink: host:port is neither a URL nor likely a file; write http:// or https:// before it, or ./ if it is a file")
		}
		return openFileSink(o.sink)
	}
	u, err := url.Parse(o.sink)
	if err != nil || u.Host == "" {
		return nil, cli.Usagef("-sink %s: write a URL with a host, such as https://search.example.com:9200", redacted(o.sink))
	}
	switch scheme {
	case "http", "https":
		return newElasticSink(o, u, e)
	case "kafka":
		return newKafkaSink(o, u, e)
	}
	return nil, cli.Usagef("-sink %s: the scheme is %q; write http, https or kafka, a file name, or - for standard output", redacted(o.sink), scheme)
}

// redacted is a URL as it may be shown: a password in it is not.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

// all settles every document of a batch in the same way.
func all(b *eventsink.Batch, o eventsink.Outcome) []settlement {
	out := make([]settlement, b.Len())
	for i := range out {
		out[i] = settlement{token: b.Token(i), outcome: o}
	}
	return out
}
