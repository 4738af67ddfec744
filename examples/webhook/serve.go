package main

import "context"

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
		return write(s.out, string(c.text))
	}
	svc, err := newService(o, c, newLogger(s.err, o.logFormat, o.logLevel))
	if err != nil {
		return usageError{err} // nothing has been tried yet but to read what the flags name
	}
	return svc.run(ctx, s.out)
}
