package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// elasticSink sends batches to Elasticsearch or OpenSearch, each until every document of it has an answer.
type elasticSink struct {
	setup   func(elastic.Server) elastic.TemplateOptions // nil: somebody else has prepared the server
	client  *elastic.Client
	o       elastic.DeliveryOptions
	search  bool      // a data stream: it takes what is there already
	began   time.Time // reading
	letters *deadLetters
	metrics *metrics
	log     *slog.Logger
}

func newElasticSink(o *options, u *url.URL, e *environment) (sink, error) {
	eo := elastic.Options{Gzip: o.elastic.gzip, RequireDataStream: o.elastic.requireDataStream}
	if u.User != nil {
		return nil, cli.Usagef("-sink %s: has credentials in it, which would be logged; give -user and -password-file, or -api-key-file", u.Redacted())
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		eo.URLs = append(eo.URLs, u.Scheme+"://"+host+strings.TrimSuffix(u.Path, "/"))
	}
	var err error
	if eo.Username = o.user; o.passwordFile != "" {
		if eo.Password, err = secret("-password-file", o.passwordFile); err != nil {
			return nil, err
		}
	}
	if o.elastic.apiKeyFile != "" {
		if eo.APIKey, err = secret("-api-key-file", o.elastic.apiKeyFile); err != nil {
			return nil, err
		}
	}
	config, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	transport.MaxIdleConnsPerHost = o.workers
	eo.HTTP = &http.Client{Transport: transport, Timeout: o.elastic.timeout}
	client, err := elastic.NewClient(eo)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("-sink %s: %w", u.Redacted(), err))
	}
	letters, err := openDeadLetters(o.deadLetters)
	if err != nil {
		return nil, err
	}
	es := &elasticSink{client: client, letters: letters, metrics: e.metrics, log: e.log}
	es.search = o.format.DataStream && o.elastic.search
	es.o = elastic.DeliveryOptions{Jitter: rand.Float64, Health: &elastic.Health{}}
	if o.watched || o.from != "" {
		es.o.MaxRefused = -1
	}
	if o.elastic.setup {
		es.setup = o.template
	}
	return es, nil
}

// prepare installs the template before the first document could make an index without it. It tries until the server is
// there.
func (s *elasticSink) prepare(ctx context.Context) error {
	s.began = time.Now()
	if s.setup == nil {
		return nil
	}
	for attempt := 0; ; attempt++ {
		err := s.install(ctx)
		if err == nil {
			return nil
		}
		s.log.Warn("the index template is not installed; nothing is read until it is", "error", err)
		if !pause(ctx, attempt) {
			return err
		}
	}
}

func (s *elasticSink) install(ctx context.Context) error {
	server, err := s.client.Server(ctx)
	if err != nil {
		return err
	}
	setups, err := elastic.Setups(s.setup(server))
	if err != nil {
		return err
	}
	return s.client.Install(ctx, setups)
}

// secret reads a file that holds one secret, and perhaps a newline.
func secret(flag, path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", cli.Usage(fmt.Errorf("%s: %w", flag, err))
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// tlsConfig is nil where the defaults are wanted.
func (o *options) tlsConfig() (*tls.Config, error) {
	if o.caFile == "" && !o.insecure {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.insecure}
	if o.caFile != "" {
		pem, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("-ca: %w", err))
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, cli.Usagef("-ca %s: has no PEM certificate", o.caFile)
		}
	}
	return c, nil
}

func (s *elasticSink) name() string { return "elastic" }

func (s *elasticSink) close() error { return s.letters.close() }

func (s *elasticSink) deliver(ctx context.Context, b *eventsink.Batch, settle func(...settlement)) error {
	d := elastic.NewDelivery(b, s.o)
	defer s.metrics.held.note(s.name(), d, nil)
	told, now := "", time.Now()
	for part, wait := d.Next(); part != nil; part, wait = d.Next() {
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
		retries := d.Retries()
		reply, done := s.send(ctx, d, s.search && (retries > 0 || s.old(part, now)))
		if err := s.settled(ctx, done, settle); err != nil {
			return err
		}
		s.metrics.retries.WithLabelValues(s.name()).Add(float64(d.Retries() - retries))
		s.metrics.held.note(s.name(), d, d.Held())
		told = s.tell(reply, d, told)
	}
	return nil
}

// recent is how late an Event may be read, and how far its emitter's clock be off, to count as new.
const recent = 5 * time.Minute

// old reports whether some document of a batch may have been sent before, by this process or another one: it occurred
// before the reading began, or long ago, or comes from a spool.
func (s *elasticSink) old(b *eventsink.Batch, now time.Time) bool {
	border := s.began.Add(recent)
	if since := now.Add(-recent); since.After(border) {
		border = since
	}
	for i := range b.Len() {
		if b.Time(i).Before(border) {
			return true
		}
	}
	return false
}

// send makes one request of what is next and, before it, a search for what of it is there already.
func (s *elasticSink) send(ctx context.Context, d *elastic.Delivery, search bool) (reply elastic.Reply, done []elastic.Settled) {
	part, _ := d.Next()
	if search {
		found, err := s.client.Find(ctx, part)
		if err != nil {
			reply = elastic.Reply{Err: err}
			return reply, d.Settle(reply)
		}
		done = d.Found(found)
		if len(found) == part.Len() {
			return elastic.Reply{Status: http.StatusOK}, done
		}
		part, _ = d.Next()
	}
	started := time.Now()
	reply = s.client.Bulk(ctx, part.Bytes())
	s.metrics.observeBulk(s.name(), replyCode(reply), part, time.Since(started))
	return reply, append(done, d.Settle(reply)...)
}

func replyCode(r elastic.Reply) string {
	if r.Status == 0 {
		return "none"
	}
	return strconv.Itoa(r.Status)
}

// settled writes down what is dead before it settles it.
func (s *elasticSink) settled(ctx context.Context, done []elastic.Settled, settle func(...settlement)) error {
	out := make([]settlement, len(done))
	var dead []elastic.Settled
	for i, d := range done {
		out[i] = settlement{token: d.Token, outcome: d.Outcome}
		if d.Outcome != eventsink.DeadLettered {
			continue
		}
		dead = append(dead, d)
		if !s.letters.kept() {
			out[i].outcome, out[i].cause = eventsink.Dropped, "rejected"
		}
	}
	if len(dead) > 0 {
		first := dead[0].Item
		s.log.Warn("documents are refused for good", "documents", len(dead), "status", first.Status, "type", first.Type, "kept", s.letters.kept())
		for attempt := 0; ; attempt++ {
			err := s.letters.write(time.Now(), dead)
			if err == nil {
				break
			}
			s.log.Error("dead letters can't be written; nothing is settled until they are", "error", err)
			if !pause(ctx, attempt) {
				return ctx.Err()
			}
		}
	}
	if len(out) > 0 {
		settle(out...)
	}
	return nil
}

// tell logs a failure once for each kind of it in a row.
func (s *elasticSink) tell(r elastic.Reply, d *elastic.Delivery, told string) string {
	text := ""
	switch held := d.Held(); {
	case held != nil:
		text = held.Error()
	case r.Err != nil:
		text = r.Err.Error()
	case r.Status != http.StatusOK:
		text = "status " + replyCode(r)
	}
	if text != "" && text != told {
		s.log.Warn("the sink does not take a batch; it is sent again", "error", text)
	}
	return text
}
