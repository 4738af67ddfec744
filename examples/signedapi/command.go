package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Exit codes. They are part of the interface: a pipeline tells a caller that is not ready from a report that can't be read.
const (
	exitOK     = 0
	exitFailed = 1 // refused, not ready, or serving ended with an error
	exitUsage  = 2 // wrong flags, unreadable input or configuration
)

// streams are what a command reads and writes instead of the process's own, so that tests run it in process.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is one sub-command: a name, a line for the overview, and its function in a file of its own.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, s streams) error
}

// commands lists the sub-commands in the order of the overview.
func commands() []command {
	return []command{
		{"demo", "walk through all three phases with real processes, and print the report after each", demo},
		{"serve", "the provider: an orders API behind the guard", serve},
		{"call", "the caller: send requests, signed or not", call},
		{"proxy", "the proxy with a fixed address of phase 1", proxy},
		{"sign", "print a signed request as a curl command", sign},
		{"keygen", "make a key, or an API key", keygen},
		{"report", "show who signs, who fails, and who still relies on which address", report},
		{"readiness", "say whether callers can take their next step; exit code 1 if one can't", readiness},
	}
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := streams{stdin, stdout, stderr}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		return s.exitCode("help", write(stdout, overview()))
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return s.exitCode(c.name, c.run(ctx, args[1:], s))
		}
	}
	s.say("signedapi: no command is named %q\n\n%s", args[0], overview())
	return exitUsage
}

func overview() string {
	var text strings.Builder
	text.WriteString("Usage: signedapi command [flags]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&text, "  %-10s %s\n", c.name, c.summary)
	}
	text.WriteString("\nEvery command explains itself with -h.\n")
	return text.String()
}

// write is for what was asked for: if it can't be written, the command has failed.
func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// say is for what people should know besides. There is nobody to tell that it can't be told.
func (s streams) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, format, args...)
}

// usageError is a mistake of whoever called the program, as opposed to something that went wrong later.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errSilent makes the exit code 1 without a word: the output has said it all.
var errSilent = errors.New("see above")

func (s streams) exitCode(name string, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errSilent):
		return exitFailed
	}
	s.say("signedapi %s: %v\n", name, err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// flagSet is a command's flags with the text that -h prints before them.
type flagSet struct {
	*flag.FlagSet
	help string
	out  io.Writer
}

func newFlags(name string, s streams, help string) *flagSet {
	flags := &flagSet{flag.NewFlagSet(name, flag.ContinueOnError), help, s.out}
	flags.SetOutput(io.Discard) // flag would print errors and the help to the same place; exitCode prints the errors
	return flags
}

// parse parses arguments of which none may be left over. Asked for help, it prints it and returns flag.ErrHelp.
func (f *flagSet) parse(args []string) error {
	left, err := f.parseFiles(args)
	if err == nil && len(left) > 0 {
		return usagef("unexpected argument %q (signedapi %s -h lists the flags)", left[0], f.Name())
	}
	return err
}

// parseFiles returns the arguments behind the flags.
func (f *flagSet) parseFiles(args []string) ([]string, error) {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		if err := write(f.out, strings.TrimLeft(f.help, "\n")+"\nFlags:\n"); err != nil {
			return nil, err
		}
		f.SetOutput(f.out)
		f.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, usagef("%w (signedapi %s -h lists the flags)", err, f.Name())
	}
	for _, left := range f.Args() {
		if len(left) > 1 && left[0] == '-' {
			return nil, usagef("%s stands behind %q: flags come first", left, f.Arg(0))
		}
	}
	return f.Args(), nil
}
