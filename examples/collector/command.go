package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Exit codes. They are part of the interface: CI jobs tell what was not shipped from what was not understood.
const (
	exitOK     = 0
	exitFailed = 1 // not everything was shipped, or collecting ended with an error
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

// commands lists the sub-commands in the order of the overview. Without a name, collect is meant.
func commands() []command {
	return []command{
		{"collect", "ship the Events of a cluster, or of a file, and serve metrics (the default)", collect},
		{"replay", "ship the Events of files and end; exit code 1 if any could not be shipped", replay},
		{"resend", "send the documents of a file of dead letters again", resend},
		{"template", "print the index template, ILM or ISM policy to install", printTemplate},
	}
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := streams{stdin, stdout, stderr}
	name, rest := "collect", args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, rest = args[0], args[1:]
	}
	if name == "help" {
		return s.exitCode(name, write(stdout, overview()))
	}
	for _, c := range commands() {
		if c.name == name {
			return s.exitCode(name, c.run(ctx, rest, s))
		}
	}
	s.say("collector: no command is named %q\n\n%s", name, overview())
	return exitUsage
}

func overview() string {
	var text strings.Builder
	text.WriteString("Usage: collector [command] [flags]\n\nCommands:\n")
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
	s.say("collector %s: %v\n", name, err)
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
		return usagef("unexpected argument %q (collector %s -h lists the flags)", left[0], f.Name())
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
		return nil, usagef("%w (collector %s -h lists the flags)", err, f.Name())
	}
	for _, left := range f.Args() {
		if len(left) > 1 && left[0] == '-' {
			return nil, usagef("%s stands behind %q: flags come first", left, f.Arg(0))
		}
	}
	return f.Args(), nil
}
