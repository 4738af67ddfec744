package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/kubewright/kubewright/eventsink/elastic"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const templateHelp = `
Usage: collector template [flags]

Prints what has to be installed before the first document: the lifecycle policy (ILM for Elasticsearch, ISM for
OpenSearch) and the index template, as requests to paste into the console, or for curl.

  collector template -server opensearch/2.19.1
  collector template -server elasticsearch/9.1.0 -mode history -data-stream
`

func printTemplate(_ context.Context, args []string, s streams) error {
	o := &options{checkpoint: "none"}
	flags := newFlags("template", s, templateHelp)
	o.addSinkFlags(flags)
	server := flags.String("server", "elasticsearch/8.19.0", "`distribution/version` of the server: elasticsearch/… or opensearch/…")
	if err := flags.ParseOnly(args); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	distribution, version, ok := strings.Cut(*server, "/")
	if !ok {
		return cli.Usagef("-server %q: write elasticsearch/8.19.0 or opensearch/2.19.1", *server)
	}
	setups, err := elastic.Setups(o.template(elastic.Server{Distribution: distribution, Version: version}))
	if err != nil {
		return cli.Usage(err)
	}
	var text bytes.Buffer
	for _, setup := range setups {
		text.WriteString("PUT " + setup.Path + "\n")
		if err := json.Indent(&text, setup.Body, "", "  "); err != nil {
			return err
		}
		text.WriteString("\n\n")
	}
	return cli.Write(s.Out, strings.TrimSuffix(text.String(), "\n"))
}
