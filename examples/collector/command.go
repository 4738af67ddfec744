package main

import (
	"context"
	"io"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const programName = "collector"

// commands lists the sub-commands in the order of the overview. Without a name, collect is meant.
func commands() []cli.Command {
	return []cli.Command{
		{Name: "collect", Summary: "ship the Events of a cluster, or of a file, and serve metrics (the default)", Run: collect},
		{Name: "replay", Summary: "ship the Events of files and end; exit code 1 if any could not be shipped", Run: replay},
		{Name: "resend", Summary: "send the documents of a file of dead letters again", Run: resend},
		{Name: "template", Summary: "print the index template, ILM or ISM policy to install", Run: printTemplate},
	}
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := cli.Program{Name: programName, Default: "collect", Commands: commands()}
	return p.Run(ctx, args, cli.Streams{In: stdin, Out: stdout, Err: stderr})
}

type streams = cli.Streams

func newFlags(command string, s streams, help string) *cli.Flags {
	return cli.NewFlags(programName, command, s, help)
}
