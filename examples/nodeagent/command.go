package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Exit codes. They are part of the interface.
const (
	exitOK     = 0
	exitFailed = 1 // something could not be read or done
	exitUsage  = 2 // wrong flags or arguments
)

// streams are what a command writes to instead of the process's own, so that tests run it in process.
type streams struct{ out, err io.Writer }

// command is one sub-command: a name, a line for the overview, and its function in a file of its own.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, s streams) error
}

// commands lists the sub-commands in the order of the overview. Without a name, serve is meant.
func commands() []command {
	return []command{
		{"explain", "what a process or container has, what runtimes will make of it, and why (the default)", explain},
		{"serve", "metrics of all containers over HTTP", serve},
		{"views", "write and serve each container's own /proc files", views},
		{"reap", "find stale shells and zombies; end the shells if told to", reap},
	}
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := streams{stdout, stderr}
	name, rest := "explain", args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, rest = args[0], args[1:]
	}
	if name == "help" || len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
		return s.exitCode("help", write(stdout, overview()))
	}
	for _, c := range commands() {
		if c.name == name {
			return s.exitCode(name, c.run(ctx, rest, s))
		}
	}
	s.say("nodeagent: no command is named %q\n\n%s", name, overview())
	return exitUsage
}

func overview() string {
	var text strings.Builder
	text.WriteString("Usage: nodeagent [command] [flags]\n\nCommands:\n")
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

func (s streams) exitCode(name string, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	}
	s.say("nodeagent %s: %v\n", name, err)
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

// parse parses flags and returns the arguments behind them, of which there may be so many. Asked for help, it prints it
// and returns flag.ErrHelp.
func (f *flagSet) parse(args []string, most int) ([]string, error) {
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
		return nil, usagef("%w (nodeagent %s -h lists the flags)", err, f.Name())
	case f.NArg() > most:
		return nil, usagef("unexpected argument %q: flags come first (nodeagent %s -h lists them)", f.Arg(most), f.Name())
	}
	return f.Args(), nil
}
