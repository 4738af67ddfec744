package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// TestMistakesAreNamed: what is wrong with the flags is exit code 2, and the message says what to write.
func TestMistakesAreNamed(t *testing.T) {
	for args, want := range map[string]string{
		"frobnicate":                              `no command is named "frobnicate"`,
		"-nosuch":                                 "-nosuch",
		"stray":                                   `no command is named "stray"`,
		"replay":                                  "no file is given",
		"replay nosuch.ndjson":                    "nosuch.ndjson",
		"replay -mode=x f":                        `-mode "x": write latest or history`,
		"replay -schema=x f":                      `-schema "x": write ecs or raw`,
		"replay -workers=0 f":                     "-workers 0",
		"replay -sink=ftp://h/ f":                 "write http, https or kafka",
		"replay -sink=http:// f":                  "write a URL with a host",
		"replay -sink=http://u:hush@h f":          "has credentials in it",
		"replay -sink=kafka://h f":                "write the topic behind the brokers",
		"replay -sink=kafka://u:hush@h/t f":       "has credentials in it",
		"replay -sink=/nosuch/dir/f f":            "-sink: open /nosuch/dir/f",
		"replay -user=u f":                        "-user needs -password-file",
		"replay -password-file=p f":               "-password-file needs -user",
		"replay -setup f":                         "-setup is for Elasticsearch and OpenSearch",
		"replay -dead-letters=d f":                "-dead-letters is for Elasticsearch and OpenSearch",
		"replay -require-data-stream f":           "-require-data-stream needs -data-stream",
		"replay -data-stream f":                   "DataStream needs Mode History",
		"replay -index=Upper f":                   "has upper-case letters",
		"replay -series=3 f":                      "Series is 3",
		"replay -batch-bytes=-1 f":                "BatchBytes is -1",
		"replay -log-format=x f":                  "write text or json",
		"replay -sink=https://h -ca=/nosuch f":    "-ca: open /nosuch",
		"replay -sink=https://h -ca=main.go f":    "has no PEM certificate",
		"replay -sink=http://h -api-key-file=x f": "-api-key-file: open x",
		"-shard=4/4":                              "write index/count",
		"-from=f -kubeconfig=k":                   "give one",
		"-from=f -pods":                           "for clusters, not for -from",
		"-context=c":                              "-context is one of a -kubeconfig",
		"-lease=x":                                "write NAMESPACE/NAME",
		"-drain-timeout=-1s":                      "can't be negative",
		"-kubeconfig=testdata/kubeconfig -checkpoint=somewhere": "write none, file:PATH or configmap:NAMESPACE/NAME",
		"-from=nosuch -listen=":                                 "nosuch",
		"template -server=solr":                                 "write elasticsearch/8.19.0",
		"template -server=solr/9":                               "solr",
	} {
		code, _, errs := runIt(t, "", strings.Fields(args)...)
		require.Equal(t, cli.ExitUsage, code, "%s: %s", args, errs)
		require.Contains(t, errs, want, args)
		require.NotContains(t, errs, "hush", args)
	}
	code, _, errs := runIt(t, "", "-kubeconfig=/nosuch")
	require.NotEqual(t, cli.ExitOK, code)
	require.Contains(t, errs, "/nosuch")
}

func TestHelp(t *testing.T) {
	_, text, _ := runIt(t, "", "help")
	for _, c := range commands() {
		require.Contains(t, text, c.Name)
		code, help, errs := runIt(t, "", c.Name, "-h")
		require.Equal(t, cli.ExitOK, code)
		require.Empty(t, errs)
		require.Contains(t, help, "Usage: collector")
		require.Contains(t, help, "-sink")
	}
}

func TestTemplate(t *testing.T) {
	code, text, errs := runIt(t, "", "template", "-server=opensearch/2.19.1", "-index=night")
	require.Equal(t, cli.ExitOK, code, errs)
	require.Contains(t, text, "PUT /_index_template/night")
	require.Contains(t, text, "PUT /_plugins/_ism/policies/")
	code, text, errs = runIt(t, "", "template", "-mode=history", "-data-stream", "-retention=-1")
	require.Equal(t, cli.ExitOK, code, errs)
	require.Contains(t, text, `"data_stream"`)
	require.NotContains(t, text, "_ilm")
}
