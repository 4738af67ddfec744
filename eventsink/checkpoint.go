package eventsink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Checkpoint is where a source may resume: everything before is settled, so nothing is lost, and what came after is
// delivered twice under the same identity. Losing it costs duplicates that the sink recognises.
type Checkpoint struct {
	// ResourceVersion to watch from.
	ResourceVersion string `json:"resourceVersion"`
	// Time is when the frame at ResourceVersion was read: Events created since then are new ([NewTracker]).
	Time time.Time `json:"time"`
	// Holder is who wrote it. A reader that lost its lease must not overwrite its successor's ([Checkpoint.Supersedes]).
	Holder string `json:"holder,omitempty"`
	// Shard whose stream it is, empty for all: a checkpoint of another shard is of no use.
	Shard string `json:"shard,omitempty"`
}

// ParseCheckpoint reads what [Checkpoint.AppendJSON] wrote, strictly. The empty text is the zero Checkpoint: there is
// none yet.
func ParseCheckpoint(data []byte) (Checkpoint, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return Checkpoint{}, nil
	}
	var c Checkpoint
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Checkpoint{}, fmt.Errorf("eventsink: checkpoint %q: %w; remove it to start from a list", short(string(data)), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Checkpoint{}, fmt.Errorf("eventsink: checkpoint %q: has something behind it; remove it to start from a list", short(string(data)))
	}
	if c.ResourceVersion == "" || c.Time.IsZero() {
		return Checkpoint{}, fmt.Errorf("eventsink: checkpoint %q: needs resourceVersion and time; remove it to start from a list", short(string(data)))
	}
	return c, nil
}

// AppendJSON appends the checkpoint as one line of JSON without a newline.
func (c *Checkpoint) AppendJSON(dst []byte) []byte {
	dst = appendText(dst, `{"resourceVersion":"`, c.ResourceVersion)
	dst = append(c.Time.UTC().AppendFormat(append(dst, `,"time":"`...), time.RFC3339Nano), '"')
	dst = appendField(dst, `,"holder":"`, c.Holder)
	dst = appendField(dst, `,"shard":"`, c.Shard)
	return append(dst, '}')
}

// Supersedes says whether c may replace the stored checkpoint: it is of the same shard, and either the same holder wrote
// both or c's holder took the lease over and continues at or after stored. An error names what forbids it.
func (c *Checkpoint) Supersedes(stored Checkpoint) error {
	switch {
	case stored.ResourceVersion == "":
		return nil
	case c.Shard != stored.Shard:
		return fmt.Errorf("eventsink: checkpoint of shard %q may not replace that of shard %q; store each under its own name", c.Shard, stored.Shard)
	case c.Holder != stored.Holder && c.Time.Before(stored.Time):
		return fmt.Errorf("eventsink: checkpoint of %q at %s may not replace the newer one of %q at %s: the lease was lost; stop and start over",
			c.Holder, c.Time.UTC().Format(time.RFC3339), stored.Holder, stored.Time.UTC().Format(time.RFC3339))
	}
	return nil
}
