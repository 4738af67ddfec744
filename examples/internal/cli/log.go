package cli

import (
	"errors"
	"io"
	"log/slog"
)

// Log is how a program that serves logs.
type Log struct {
	format logFormat
	level  slog.Level
}

// Log adds -log-format and -log-level.
func (f *Flags) Log() *Log {
	var l Log
	f.TextVar(&l.format, "log-format", logFormat("text"), "`format` of the log: text or json")
	f.TextVar(&l.level, "log-level", slog.LevelInfo, "`level` of the log: debug, info, warn or error; debug is one line for everything that happens")
	return &l
}

// New makes the logger that the flags ask for.
func (l *Log) New(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: l.level}
	if l.format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

type logFormat string

func (f logFormat) MarshalText() ([]byte, error) { return []byte(f), nil }

func (f *logFormat) UnmarshalText(text []byte) error {
	if *f = logFormat(text); *f != "text" && *f != "json" {
		return errors.New("write text or json")
	}
	return nil
}
