package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// progress shows how far a long walk is, on a terminal and nowhere else.
type progress struct {
	out     io.Writer
	total   int64
	done    int64
	records int
	start   time.Time
	shown   time.Time
}

// newProgress returns nil, on which all methods do nothing, if stderr is no terminal.
func newProgress(s streams, from store) *progress {
	f, ok := s.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	now := time.Now()
	p := &progress{out: f, start: now, shown: now}
	if db, ok := from.(*etcddb.DB); ok {
		if info, err := db.Info(); err == nil {
			p.total = info.Size
		}
	}
	return p
}

func (p *progress) add(size int) {
	if p == nil {
		return
	}
	p.records++
	p.done += int64(size)
	if p.records%64 == 0 && time.Since(p.shown) > 200*time.Millisecond {
		p.shown = time.Now()
		_, _ = io.WriteString(p.out, "\r"+p.line()+"\x1b[K")
	}
}

func (p *progress) line() string {
	text := fmt.Sprintf("%d records, %.1f MiB, %.0f s", p.records, float64(p.done)/(1<<20), time.Since(p.start).Seconds())
	if p.total <= 0 {
		return text
	}
	const width = 30
	filled := int(min(width, p.done*width/p.total))
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "] " + text
}

func (p *progress) finish() {
	if p != nil && p.shown.After(p.start) {
		_, _ = io.WriteString(p.out, "\r\x1b[K")
	}
}
