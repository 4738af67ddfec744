package eventsink

import (
	"bytes"
	"encoding/json"
	"time"
)

// Token names a document that was admitted and is not settled yet. Tokens grow in the order of admission.
type Token uint64

// Batch is documents on their way to a sink: the bytes of one request and what belongs to each document. It is immutable
// once a [Flow] has handed it out, and safe for concurrent use.
type Batch struct {
	buf  []byte
	docs []doc
}

// doc is one document of a batch: up to end, its source from source on.
type doc struct {
	source, end int
	token       Token
	uid         string
	at          time.Time
}

// Len is the number of documents.
func (b *Batch) Len() int { return len(b.docs) }

// Bytes is the whole body of a _bulk request. The caller must not modify it.
func (b *Batch) Bytes() []byte { return b.buf }

// Doc is the i-th document with its action line, as in the body.
func (b *Batch) Doc(i int) []byte { return b.buf[b.start(i):b.docs[i].end:b.docs[i].end] }

// Action is the i-th document's action line, without its newline.
func (b *Batch) Action(i int) []byte {
	start, end := b.start(i), b.docs[i].source-1
	return b.buf[start:end:end]
}

// Source is the i-th document alone, a JSON object without a newline: what goes to a file or a topic.
func (b *Batch) Source(i int) []byte {
	end := b.docs[i].end - 1
	return b.buf[b.docs[i].source:end:end]
}

// UID is the Event that the i-th document is of, the key of a topic that keeps the order of each Event. It is empty for
// documents that come from a spool.
func (b *Batch) UID(i int) string { return b.docs[i].uid }

// Time is the record's Last, to measure how late the i-th document is. It is zero for documents that come from a spool.
func (b *Batch) Time(i int) time.Time { return b.docs[i].at }

// Token is what [Flow.Settle] wants to know of the i-th document.
func (b *Batch) Token(i int) Token { return b.docs[i].token }

// Keep copies the documents with the given indices, in that order, to a batch of their own.
func (b *Batch) Keep(indices []int) *Batch {
	size := 0
	for _, i := range indices {
		size += len(b.Doc(i))
	}
	kept := &Batch{buf: make([]byte, 0, size), docs: make([]doc, 0, len(indices))}
	for _, i := range indices {
		d := b.docs[i]
		d.source -= b.start(i)
		kept.take(b.Doc(i), d)
	}
	return kept
}

// Halves copies the batch to two of half as many documents. It must hold at least two.
func (b *Batch) Halves() (first, second *Batch) {
	indices := make([]int, b.Len())
	for i := range indices {
		indices[i] = i
	}
	middle := len(indices) / 2
	return b.Keep(indices[:middle]), b.Keep(indices[middle:])
}

func (b *Batch) start(i int) int {
	if i == 0 {
		return 0
	}
	return b.docs[i-1].end
}

// take appends a document whose source begins at d.source of text.
func (b *Batch) take(text []byte, d doc) {
	d.source += len(b.buf)
	b.buf = append(b.buf, text...)
	d.end = len(b.buf)
	b.docs = append(b.docs, d)
}

// sourceOffset is where the source begins in an action line and a source line, two objects, or -1.
func sourceOffset(text []byte) int {
	action, rest, ok := bytes.Cut(text, []byte{'\n'})
	source, behind, whole := bytes.Cut(rest, []byte{'\n'})
	if !ok || !whole || len(behind) > 0 || !json.Valid(action) || action[0] != '{' || len(source) < 2 || source[0] != '{' || source[len(source)-1] != '}' {
		return -1
	}
	return len(action) + 1
}
