package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/kubewright/kubewright/eventsink"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// kafkaSink produces one record a document, with the UID of the Event as its key, so that a topic keeps the order of
// each Event and a compacted topic its latest state. It is for those who outgrow one writer: consumers render nothing
// anew, since the value is the document.
type kafkaSink struct {
	client  *kgo.Client
	topic   string
	metrics *metrics
	log     *slog.Logger
}

// newKafkaSink reads kafka://broker:9092,broker:9092/topic.
func newKafkaSink(o *options, u *url.URL, e *environment) (sink, error) {
	topic := strings.Trim(u.Path, "/")
	if topic == "" || strings.Contains(topic, "/") {
		return nil, cli.Usagef("-sink %s: write the topic behind the brokers, such as kafka://broker:9092/k8s-events", u.Redacted())
	}
	if u.User != nil {
		return nil, cli.Usagef("-sink %s: has credentials in it, which would be logged; give -user and -password-file", u.Redacted())
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(u.Host, ",")...),
		kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), // an idempotent producer: a repeat within the client is no duplicate
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		kgo.ClientID("kubewright-collector"),
		kgo.WithLogger(kafkaLog{e.log}),
		// What is buffered is bounded by the pipeline; here it must only be no smaller.
		kgo.MaxBufferedRecords(1 << 20),
		kgo.ProducerLinger(0),
	}
	o.workers = 1 // two would overtake each other, and with them the states of an Event
	security, err := kafkaSecurity(o)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts, security...)...)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("-sink %s: %w", u.Redacted(), err))
	}
	return &kafkaSink{client: client, topic: topic, metrics: e.metrics, log: e.log}, nil
}

func kafkaSecurity(o *options) (opts []kgo.Opt, err error) {
	config, err := o.tlsConfig()
	switch {
	case err != nil:
		return nil, err
	case config != nil:
		opts = append(opts, kgo.DialTLSConfig(config))
	case o.kafka.tls:
		opts = append(opts, kgo.DialTLS())
	}
	if o.user == "" {
		return opts, nil
	}
	password, err := secret("-password-file", o.passwordFile)
	if err != nil {
		return nil, err
	}
	switch o.kafka.mechanism {
	case "PLAIN":
		return append(opts, kgo.SASL(plain.Auth{User: o.user, Pass: password}.AsMechanism())), nil
	case "SCRAM-SHA-256":
		return append(opts, kgo.SASL(scram.Auth{User: o.user, Pass: password}.AsSha256Mechanism())), nil
	case "SCRAM-SHA-512":
		return append(opts, kgo.SASL(scram.Auth{User: o.user, Pass: password}.AsSha512Mechanism())), nil
	}
	return nil, cli.Usagef("-kafka-sasl %q: write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", o.kafka.mechanism)
}

// kafkaLog has the client's warnings in the log: it repeats by itself what failed for the network or the brokers.
type kafkaLog struct{ *slog.Logger }

func (kafkaLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (l kafkaLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelWarn
	if level == kgo.LogLevelError {
		to = slog.LevelError
	}
	l.Logger.Log(context.Background(), to, "Kafka: "+msg, keyvals...)
}

func (s *kafkaSink) name() string { return "kafka" }

// prepare asks a broker until it answers: a wrong password or certificate is told here, whereas a producer goes on trying
// in silence.
func (s *kafkaSink) prepare(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		within, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := s.client.Ping(within)
		cancel()
		if err == nil {
			return nil
		}
		s.log.Warn("Kafka is not there, or refuses; nothing is read until it is", "error", err)
		if !pause(ctx, attempt) {
			return err
		}
	}
}

func (s *kafkaSink) close() error {
	s.client.Close()
	return nil
}

// deliver produces the batch and settles each document when its broker has acknowledged it. What fails is produced
// again, for ever, unless it can never succeed.
func (s *kafkaSink) deliver(ctx context.Context, b *eventsink.Batch, settle func(...settlement)) error {
	for attempt := 0; ; attempt++ {
		started := time.Now()
		failed, err := s.produce(ctx, b, settle)
		s.metrics.observeBulk(s.name(), kafkaCode(err), b, time.Since(started))
		if len(failed) == 0 {
			return nil
		}
		s.log.Warn("Kafka does not take documents; they are sent again", "documents", len(failed), "error", err)
		s.metrics.retries.WithLabelValues(s.name()).Inc()
		if !pause(ctx, attempt) {
			return ctx.Err()
		}
		b = b.Keep(failed)
	}
}

func kafkaCode(err error) string {
	if err == nil {
		return "ok"
	}
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return e.Message
	}
	return "none"
}

// produce returns the documents that are to be sent again, and one of the reasons.
func (s *kafkaSink) produce(ctx context.Context, b *eventsink.Batch, settle func(...settlement)) (failed []int, err error) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	var done []settlement
	wait.Add(b.Len())
	for i := range b.Len() {
		record := &kgo.Record{Value: b.Source(i)}
		if uid := b.UID(i); uid != "" {
			record.Key = []byte(uid)
		}
		s.client.Produce(ctx, record, func(_ *kgo.Record, produceErr error) {
			defer wait.Done()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case produceErr == nil:
				done = append(done, settlement{token: b.Token(i), outcome: eventsink.Delivered})
			case errors.Is(produceErr, kerr.MessageTooLarge):
				done = append(done, settlement{token: b.Token(i), outcome: eventsink.Dropped, cause: "too_large"})
			default:
				failed, err = append(failed, i), produceErr
			}
		})
	}
	wait.Wait()
	settle(done...)
	slices.Sort(failed) // the order of each Event
	return failed, err
}
