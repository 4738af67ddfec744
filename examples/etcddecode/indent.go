package main

import (
	"bytes"
	"io"
)

// indented writes whole lines with four spaces before each.
type indented struct{ out io.Writer }

func (w indented) Write(p []byte) (int, error) {
	var b []byte
	for line := range bytes.Lines(p) {
		b = append(append(b, "    "...), line...)
	}
	if _, err := w.out.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}
