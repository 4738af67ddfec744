package main

import (
	"time"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	listen, metricsListen string
	config, secrets       string
	redis, redisPrefix    string
	failOpen              bool
	realm, authority      string
	poll, drain           time.Duration
	reportFile            string
	log                   *cli.Log
}

const serveHelp = `
Usage: signedapi serve -config callers.json [flags]

Serves an orders API behind the guard: GET /v1/orders/ID, POST /v1/orders, GET /v1/whoami; PUT /v1/uploads/NAME, whose
body is verified while it streams; and DELETE /v1/orders/ID, which no address is good enough for. The other port has
/metrics, /report (JSON), /healthz and /readyz.

The configuration is read again when it changes; what is wrong leaves the last good one in place. On SIGTERM it drains.
`

func parseServe(args []string, s streams) (serveOptions, error) {
	var o serveOptions
	f := newFlags("serve", s, serveHelp)
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` of the API")
	f.StringVar(&o.metricsListen, "metrics-listen", "127.0.0.1:8081", "`address` of metrics, report and probes; keep it from callers")
	f.StringVar(&o.config, "config", "", "the key `file`, mode 0600")
	f.StringVar(&o.secrets, "secrets", "", "a `directory` of mounted Secrets, one directory a caller, whose callers are added")
	f.StringVar(&o.redis, "redis", "", "`address` of the Redis that remembers nonces for all replicas (default: this process's memory)")
	f.StringVar(&o.redisPrefix, "redis-prefix", "ipwhitelist:orders:", "what keys in Redis begin with: one for each API")
	f.BoolVar(&o.failOpen, "replay-fail-open", false, "admit signatures when nonces can't be remembered, instead of 503")
	f.StringVar(&o.realm, "realm", "orders", "the realm in WWW-Authenticate")
	f.StringVar(&o.authority, "authority", "", "the `host` that callers sign for, if a proxy in front changes it")
	f.DurationVar(&o.poll, "poll", 10*time.Second, "how often the configuration is read")
	f.DurationVar(&o.drain, "drain-timeout", 15*time.Second, "how long requests in flight may take on SIGTERM")
	f.StringVar(&o.reportFile, "report-file", "", "`file` of this replica to add the report to, each minute and on SIGTERM (default: the log, on SIGTERM)")
	o.log = f.Log()
	if err := f.ParseOnly(args); err != nil {
		return o, err
	}
	switch {
	case o.config == "":
		return o, cli.Usagef("-config is missing: signedapi keygen prints what goes into it")
	case o.poll <= 0 || o.drain <= 0:
		return o, cli.Usagef("-poll and -drain-timeout must be positive")
	}
	return o, nil
}
