package eventsink_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
)

func TestFormatIsChecked(t *testing.T) {
	_, err := eventsink.NewRenderer(eventsink.Format{Mode: 5, Schema: 5, Index: "Events", MaxMessage: -1, DataStream: true, Monthly: true})
	require.EqualError(t, err, `eventsink: Format.Mode is 5; write Latest or History
eventsink: Format.Schema is 5; write ECS or Raw
eventsink: Format.MaxMessage is -1; write the number of bytes, or 0 for 65536
eventsink: Format.DataStream needs Mode History: a data stream takes creates alone, and Latest overwrites
eventsink: Format.Monthly and DataStream exclude each other: a data stream names its own indices
eventsink: Format.Index "Events" has upper-case letters; write a name like k8s-events`)
	for _, name := range []string{"a b", "_a", "a\"b", "ü", ".a", string(make([]byte, 201))} {
		_, err := eventsink.NewRenderer(eventsink.Format{Index: name})
		require.ErrorContains(t, err, "eventsink: Format.Index")
	}
}

func TestFlowOptionsAreChecked(t *testing.T) {
	_, err := eventsink.NewFlow(eventsink.FlowOptions{BatchDocs: -1, BatchAge: -1, Shard: "0/2", Resume: eventsink.Checkpoint{ResourceVersion: "5", Shard: "1/2"}})
	require.EqualError(t, err, `eventsink: FlowOptions.BatchDocs is -1; write 1 or more, or 0 for 5000
eventsink: FlowOptions.BatchAge is -1ns; write a time above 0, or 0 for 1s
eventsink: FlowOptions.Resume is of shard "1/2", this is shard "0/2"; store each under its own name`)
}

func TestBatchesAreCutByAgeBytesAndCount(t *testing.T) {
	f, err := eventsink.NewFlow(eventsink.FlowOptions{BatchBytes: 3000, BatchDocs: 3, BatchAge: time.Minute})
	require.NoError(t, err)
	_, ok := f.Due()
	require.False(t, ok)
	_, ok = f.Oldest()
	require.False(t, ok)
	admit := func(uid, message string) {
		r := record(uid, "1", 1)
		r.Message = message
		_, err := f.Admit(t0, r, true)
		require.NoError(t, err)
	}
	admit("a", "")
	at, ok := f.Due()
	require.True(t, ok)
	require.Equal(t, t0.Add(time.Minute), at)
	at, ok = f.Oldest()
	require.True(t, ok)
	require.Equal(t, t0, at)
	require.Nil(t, f.Next(t0.Add(59*time.Second), false))
	admit("b", "")
	admit("c", "")
	at, _ = f.Due()
	require.Equal(t, t0, at)
	b := f.Next(t0, false)
	require.Equal(t, 3, b.Len())
	require.Equal(t, "b", b.UID(1))
	require.Equal(t, t0, b.Time(1))
	require.Equal(t, string(b.Action(1))+"\n"+string(b.Source(1))+"\n", string(b.Doc(1)))
	require.Equal(t, string(b.Doc(0))+string(b.Doc(1))+string(b.Doc(2)), string(b.Bytes()))
	first, second := b.Halves()
	require.Equal(t, 1, first.Len())
	require.Equal(t, string(b.Doc(2)), string(second.Doc(1)))
	require.Equal(t, b.Token(2), second.Token(1))

	admit("d", "")
	admit("e", string(make([]byte, 3000)))
	require.Equal(t, "d", f.Next(t0, false).UID(0), "what is too large for the batch goes to the next one")
	require.Equal(t, "e", f.Next(t0, false).UID(0))
	require.Nil(t, f.Next(t0, true))
}

func TestSpooledDocuments(t *testing.T) {
	f, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(t, err)
	_, err = f.Unspool([][]byte{nil})
	require.EqualError(t, err, "eventsink: 1 documents from the spool, but it holds 0; note what an earlier process left with Recovered")
	f.Recovered(3)
	_, err = f.Unspool([][]byte{[]byte("{}\n{}")})
	require.EqualError(t, err, `eventsink: document 0 from the spool, "{}\n{}": want an action line and a source line`)
	b, err := f.Unspool([][]byte{[]byte("{\"a\":1}\n{}\n")})
	require.NoError(t, err)
	require.Equal(t, "{}", string(b.Source(0)))
	require.Equal(t, 11, f.Buffered())
	f.SpoolDropped(5, "spool_full")
	require.True(t, f.Settle(b.Token(0), eventsink.Delivered, ""))
	require.False(t, f.Settle(b.Token(0), eventsink.Delivered, ""))
	l := f.Ledger()
	require.True(t, l.Balanced())
	require.Equal(t, map[string]uint64{"spool_full": 2}, l.Dropped)
	require.Zero(t, f.Buffered())
	require.Zero(t, f.Verdicts(eventsink.New)+f.Verdicts(200))
	require.Zero(t, f.Tracker().Len())
	_, due := f.Checkpoint(t0)
	require.False(t, due)
}

func TestCheckpoints(t *testing.T) {
	c := eventsink.Checkpoint{ResourceVersion: "184467", Time: t0, Holder: "collector-0", Shard: "0/2"}
	text := c.AppendJSON(nil)
	require.Equal(t, `{"resourceVersion":"184467","time":"2026-03-01T12:00:00Z","holder":"collector-0","shard":"0/2"}`, string(text))
	again, err := eventsink.ParseCheckpoint(text)
	require.NoError(t, err)
	require.Equal(t, c, again)
	none, err := eventsink.ParseCheckpoint([]byte(" \n"))
	require.NoError(t, err)
	require.Zero(t, none)
	for text, want := range map[string]string{
		`{`:                         "unexpected EOF",
		`{"rv":"1"}`:                `unknown field "rv"`,
		`{"resourceVersion":"1"}`:   "needs resourceVersion and time",
		string(text) + string(text): "has something behind it",
	} {
		_, err := eventsink.ParseCheckpoint([]byte(text))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "remove it to start from a list")
	}
	require.NoError(t, c.Supersedes(eventsink.Checkpoint{}))
	require.NoError(t, c.Supersedes(c))
	other := c
	other.Holder, other.Time = "collector-1", t0.Add(time.Second)
	require.NoError(t, other.Supersedes(c))
	require.EqualError(t, c.Supersedes(other), `eventsink: checkpoint of "collector-0" at 2026-03-01T12:00:00Z may not replace the newer one of "collector-1" at 2026-03-01T12:00:01Z: the lease was lost; stop and start over`)
	other.Shard = "1/2"
	require.ErrorContains(t, c.Supersedes(other), "store each under its own name")
}
