package eventsink_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubewright/kubewright/eventsink"
)

// FuzzRecord: whatever an Event holds, both forms make the same record, and each document is one line of valid JSON in
// UTF-8 whose texts are those of the record.
func FuzzRecord(f *testing.F) {
	f.Add("uid", "BackOff", "Back-off restarting", "Warning", "kubelet", int64(1_700_000_000), int64(1_700_000_001), int32(3), uint8(0))
	f.Add("\x00\"\\\xff\u2028", "\n\r\t", "(combined from similar events): \x7f", "", "", int64(-1), int64(1<<60), int32(-5), uint8(7))
	f.Add("", "ü\xc3", "12345678\x1f2345678\"", "x", "a.b/c", int64(253402300800), int64(0), int32(0), uint8(255))
	f.Fuzz(func(t *testing.T, uid, reason, message, kind, component string, first, last int64, count int32, options uint8) {
		ev := &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), Name: reason, Namespace: kind, Labels: map[string]string{reason: message, "a": uid}, CreationTimestamp: metav1.NewTime(time.Unix(first, last%1e9))},
			Reason:     reason, Message: message, Type: kind, ReportingController: component, Source: corev1.EventSource{Host: uid},
			InvolvedObject: corev1.ObjectReference{Kind: kind, FieldPath: message}, Count: count,
			FirstTimestamp: metav1.NewTime(time.Unix(first, 0)), LastTimestamp: metav1.NewTime(time.Unix(last, first%1e9)),
		}
		if options&1 == 1 {
			ev.Series = &corev1.EventSeries{Count: count, LastObservedTime: metav1.NewMicroTime(time.Unix(last, 0))}
			ev.Related = &corev1.ObjectReference{Name: uid}
		}
		var r, other eventsink.Record
		eventsink.FromCore(&r, ev)
		eventsink.FromEvents(&other, asEvents(ev))
		require.Empty(t, cmp.Diff(r, other))
		require.GreaterOrEqual(t, r.Occurrences, uint32(1))
		_ = r.Validate(time.Unix(last, 0), time.Minute) // any verdict, no panic
		format := eventsink.Format{Cluster: message, MaxMessage: int(options) + 1, Schema: eventsink.Schema(options >> 1 & 1), Mode: eventsink.Mode(options >> 2 & 1)}
		renderer, err := eventsink.NewRenderer(format)
		require.NoError(t, err)
		requireDocument(t, renderer.AppendBulk([]byte("before"), &r), &r, format)
		for _, n := range []int{0, 1, 100} {
			v, delta := eventsink.NewTracker(n, 0, time.Time{}).Observe(&r, time.Unix(last, 0), options&8 == 8)
			require.LessOrEqual(t, delta, r.Occurrences, v)
		}
	})
}

func requireDocument(t *testing.T, text []byte, r *eventsink.Record, f eventsink.Format) {
	t.Helper()
	require.True(t, utf8.Valid(text))
	lines := strings.Split(string(text), "\n")
	require.Len(t, lines, 3)
	require.Empty(t, lines[2])
	action, ok := strings.CutPrefix(lines[0], "before")
	require.True(t, ok)
	var head map[string]struct {
		Index string `json:"_index"`
		ID    string `json:"_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(action), &head))
	require.Len(t, head, 1)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &doc))
	message, ok := doc["message"].(string)
	require.True(t, ok)
	whole := strings.ToValidUTF8(r.Message, "\ufffd")
	if len(r.Message) <= f.MaxMessage && utf8.ValidString(r.Message) {
		require.Equal(t, whole, message)
	}
	require.LessOrEqual(t, utf8.RuneCountInString(message), f.MaxMessage)
	if at, ok := doc["@timestamp"].(string); ok {
		parsed, err := time.Parse(time.RFC3339Nano, at)
		require.NoError(t, err)
		require.True(t, parsed.Equal(r.Last), "%s %s", at, r.Last)
	} else {
		require.True(t, r.Last.IsZero())
	}
}

// FuzzDecodeJSON: bytes of a file either make a record that renders, or an error.
func FuzzDecodeJSON(f *testing.F) {
	text, err := json.Marshal(backOff())
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"uid":"u"},"series":{"count":2,"lastObservedTime":"2026-03-01T12:00:00.000000Z"}}`))
	renderer, err := eventsink.NewRenderer(eventsink.Format{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text []byte) {
		var r eventsink.Record
		if err := eventsink.DecodeJSON(&r, text); err != nil {
			require.LessOrEqual(t, len(err.Error()), 1000+len(text))
			return
		}
		require.True(t, json.Valid(renderer.AppendSource(nil, &r)))
	})
}

// FuzzParse reads shards and checkpoints: what is read is written the same.
func FuzzParse(f *testing.F) {
	f.Add("1/4")
	f.Add(`{"resourceVersion":"5","time":"2026-03-01T12:00:00Z","holder":"a"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := eventsink.ParseShard(text); err == nil {
			require.True(t, text == s.String() || s.Count == 1)
		}
		if c, err := eventsink.ParseCheckpoint([]byte(text)); err == nil && c.ResourceVersion != "" {
			again, err := eventsink.ParseCheckpoint(c.AppendJSON(nil))
			require.NoError(t, err)
			require.True(t, c.Time.Equal(again.Time))
			again.Time = c.Time
			require.Equal(t, strings.ToValidUTF8(c.ResourceVersion, "\ufffd"), again.ResourceVersion)
		}
	})
}

// Every byte at every place of the eight that are looked at in one go, read back as encoding/json reads its own.
func TestTextsAreThoseOfEncodingJSON(t *testing.T) {
	renderer, err := eventsink.NewRenderer(eventsink.Format{Schema: eventsink.Raw})
	require.NoError(t, err)
	check := func(text string) {
		r := eventsink.Record{UID: "u", Message: text, Labels: map[string]string{"l": text}}
		var got, want struct {
			Message string            `json:"message"`
			Labels  map[string]string `json:"labels"`
		}
		quoted, err := json.Marshal(map[string]any{"message": text, "labels": map[string]string{"l": text}})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(quoted, &want))
		source := renderer.AppendSource(nil, &r)
		if err := json.Unmarshal(source, &got); err != nil || !utf8.Valid(source) || got.Message != want.Message || got.Labels["l"] != want.Labels["l"] {
			require.Equal(t, want, got, "%q: %v", text, err)
		}
	}
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 17} {
		for at := range n {
			for c := range 256 {
				text := []byte("abcdefghijklmnopq"[:n])
				text[at] = byte(c)
				check(string(text))
				text[(at+1)%n] = '"'
				check(string(text))
				text[(at+1)%n] = 0x80
				check(string(text))
			}
		}
	}
	for _, text := range []string{"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "\xe2\x80", "a\u2028b\u2029", "\ufffd", "😀\xf0\x9f\x98", strings.Repeat("ü", 100)} {
		check(text)
	}
}
