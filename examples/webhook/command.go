package main

import (
	"context"
	"io"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const programName = "webhook"

// commands lists the sub-commands in the order of the overview. Without a name, serve is meant.
func commands() []cli.Command {
	return []cli.Command{
		{Name: "serve", Summary: "answer admission reviews over HTTPS (the default)", Run: serve},
		{Name: "review", Summary: "judge manifests without a cluster; exit code 1 if any is refused", Run: review},
		{Name: "plan", Summary: "show the addresses of StatefulSets and what is wrong with them; exit code 1 on errors", Run: plan},
		{Name: "manifests", Summary: "print the webhook configurations to apply", Run: printManifests},
		{Name: "certs", Summary: "print or write a certificate that all replicas share", Run: printCerts},
	}
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := cli.Program{Name: programName, Default: "serve", Commands: commands()}
	return p.Run(ctx, args, cli.Streams{In: stdin, Out: stdout, Err: stderr})
}

type streams = cli.Streams

func newFlags(command string, s streams, help string) *cli.Flags {
	return cli.NewFlags(programName, command, s, help)
}
