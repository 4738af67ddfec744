package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// brokers are of Kafka's protocol, in process, with a topic of four partitions. The flag names where they are.
func brokers(t *testing.T, opts ...kfake.Opt) (cluster *kfake.Cluster, flag string) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(2), kfake.SeedTopics(4, "events")}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return cluster, "-sink=kafka://" + strings.Join(cluster.ListenAddrs(), ",") + "/events"
}

// certificate is one for 127.0.0.1, and its file of PEM.
func certificate(t *testing.T) (config *tls.Config, file string) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &tls.Config{Certificates: s.TLS.Certificates}, put(t, "ca.pem", string(text))
}

// consume reads n records of the topic.
func consume(t *testing.T, cluster *kfake.Cluster, n int, opts ...kgo.Opt) (records []*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("events"))...)
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		records = append(records, fetches.Records()...)
	}
	return records
}

// TestKafkaTakesEveryDocument: the key is the UID, and the states of an Event come in their order.
func TestKafkaTakesEveryDocument(t *testing.T) {
	cluster, sink := brokers(t)
	code, _, errs := runIt(t, "", "replay", sink, "-schema=raw", sample)
	require.Equal(t, cli.ExitOK, code, errs)
	require.Contains(t, errs, "31 Events: 31 delivered")
	last := map[string]int{}
	for _, r := range consume(t, cluster, 31) {
		var d struct {
			UID         string
			Occurrences int
		}
		require.NoError(t, json.Unmarshal(r.Value, &d))
		require.Equal(t, d.UID, string(r.Key))
		require.Greater(t, d.Occurrences, last[d.UID])
		last[d.UID] = d.Occurrences
	}
	require.Len(t, last, 30)
}

// TestKafkaSecurity: every mechanism, over TLS whose certificate is verified.
func TestKafkaSecurity(t *testing.T) {
	config, ca := certificate(t)
	password := put(t, "password", "hush\n")
	for mechanism, m := range map[string]sasl.Mechanism{
		"PLAIN":         plain.Auth{User: "collector", Pass: "hush"}.AsMechanism(),
		"SCRAM-SHA-256": scram.Auth{User: "collector", Pass: "hush"}.AsSha256Mechanism(),
		"SCRAM-SHA-512": scram.Auth{User: "collector", Pass: "hush"}.AsSha512Mechanism(),
	} {
		t.Run(mechanism, func(t *testing.T) {
			cluster, sink := brokers(t, kfake.TLS(config), kfake.EnableSASL(), kfake.Superuser(mechanism, "collector", "hush"))
			flags := []string{"replay", sink, "-user=collector", "-password-file=" + password, "-kafka-sasl=" + mechanism, "-ca=" + ca}
			code, _, errs := runIt(t, "", append(flags, sample)...)
			require.Equal(t, cli.ExitOK, code, errs)
			require.Contains(t, errs, "31 delivered")
			require.NotContains(t, errs, "hush")
			code, _, errs = runIt(t, "", append(slices.Replace(slices.Clone(flags), 5, 6, "-insecure-skip-verify"), sample)...)
			require.Equal(t, cli.ExitOK, code, errs)
			require.Len(t, consume(t, cluster, 62, kgo.SASL(m), kgo.DialTLSConfig(&tls.Config{InsecureSkipVerify: true})), 62)
		})
	}
	code, _, errs := runIt(t, "", "replay", "-sink=kafka://h/t", "-user=u", "-password-file="+password, "-kafka-sasl=GSSAPI", sample)
	require.Equal(t, cli.ExitUsage, code)
	require.Contains(t, errs, `-kafka-sasl "GSSAPI": write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512`)
}

// TestKafkaRefuses: a wrong password, and a certificate that nobody has signed, are told before anything is read.
func TestKafkaRefuses(t *testing.T) {
	config, _ := certificate(t)
	for name, c := range map[string]struct {
		opts  []kfake.Opt
		flags []string
		want  string
	}{
		"password":    {[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "collector", "right")}, []string{"-user=collector", "-password-file=" + put(t, "p", "Tr0ub4dor"), "-kafka-sasl=PLAIN"}, "Kafka is not there"},
		"certificate": {[]kfake.Opt{kfake.TLS(config)}, []string{"-kafka-tls"}, "certificate"},
		"no TLS":      {[]kfake.Opt{kfake.TLS(config)}, nil, "Kafka is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, sink := brokers(t, c.opts...)
			out, errs, stop := started(t, nil, append([]string{"-from=" + sample, "-listen=", sink}, c.flags...)...)
			eventually(t, func() bool { return strings.Contains(errs.String(), "Kafka is not there") }, "told")
			require.NotEqual(t, cli.ExitOK, stop())
			require.Contains(t, errs.String(), c.want)
			require.NotContains(t, errs.String(), "Tr0ub4dor")
			require.Empty(t, out.String())
		})
	}
}
