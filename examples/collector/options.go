package main

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// options are the flags that the commands share, and those of collect.
type options struct {
	sink                       string
	cluster                    string
	format                     eventsink.Format
	mode, schema               string
	user, passwordFile, caFile string
	insecure                   bool
	deadLetters                string
	spool                      string
	spoolBytes                 int64
	spoolAfter                 time.Duration
	elastic                    struct {
		apiKeyFile              string
		gzip, requireDataStream bool
		search                  bool
		timeout                 time.Duration
		setup                   bool
	}
	kafka struct {
		tls       bool
		mechanism string
	}
	retention, replicas     int
	workers                 int
	batchBytes, bufferBytes int
	batchAge                time.Duration
	tracked, series         int
	drainTimeout            time.Duration
	memoryLimit             int64
	listen                  string
	log                     *cli.Log

	from                string
	kubeconfig, context string
	checkpoint          string
	lease, identity     string
	shardText           string
	shard               eventsink.Shard
	pods, pages         bool
	readyLag            time.Duration
	leaseDuration       time.Duration

	watched bool // by whoever runs it on a file and sees the accounts: every refusal is believed
}

// environment is what the parts of a running collector share.
type environment struct {
	out     io.Writer
	log     *slog.Logger
	metrics *metrics
}

func (o *options) addSinkFlags(flags *cli.Flags) {
	flags.StringVar(&o.sink, "sink", "-", "where documents go: - for standard output, a `file`, http(s)://host:9200,host:9200 for Elasticsearch or OpenSearch, or kafka://broker:9092,broker:9092/topic")
	flags.StringVar(&o.cluster, "cluster", "", "`name` of the cluster, in each document")
	flags.StringVar(&o.format.Index, "index", eventsink.DefaultIndex, "base `name` of indices, or the name of the data stream")
	flags.BoolVar(&o.format.Monthly, "monthly", false, "an index a month instead of one a day")
	flags.BoolVar(&o.format.DataStream, "data-stream", false, "write to the data stream -index; needs -mode history")
	flags.StringVar(&o.mode, "mode", "latest", "latest: one document for each Event; history: one for each state of it")
	flags.StringVar(&o.schema, "schema", "ecs", "field names: ecs or raw")
	flags.StringVar(&o.user, "user", "", "`name` for Elasticsearch, OpenSearch or Kafka")
	flags.StringVar(&o.passwordFile, "password-file", "", "`file` with its password")
	flags.StringVar(&o.elastic.apiKeyFile, "api-key-file", "", "`file` with an API key of Elasticsearch, instead of -user")
	flags.StringVar(&o.caFile, "ca", "", "`file` with the PEM certificates to trust; implies TLS for Kafka")
	flags.BoolVar(&o.insecure, "insecure-skip-verify", false, "trust any certificate; for trying out")
	flags.BoolVar(&o.elastic.gzip, "gzip", false, "compress requests to Elasticsearch or OpenSearch")
	flags.BoolVar(&o.elastic.requireDataStream, "require-data-stream", false, "refuse to write where -data-stream is no data stream (Elasticsearch 8.13 and later)")
	flags.BoolVar(&o.elastic.search, "data-stream-search", true, "search the data stream for what may be there from before, which it would take again after a rollover; needs the index privileges read and maintenance")
	flags.DurationVar(&o.elastic.timeout, "timeout", time.Minute, "for one request to Elasticsearch or OpenSearch")
	flags.BoolVar(&o.elastic.setup, "setup", false, "install the index template and its policy first; \"collector template\" prints them")
	flags.IntVar(&o.retention, "retention", 30, "`days` until an index is deleted, by the policy of -setup; -1 for no policy")
	flags.IntVar(&o.replicas, "replicas", 1, "replicas of an index, by the template of -setup; -1 for none")
	flags.BoolVar(&o.kafka.tls, "kafka-tls", false, "TLS to the brokers, by the system's certificates")
	flags.StringVar(&o.kafka.mechanism, "kafka-sasl", "SCRAM-SHA-512", "SASL mechanism, if there is a -user: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	flags.StringVar(&o.deadLetters, "dead-letters", "", "`file` for documents that the sink refuses for good; without it, they are dropped and counted")
	flags.IntVar(&o.workers, "workers", 2, "requests to the sink at the same time")
	flags.IntVar(&o.batchBytes, "batch-bytes", 5<<20, "`bytes` of one request")
	flags.DurationVar(&o.batchAge, "batch-age", time.Second, "how long the first document of a request waits for others")
	flags.IntVar(&o.bufferBytes, "buffer-bytes", 24<<20, "`bytes` of documents that may be in memory; beyond, nothing is read until the sink is back")
	flags.IntVar(&o.series, "series", 5000, "series of kube_event_*; what is beyond is counted under other")
	flags.DurationVar(&o.drainTimeout, "drain-timeout", 20*time.Second, "how long to deliver on, after a signal, what was read")
	flags.Int64Var(&o.memoryLimit, "memory-limit", 104<<20, "soft limit of the heap in `bytes`, unless GOMEMLIMIT says otherwise; 0 for none")
	o.log = flags.Log()
}

func (o *options) addClusterFlags(flags *cli.Flags) {
	flags.StringVar(&o.from, "from", "", "read Events from a `file` instead of a cluster, - for standard input; what is served stays until a signal")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig `file`; without it, the cluster that this runs in")
	flags.StringVar(&o.context, "context", "", "`context` of the kubeconfig file, instead of its current one")
	flags.StringVar(&o.checkpoint, "checkpoint", "none", "where to keep the position: none, file:PATH or configmap:NAMESPACE/NAME")
	flags.StringVar(&o.lease, "lease", "", "`NAMESPACE/NAME` of a Lease: only its holder reads, all others stand by")
	flags.StringVar(&o.identity, "identity", "", "`name` of this process in the Lease and the checkpoint; default is the host's name")
	flags.DurationVar(&o.leaseDuration, "lease-duration", 15*time.Second, "how long a Lease that nobody renews is respected")
	flags.StringVar(&o.shardText, "shard", "", "read only the `index/count`-th part of the Events, such as 0/4")
	flags.BoolVar(&o.pods, "pods", false, "watch Pods too, for how long they take to become ready, by workload")
	flags.BoolVar(&o.pages, "pages", false, "list in pages instead of streaming, also where the API server can stream")
	flags.IntVar(&o.tracked, "tracked", eventsink.DefaultTracked, "Events whose occurrences are remembered")
	flags.StringVar(&o.spool, "spool", "", "`directory` on disk for documents while the sink is away longer than etcd keeps Events")
	flags.Int64Var(&o.spoolBytes, "spool-bytes", 1<<30, "`bytes` of the spool; beyond, the oldest documents are dropped and counted")
	flags.DurationVar(&o.spoolAfter, "spool-after", spoolAfter, "how long the sink is tried before documents go to the spool")
	flags.DurationVar(&o.readyLag, "ready-lag", 5*time.Minute, "not ready while the oldest document waits longer for the sink")
}

// check fills what is not given, and finds what does not go together.
func (o *options) check() (err error) {
	switch o.mode {
	case "latest":
		o.format.Mode = eventsink.Latest
	case "history":
		o.format.Mode = eventsink.History
	default:
		return cli.Usagef("-mode %q: write latest or history", o.mode)
	}
	switch o.schema {
	case "ecs":
		o.format.Schema = eventsink.ECS
	case "raw":
		o.format.Schema = eventsink.Raw
	default:
		return cli.Usagef("-schema %q: write ecs or raw", o.schema)
	}
	o.format.Cluster = o.cluster
	if o.shard, err = eventsink.ParseShard(o.shardText); err != nil {
		return cli.Usage(err)
	}
	if o.identity == "" {
		if o.identity, err = os.Hostname(); err != nil {
			return cli.Usagef("-identity is not given, and the host has no name: %w", err)
		}
	}
	return o.checkCombinations()
}

func (o *options) checkCombinations() error {
	isElastic := strings.HasPrefix(o.sink, "http://") || strings.HasPrefix(o.sink, "https://")
	switch {
	case o.workers < 1:
		return cli.Usagef("-workers %d: write 1 or more", o.workers)
	case o.user != "" && o.passwordFile == "":
		return cli.Usagef("-user needs -password-file")
	case o.user == "" && o.passwordFile != "":
		return cli.Usagef("-password-file needs -user")
	case o.user != "" && o.elastic.apiKeyFile != "":
		return cli.Usagef("-user and -api-key-file exclude each other")
	case o.elastic.setup && !isElastic:
		return cli.Usagef("-setup is for Elasticsearch and OpenSearch, not for -sink %s", redacted(o.sink))
	case o.deadLetters != "" && !isElastic:
		return cli.Usagef("-dead-letters is for Elasticsearch and OpenSearch: -sink %s refuses no document", redacted(o.sink))
	case o.elastic.requireDataStream && !o.format.DataStream:
		return cli.Usagef("-require-data-stream needs -data-stream")
	case o.from != "" && o.kubeconfig != "":
		return cli.Usagef("-from reads a file and -kubeconfig a cluster: give one")
	case o.context != "" && o.kubeconfig == "":
		return cli.Usagef("-context is one of a -kubeconfig, which is missing")
	case o.from != "" && (o.lease != "" || o.checkpoint != "none" || o.pods):
		return cli.Usagef("-lease, -checkpoint and -pods are for clusters, not for -from")
	case o.lease != "" && strings.Count(o.lease, "/") != 1:
		return cli.Usagef("-lease %q: write NAMESPACE/NAME", o.lease)
	case o.drainTimeout < 0 || o.batchAge < 0:
		return cli.Usagef("-drain-timeout and -batch-age can't be negative")
	}
	return nil
}

// flow is the configuration of the pipeline. Its renderer and its aggregator are made here, so that what is wrong with
// them is a mistake of the flags.
func (o *options) flow(start time.Time) (eventsink.FlowOptions, error) {
	renderer, err := eventsink.NewRenderer(o.format)
	if err != nil {
		return eventsink.FlowOptions{}, cli.Usage(err)
	}
	aggregator, err := eventsink.NewAggregator(eventsink.Limits{Series: o.series})
	if err != nil {
		return eventsink.FlowOptions{}, cli.Usage(err)
	}
	return eventsink.FlowOptions{
		Renderer: renderer, Aggregator: aggregator, Tracked: o.tracked,
		BatchBytes: o.batchBytes, BatchAge: o.batchAge, BufferBytes: o.bufferBytes,
		Start: start, Holder: o.identity, Shard: o.shard.String(),
	}, nil
}

func (o *options) restConfig() (*rest.Config, error) {
	if o.kubeconfig == "" {
		c, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, cli.Usagef("this does not run in a cluster: give -kubeconfig FILE, or -from FILE to try it without one")
		}
		return c, err
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: o.context},
	).ClientConfig()
}

// template is what -setup installs and "collector template" prints.
func (o *options) template(s elastic.Server) elastic.TemplateOptions {
	return elastic.TemplateOptions{Server: s, Format: o.format, RetentionDays: o.retention, Replicas: o.replicas}
}
