package main

import (
	"context"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

func serve(ctx context.Context, args []string, s streams) error {
	o, err := parseServe(args, s)
	if err != nil {
		return err
	}
	c, err := loadConfig(o.config)
	if err != nil {
		return err
	}
	if o.printConfig {
		return cli.Write(s.Out, string(c.text))
	}
	svc, err := newService(o, c, o.log.New(s.Err))
	if err != nil {
		return cli.Usage(err) // nothing has been tried yet but to read what the flags name
	}
	return svc.run(ctx, s.Out)
}
