// Package cli is what the examples' command lines have in common: sub-commands, streams, exit codes and errors.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Exit codes. They are part of the interface: CI jobs tell a refused manifest from one that can't be read.
const (
	ExitOK     = 0
	ExitFailed = 1 // a denial, something that is not ready, or serving ended with an error
	ExitUsage  = 2 // wrong flags, unreadable input or configuration
)

// Streams are what a command reads and writes instead of the process's own, so that tests run it in process.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Say is for what people should know besides. There is nobody to tell that it can't be told.
func (s Streams) Say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Err, format, args...)
}

// Write is for what was asked for: if it can't be written, the command has failed.
func Write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// Command is one sub-command: a name, a line for the overview, and its function in a file of its own.
type Command struct {
	Name, Summary string
	Run           func(ctx context.Context, args []string, s Streams) error
}

// Program is a program of several commands, in the order of the overview.
type Program struct {
	Name     string
	Default  string // what is meant when no command is named; if empty, the overview
	Commands []Command
}

// Run is the whole program but for the process around it. It returns the exit code.
func (p Program) Run(ctx context.Context, args []string, s Streams) int {
	name, rest := p.Default, args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, rest = args[0], args[1:]
	}
	if name == "help" || name == "" && (len(args) == 0 || isHelp(args[0])) {
		return p.exitCode("help", s, Write(s.Out, p.overview()))
	}
	for _, c := range p.Commands {
		if c.Name == name {
			return p.exitCode(name, s, c.Run(ctx, rest, s))
		}
	}
	if name == "" {
		name = args[0]
	}
	s.Say("%s: no command is named %q\n\n%s", p.Name, name, p.overview())
	return ExitUsage
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

func (p Program) overview() string {
	var text strings.Builder
	command := "[command]"
	if p.Default == "" {
		command = "command"
	}
	fmt.Fprintf(&text, "Usage: %s %s [flags]\n\nCommands:\n", p.Name, command)
	for _, c := range p.Commands {
		fmt.Fprintf(&text, "  %-10s %s\n", c.Name, c.Summary)
	}
	text.WriteString("\nEvery command explains itself with -h.\n")
	return text.String()
}

// usageError is a mistake of whoever called the program, as opposed to something that went wrong later.
type usageError struct{ error }

// Usage marks an error as such a mistake: the exit code is ExitUsage.
func Usage(err error) error { return usageError{err} }

// Usagef makes such an error.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// ErrSilent makes the exit code ExitFailed without a word: the output has said it all.
var ErrSilent = errors.New("see above")

func (p Program) exitCode(name string, s Streams, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return ExitOK
	case errors.Is(err, ErrSilent):
		return ExitFailed
	}
	s.Say("%s %s: %v\n", p.Name, name, err)
	if _, ok := errors.AsType[usageError](err); ok {
		return ExitUsage
	}
	return ExitFailed
}
