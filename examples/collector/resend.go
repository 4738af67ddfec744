package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
)

const resendHelp = `
Usage: collector resend [flags] file...

Sends the documents of files that -dead-letters wrote again, once the cause is gone: after a change of the index template,
say. They have their old identity, so that it can be repeated. What is refused again is in the new -dead-letters, or
dropped. The accounts are printed last.

  collector resend -sink https://search.example.com:9200 -api-key-file key -dead-letters again.ndjson dead.ndjson
`

func resend(ctx context.Context, args []string, s streams) error {
	return ship(ctx, args, s, "resend", resendHelp, (*session).resendFile)
}

// resendFile delivers the dead letters of a file. How many lines were none is its first result.
func (s *session) resendFile(ctx context.Context, name string, in io.Reader) (bad int, err error) {
	var docs [][]byte
	send := func() error {
		var b *eventsink.Batch
		var err error
		s.with(func(_ time.Time, f *eventsink.Flow) {
			f.Recovered(len(docs))
			b, err = f.Unspool(docs)
		})
		docs = nil
		if err != nil || b.Len() == 0 {
			return err
		}
		return s.sink.deliver(ctx, b, s.settle)
	}
	for letter, err := range elastic.DeadLetters(in) {
		if ctx.Err() != nil {
			return bad, ctx.Err()
		}
		if err != nil {
			bad++
			s.e.log.Error("not a dead letter", "file", name, "error", err)
			continue
		}
		if docs = append(docs, letter.Doc()); len(docs) == 1000 {
			if err := send(); err != nil {
				return bad, err
			}
		}
	}
	return bad, errors.Join(send(), ctx.Err())
}
