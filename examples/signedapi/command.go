package main

import (
	"context"
	"io"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const programName = "signedapi"

// commands lists the sub-commands in the order of the overview.
func commands() []cli.Command {
	return []cli.Command{
		{Name: "demo", Summary: "walk through all three phases with real processes, and print the report after each", Run: demo},
		{Name: "serve", Summary: "the provider: an orders API behind the guard", Run: serve},
		{Name: "call", Summary: "the caller: send requests, signed or not", Run: call},
		{Name: "proxy", Summary: "the proxy with a fixed address of phase 1", Run: proxy},
		{Name: "sign", Summary: "print a signed request as a curl command", Run: sign},
		{Name: "keygen", Summary: "make a key, or an API key", Run: keygen},
		{Name: "report", Summary: "show who signs, who fails, and who still relies on which address", Run: report},
		{Name: "readiness", Summary: "say whether callers can take their next step; exit code 1 if one can't", Run: readiness},
	}
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := cli.Program{Name: programName, Commands: commands()}
	return p.Run(ctx, args, cli.Streams{In: stdin, Out: stdout, Err: stderr})
}

type streams = cli.Streams

func newFlags(command string, s streams, help string) *cli.Flags {
	return cli.NewFlags(programName, command, s, help)
}
