package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/kubewright/kubewright/eventsink"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// maxEvent bounds a line of a file. The API server takes no object above 1.5 MiB.
const maxEvent = 16 << 20

// byteOrderMark is what some programs of Windows put before a text.
const byteOrderMark = "\xef\xbb\xbf"

// events reads Events from a file: lines of JSON, or whatever kubectl prints with -o json, which are Events of v1 or
// events.k8s.io/v1, Lists of them, and the frames of "kubectl get events --watch --output-watch-events". A line that is
// none yields an error, and the walk goes on.
func events(in io.Reader) iter.Seq2[eventsink.Record, error] {
	return func(yield func(eventsink.Record, error) bool) {
		buffered := bufio.NewReaderSize(in, 64<<10)
		if head, _ := buffered.Peek(len(byteOrderMark)); string(head) == byteOrderMark {
			_, _ = buffered.Discard(len(head)) // it is there
		}
		first, err := buffered.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			yield(eventsink.Record{}, err)
			return
		}
		rest := io.MultiReader(bytes.NewReader(first), buffered)
		if len(first) <= maxEvent && json.Valid(first) || len(bytes.TrimSpace(first)) == 0 { // a List may be on one line
			walkLines(rest, yield)
			return
		}
		walkValues(rest, yield)
	}
}

func walkLines(in io.Reader, yield func(eventsink.Record, error) bool) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	number := 1
	for ; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		for r, err := range recordsOf(bytes.Clone(lines.Bytes())) {
			if err != nil {
				err = fmt.Errorf("line %d: %w", number, err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("line %d: it has more than %d bytes, and what is behind it is not read", number, maxEvent)
	}
	if err != nil {
		yield(eventsink.Record{}, err)
	}
}

// walkValues reads values over several lines. Behind one that is no JSON there is no telling where the next begins.
func walkValues(in io.Reader, yield func(eventsink.Record, error) bool) {
	values := json.NewDecoder(in)
	for {
		var value json.RawMessage
		err := values.Decode(&value)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(eventsink.Record{}, fmt.Errorf("byte %d: %w", values.InputOffset(), err))
			return
		}
		for r, err := range recordsOf(value) {
			if !yield(r, err) {
				return
			}
		}
	}
}

// recordsOf yields the Events of an Event, of a List, or of a frame of a watch.
func recordsOf(value []byte) iter.Seq2[eventsink.Record, error] {
	return func(yield func(eventsink.Record, error) bool) {
		var shape struct {
			Kind, Type string
			Items      []json.RawMessage
			Object     json.RawMessage
		}
		if err := json.Unmarshal(value, &shape); err != nil {
			yield(eventsink.Record{}, err)
			return
		}
		switch {
		case len(shape.Items) > 0 || shape.Kind == "List" || shape.Kind == "EventList":
			for _, item := range shape.Items {
				if !yield(record(item)) {
					return
				}
			}
		case shape.Object != nil && shape.Type == "DELETED":
		case shape.Object != nil:
			yield(record(shape.Object))
		default:
			yield(record(value))
		}
	}
}

func record(value []byte) (r eventsink.Record, err error) {
	err = eventsink.DecodeJSON(&r, value)
	return r, err
}

// openInput opens a file, or standard input for -. Reading it ends with the context.
func openInput(ctx context.Context, path string, in io.Reader) (io.ReadCloser, error) {
	if path == "-" {
		return until(ctx, func() (io.Reader, error) { return in, nil }), nil
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return until(ctx, func() (io.Reader, error) { return os.Open(path) }), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return f, nil
}

// until reads what may have nobody at its other end, or one who writes nothing: to open it, or to read it, waits for that,
// and only the end of the process ends the wait.
func until(ctx context.Context, open func() (io.Reader, error)) io.ReadCloser {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		in, err := open()
		if err == nil {
			_, err = io.Copy(w, in)
		}
		w.CloseWithError(err)
	}()
	return r
}

// admitAll puts the Events of a file into a session. It returns how many values were none.
func (s *session) admitAll(ctx context.Context, name string, in io.Reader) (bad int, err error) {
	for r, err := range events(in) {
		if ctx.Err() != nil {
			return bad, ctx.Err()
		}
		if err != nil {
			bad++
			s.e.log.Error("not an Event", "file", name, "error", err)
			continue
		}
		if !s.o.shard.Owns(r.UID) {
			continue
		}
		if err := r.Validate(r.Last, 0); err != nil { // it will be dropped and counted
			s.e.log.Error("an Event can't be shipped", "file", name, "error", err)
		}
		for errors.Is(s.admit(&r, false), eventsink.ErrFull) {
			if !s.await(ctx, roomy) {
				return bad, ctx.Err()
			}
		}
	}
	return bad, nil
}
