package elastic

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"
)

// DeadLetter is a document that the sink will never take as it is, and why. It is one line of a file, and can be sent
// again when the cause is gone.
type DeadLetter struct {
	Time   time.Time       `json:"time"`
	Status int             `json:"status"`
	Type   string          `json:"type,omitempty"`
	Reason string          `json:"reason,omitempty"`
	Action json.RawMessage `json:"action"`
	Source json.RawMessage `json:"source"`
}

// AppendDeadLetter appends the dead letter of a settled document, a line of JSON with its newline.
func (s *Settled) AppendDeadLetter(dst []byte, now time.Time) []byte {
	dst = append(dst, `{"time":"`...)
	dst = now.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = strconv.AppendInt(append(dst, `","status":`...), int64(s.Item.Status), 10)
	dst = appendText(dst, `,"type":`, s.Item.Type)
	dst = appendText(dst, `,"reason":`, s.Item.Reason)
	dst = append(append(dst, `,"action":`...), s.Action...)
	dst = append(append(dst, `,"source":`...), s.Source...)
	return append(dst, "}\n"...)
}

func appendText(dst []byte, key, text string) []byte {
	if text == "" {
		return dst
	}
	quoted, err := json.Marshal(text)
	if err != nil { // a string always has JSON
		return dst
	}
	return append(append(dst, key...), quoted...)
}

// Doc is the document as [eventsink.Batch.Doc] had it: two lines of a _bulk body.
func (d *DeadLetter) Doc() []byte {
	doc := append(bytes.Clone(d.Action), '\n')
	return append(append(doc, d.Source...), '\n')
}

// maxLine bounds a dead letter: no object of the API server is larger than 1.5 MiB, and escaping makes it six times that
// at the most.
const maxLine = 16 << 20

// DeadLetters yields the dead letters of a file. A line that is none yields an error and the walk goes on: the last one
// may have been cut by a crash. Only a line of more than 16 MiB, which no dead letter has, ends it.
func DeadLetters(r io.Reader) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxLine)
		for n := 1; lines.Scan(); n++ {
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			letter, err := parseDeadLetter(lines.Bytes())
			if err != nil {
				err = fmt.Errorf("elastic: dead letters: line %d: %w: %q", n, err, clip(string(lines.Bytes()[:min(len(lines.Bytes()), 200)]), 100))
			}
			if !yield(letter, err) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(DeadLetter{}, fmt.Errorf("elastic: dead letters: %w; no line may have more than %d bytes", err, maxLine))
		}
	}
}

func parseDeadLetter(line []byte) (DeadLetter, error) {
	var letter DeadLetter
	if err := json.Unmarshal(line, &letter); err != nil {
		return DeadLetter{}, err
	}
	if len(letter.Action) == 0 || letter.Action[0] != '{' || len(letter.Source) == 0 || letter.Source[0] != '{' {
		return DeadLetter{}, errors.New("want objects in action and source")
	}
	return letter, nil
}
