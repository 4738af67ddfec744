package main

import (
	"context"
	"io"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const programName = "nodeagent"

// commands lists the sub-commands in the order of the overview. Without a name, explain is meant.
func commands() []cli.Command {
	return []cli.Command{
		{Name: "explain", Summary: "what a process or container has, what runtimes will make of it, and why (the default)", Run: explain},
		{Name: "serve", Summary: "metrics of all containers over HTTP", Run: serve},
		{Name: "views", Summary: "write and serve each container's own /proc files", Run: views},
		{Name: "reap", Summary: "find stale shells and zombies; end the shells if told to", Run: reap},
	}
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
		args = []string{"help"} // of all commands, not of the default one alone
	}
	p := cli.Program{Name: programName, Default: "explain", Commands: commands()}
	return p.Run(ctx, args, cli.Streams{Out: stdout, Err: stderr})
}

type streams = cli.Streams

func newFlags(command string, s streams, help string) *cli.Flags {
	return cli.NewFlags(programName, command, s, help)
}
