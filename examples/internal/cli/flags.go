package cli

import (
	"errors"
	"flag"
	"io"
	"strings"
)

// Flags is a command's flags with the text that -h prints before them.
type Flags struct {
	*flag.FlagSet
	program, help string
	out           io.Writer
}

// NewFlags makes the flags of a command of a program.
func NewFlags(program, command string, s Streams, help string) *Flags {
	flags := &Flags{flag.NewFlagSet(command, flag.ContinueOnError), program, help, s.Out}
	flags.SetOutput(io.Discard) // flag would print errors and the help to the same place; Program.Run prints the errors
	return flags
}

// ParseOnly parses arguments of which none may be left over. Asked for help, it prints it and returns flag.ErrHelp.
func (f *Flags) ParseOnly(args []string) error {
	_, err := f.ParseMost(args, 0)
	return err
}

// ParseMost parses flags and returns the arguments behind them, of which there may be so many.
func (f *Flags) ParseMost(args []string, most int) ([]string, error) {
	left, err := f.ParseFiles(args)
	if err == nil && len(left) > most {
		return nil, Usagef("unexpected argument %q (%s %s -h lists the flags)", left[most], f.program, f.Name())
	}
	return left, err
}

// ParseFiles returns the arguments behind the flags.
func (f *Flags) ParseFiles(args []string) ([]string, error) {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		if err := Write(f.out, strings.TrimLeft(f.help, "\n")+"\nFlags:\n"); err != nil {
			return nil, err
		}
		f.SetOutput(f.out)
		f.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, Usagef("%w (%s %s -h lists the flags)", err, f.program, f.Name())
	}
	for _, left := range f.Args() {
		if len(left) > 1 && left[0] == '-' {
			return nil, Usagef("%s stands behind %q: flags come first", left, f.Arg(0))
		}
	}
	return f.Args(), nil
}
