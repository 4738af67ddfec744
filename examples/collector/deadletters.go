package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/kubewright/kubewright/eventsink/elastic"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// deadLetters is the file of the documents that a sink will never take. "collector resend" sends them again, when the
// cause is gone.
type deadLetters struct {
	mu   sync.Mutex
	file *os.File // nil if there is no -dead-letters
	end  int64
}

func openDeadLetters(path string) (*deadLetters, error) {
	if path == "" {
		return &deadLetters{}, nil
	}
	f, err := openLines(path)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("-dead-letters: %w", err))
	}
	end, err := completeLines(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-dead-letters: %w", err), f.Close())
	}
	return &deadLetters{file: f, end: end}, nil
}

// kept reports whether there is a file at all. Without one, what is refused is dropped, and counted as such.
func (l *deadLetters) kept() bool { return l.file != nil }

// write puts the letters on the disk. A write that fails leaves none of them.
func (l *deadLetters) write(now time.Time, dead []elastic.Settled) error {
	if l.file == nil {
		return nil
	}
	var text []byte
	for i := range dead {
		text = dead[i].AppendDeadLetter(text, now)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.WriteAt(text, l.end); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.end += int64(len(text))
	return nil
}

func (l *deadLetters) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
