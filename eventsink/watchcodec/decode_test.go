package watchcodec_test

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/watchcodec"
)

// generated is the decoder of client-go.
var generated = protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)

// wanted is the record by way of the generated code.
func wanted(t testing.TB, data []byte) (r eventsink.Record, err error) {
	o, _, err := generated.Decode(data, nil, nil)
	if err != nil {
		return r, err
	}
	switch o := o.(type) {
	case *corev1.Event:
		eventsink.FromCore(&r, o)
	case *eventsv1.Event:
		eventsink.FromEvents(&r, o)
	default:
		t.Fatalf("%T", o)
	}
	return r, nil
}

// enveloped is an Event's message as the API server sends it.
func enveloped(apiVersion string, raw []byte) []byte {
	meta := field(field(nil, 1, []byte(apiVersion)), 2, []byte("Event"))
	return field(field([]byte("k8s\x00"), 1, meta), 2, raw)
}

// field appends a length-delimited field of a protobuf message.
func field(dst []byte, number int, value []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(number)<<3|2)
	return append(binary.AppendUvarint(dst, uint64(len(value))), value...)
}

var versions = []string{"v1", "events.k8s.io/v1"}

type marshaler interface{ Marshal() ([]byte, error) }

func marshal(t testing.TB, o marshaler) []byte {
	t.Helper()
	data, err := o.Marshal()
	require.NoError(t, err)
	return data
}

func requireSame(t testing.TB, data []byte) {
	t.Helper()
	want, err := wanted(t, data)
	require.NoError(t, err)
	got := eventsink.Record{Message: "of the last Event", Related: corev1.ObjectReference{Name: "of the last Event"}}
	require.NoError(t, watchcodec.Decode(&got, data))
	require.Equal(t, want, got)
}

// corpus is the Events among the serialized objects that k8s.io/api keeps of each release.
func corpus(t testing.TB) (events [][]byte) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	require.NoError(t, err)
	for _, name := range []string{"core.v1.Event.pb", "events.k8s.io.v1.Event.pb"} {
		files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "*", name))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			events = append(events, data)
		}
	}
	return events
}

func TestEventsOfEveryRelease(t *testing.T) {
	for _, data := range corpus(t) {
		requireSame(t, data)
	}
}

// filled is an Event of each form with some of everything that it can have.
func filled(seed int64) (*corev1.Event, *eventsv1.Event) {
	fill := randfill.NewWithSeed(seed).NilChance(0.3).NumElements(0, 3).Funcs(
		func(at *metav1.Time, c randfill.Continue) {
			if c.Bool() {
				*at = metav1.NewTime(time.Unix(c.Int63n(1<<35)-1<<34, c.Int63n(1e9)))
			}
		},
		func(at *metav1.MicroTime, c randfill.Continue) {
			if c.Bool() {
				*at = metav1.NewMicroTime(time.Unix(c.Int63n(1<<35)-1<<34, c.Int63n(1e9)))
			}
		},
		func(f *metav1.FieldsV1, _ randfill.Continue) { *f = *owned("reason") },
	)
	core, events := &corev1.Event{}, &eventsv1.Event{}
	fill.Fill(core)
	fill.Fill(events)
	return core, events
}

// owned is what a manager owns; the type has no constructor in all releases.
func owned(field string) *metav1.FieldsV1 {
	f := &metav1.FieldsV1{}
	if err := f.UnmarshalJSON([]byte(`{"f:` + field + `":{}}`)); err != nil {
		panic(err)
	}
	return f
}

func TestGeneratedEvents(t *testing.T) {
	seeds := int64(2000)
	if testing.Short() {
		seeds = 200
	}
	for seed := range seeds {
		core, events := filled(seed)
		requireSame(t, enveloped("v1", marshal(t, core)))
		requireSame(t, enveloped("events.k8s.io/v1", marshal(t, events)))
	}
}

// Two messages, one behind the other, are one message in protobuf: the later scalar counts, messages and maps are merged,
// a time is replaced.
func TestRepeatedFields(t *testing.T) {
	for seed := range int64(100) {
		a, b := filled(seed)
		c, d := filled(seed + 10_000)
		requireSame(t, enveloped("v1", append(marshal(t, a), marshal(t, c)...)))
		requireSame(t, enveloped("events.k8s.io/v1", append(marshal(t, b), marshal(t, d)...)))
	}
}

// Bytes that no encoder writes, and the verdict of the generated code on them.
func TestWireFormat(t *testing.T) {
	long := []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}
	for name, c := range map[string]struct {
		raw string
		ok  bool
	}{
		"empty":                          {"", true},
		"unknown length-delimited field": {"\xfa\x01\x03abc\x1a\x01r", true},
		"unknown varint":                 {"\xf8\x01\xff\x01\x1a\x01r", true},
		"unknown fixed32 and fixed64":    {"\xfd\x01abcd\xf9\x01abcdefgh\x1a\x01r", true},
		"unknown fixed32, cut":           {"\xfd\x01abc", false},
		"unknown fixed64, cut":           {"\xf9\x01abcdefg", false},
		"a group":                        {"\xfb\x01\x1a\x01x\xfb\x01\xfc\x01\xfc\x01\x1a\x01r", true},
		"a group, ended by another":      {"\xfb\x01\x0c\x1a\x01r", true},
		"a group without an end":         {"\xfb\x01\x1a\x01x", false},
		"the end of a group":             {"\xfc\x01", false},
		"a group, cut in a number":       {"\xfb\x01\x80", false},
		"a group with an illegal type":   {"\xfb\x01\x0f\xfc\x01", false},
		"field 0":                        {"\x02\x01r", false},
		"a negative field":               {"\xfa\xff\xff\xff\x7f\x01r", false},
		"a field of more than 32 bits":   {"\x9a\x80\x80\x80\x80\x01\x01r", true},
		"wire type 6":                    {"\xfe\x01r", false},
		"reason as a varint":             {"\x18\x01", false},
		"reason as a group":              {"\x1b\x1c", false},
		"metadata as a varint":           {"\x08\x01", false},
		"a reference as a varint":        {"\x10\x01\x40\x01", false},
		"a time as a varint":             {"\x10\x01\x30\x01", false},
		"a time whose number is text":    {"\x12\x02\x0a\x00\x32\x02\x0a\x00", false},
		"a time cut within":              {"\x12\x01\x08\x32\x01\x08", false},
		"a string, cut":                  {"\x1a\x05r", false},
		"a string of negative length":    {"\x1a" + string(long) + "\x01", false},
		"a length without an end":        {"\x1a\x80", false},
		"a length of eleven bytes":       {"\x1a" + string(long) + "\x80\x01", false},
		"a tag of ten bytes":             {"\x9a" + string(long[1:]) + "\x00\x01r", true},
		"metadata cut within":            {"\x0a\x02\x2a\x05", false},
	} {
		for _, version := range versions {
			data := enveloped(version, []byte(c.raw))
			want, wantErr := wanted(t, data)
			var got eventsink.Record
			err := watchcodec.Decode(&got, data)
			require.Equal(t, wantErr == nil, err == nil, "%s of %s: %v, %v", name, version, wantErr, err)
			require.Equal(t, want, got, "%s of %s", name, version)
			if version == "v1" {
				require.Equal(t, c.ok, err == nil, name)
			}
		}
	}
}

// The entry of a map is read as the generated code does, which does not look where it ends.
func TestMapEntries(t *testing.T) {
	for name, c := range map[string]struct {
		metadata string
		ok       bool
	}{
		"empty":                         {"\x5a\x00", true},
		"no value":                      {"\x5a\x03\x0a\x01k", true},
		"no key":                        {"\x62\x03\x12\x01v", true},
		"twice":                         {"\x5a\x06\x0a\x01k\x12\x01v\x5a\x06\x0a\x01k\x12\x01w", true},
		"an unknown field":              {"\x5a\x09\x0a\x01k\x18\x96\x01\x12\x01v", true},
		"a key of any wire type":        {"\x5a\x06\x08\x01k\x15\x01v", true},
		"a value beyond the entry":      {"\x5a\x05\x0a\x01k\x12\x02\x2a\x01u", true},
		"a value beyond the metadata":   {"\x5a\x05\x0a\x01k\x12\x09v", false},
		"a skipped field beyond it":     {"\x5a\x05\x0a\x01k\x1a\x02\x2a\x01u", false},
		"a tag beyond it":               {"\x5a\x01\x8a\x00\x01k", false},
		"cut":                           {"\x5a\x06\x0a\x01k\x12", false},
		"as a varint":                   {"\x58\x01", false},
		"a key cut in its length":       {"\x5a\x02\x0a\x80", false},
		"the end of a group":            {"\x5a\x01\x1c", false},
		"an unknown field without room": {"\x5a\x02\x1a\x05", false},
	} {
		for _, version := range versions {
			data := enveloped(version, field(nil, 1, []byte(c.metadata)))
			want, wantErr := wanted(t, data)
			require.Equal(t, c.ok, wantErr == nil, "%s: %v", name, wantErr)
			var got eventsink.Record
			require.Equal(t, c.ok, watchcodec.Decode(&got, data) == nil, name)
			require.Equal(t, want, got, name)
		}
	}
}

func TestRefusals(t *testing.T) {
	for data, want := range map[string]string{
		"":                 `eventsink/watchcodec: the object does not begin with "k8s\x00": no Event of v1 or events.k8s.io/v1`,
		"k8s\x00":          `eventsink/watchcodec: the object does not begin with "k8s\x00": no Event of v1 or events.k8s.io/v1`,
		`{"kind":"Event"}`: `eventsink/watchcodec: the object does not begin with "k8s\x00": no Event of v1 or events.k8s.io/v1`,
		string(enveloped("events.k8s.io/v1beta1", nil)):                 `eventsink/watchcodec: kind "Event" of apiVersion "events.k8s.io/v1beta1": no Event of v1 or events.k8s.io/v1`,
		"k8s\x00\x0a\x09\x0a\x02v1\x12\x03Pod":                          `eventsink/watchcodec: kind "Pod" of apiVersion "v1": no Event of v1 or events.k8s.io/v1`,
		"k8s\x00\x0a\x05":                                               `eventsink/watchcodec: protobuf of an object: field 1 at byte 0: the message ends within it`,
		"k8s\x00\x08\x05":                                               `eventsink/watchcodec: protobuf of an object: field 1 at byte 0: its wire type is that of another field`,
		"k8s\x00\x0a\x02\x0a\x05":                                       `eventsink/watchcodec: protobuf of an object: typeMeta: field 1 at byte 0: the message ends within it`,
		"k8s\x00\x18\x00":                                               `eventsink/watchcodec: protobuf of an object: field 3 at byte 0: its wire type is that of another field`,
		string(enveloped("v1", []byte("\x1a\x01r\x0a\x02\x2a\x05"))):    `eventsink/watchcodec: protobuf of an Event: metadata: field 5 at byte 0: the message ends within it`,
		string(enveloped("v1", []byte("\x3a\x02\x0a\x00"))):             `eventsink/watchcodec: protobuf of an Event: a time: field 1 at byte 0: its wire type is that of another field`,
		string(enveloped("v1", []byte("\x5a\x01\x0c"))):                 `eventsink/watchcodec: protobuf of an Event: series: field 1 at byte 0: no field begins like this`,
		string(enveloped("v1", []byte("\x2a\x02\x08\x01"))):             `eventsink/watchcodec: protobuf of an Event: source: field 1 at byte 0: its wire type is that of another field`,
		string(enveloped("v1", []byte("\x6a\x02\x08\x01"))):             `eventsink/watchcodec: protobuf of an Event: an object reference: field 1 at byte 0: its wire type is that of another field`,
		string(enveloped("v1", []byte("\x0a\x04\x5a\x02\x0a\x05"))):     `eventsink/watchcodec: protobuf of an Event: metadata: an entry of a map: field 1 at byte 2: the message ends within it`,
		string(enveloped("v1", []byte("\x1a\x00\x80"))):                 `eventsink/watchcodec: protobuf of an Event: field 0 at byte 2: the message ends within it`,
		string(enveloped("v1", []byte("\x5a\x00\x28\x01"))):             `eventsink/watchcodec: protobuf of an Event: field 5 at byte 2: its wire type is that of another field`,
		string(enveloped("v1", []byte("\x58\x01"))):                     `eventsink/watchcodec: protobuf of an Event: field 11 at byte 0: its wire type is that of another field`,
		string(enveloped("v1", field(nil, 11, []byte("\x12\x01\x10")))): `eventsink/watchcodec: protobuf of an Event: series: a time: field 2 at byte 0: the message ends within it`,
		string(enveloped(strings.Repeat("\xff", 500)+"/", nil)):         `eventsink/watchcodec: kind "Event" of apiVersion "": no Event of v1 or events.k8s.io/v1`,
		"k8s\x00\x0a\x00\x12\x02x":                                      `eventsink/watchcodec: protobuf of an object: field 2 at byte 2: the message ends within it`,
	} {
		before := eventsink.Record{UID: "of the last Event"}
		got := before
		err := watchcodec.Decode(&got, []byte(data))
		require.EqualError(t, err, want, "%q", data)
		require.Equal(t, strings.HasSuffix(want, ": "+watchcodec.ErrNotEvent.Error()), errors.Is(err, watchcodec.ErrNotEvent), "%q", data)
		require.Equal(t, before, got)
	}
}

// A record holds on to nothing but what it says: neither to managedFields nor to the frame.
func TestMemory(t *testing.T) {
	core, _ := filled(1)
	core.Labels, core.Annotations = nil, map[string]string{"long": strings.Repeat("a", 200<<10)}
	core.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: owned(strings.Repeat("x", 200<<10))}}
	data := enveloped("v1", marshal(t, core))
	var uids, reasons [100]string
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range uids {
		var r eventsink.Record
		require.NoError(t, watchcodec.Decode(&r, data))
		uids[i], reasons[i] = r.UID, r.Reason
	}
	require.Less(t, heap()-before, int64(1<<20))
	runtime.KeepAlive(&uids)
	runtime.KeepAlive(&reasons)

	core.Annotations, core.Series, core.Related = nil, nil, nil
	data = enveloped("v1", marshal(t, core))
	var r eventsink.Record
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = watchcodec.Decode(&r, data) }), 2., "the identity, and the rest")
}

// FuzzDecode: on any bytes, the record and the verdict are those of the generated code, but that what a record does not
// have is not looked at.
func FuzzDecode(f *testing.F) {
	for i, data := range corpus(f) {
		_, rest, ok := strings.Cut(string(data), "Event\x12") // of the envelope, up to the tag of raw
		require.True(f, ok)
		size, n := binary.Uvarint([]byte(rest))
		f.Add([]byte(rest[n:n+int(size)]), i%2 == 0)
	}
	for seed := range int64(20) {
		core, events := filled(seed)
		f.Add(marshal(f, core), true)
		f.Add(marshal(f, events), false)
	}
	f.Add([]byte("\x0a\x0d\x5a\x05\x0a\x01k\x12\x02\x2a\x01\xfb\x01\xfc\x01"), true)
	f.Fuzz(func(t *testing.T, raw []byte, core bool) {
		version := versions[map[bool]int{true: 0, false: 1}[core]]
		data := enveloped(version, raw)
		before := string(data)
		want, wantErr := wanted(t, data)
		var got eventsink.Record
		err := watchcodec.Decode(&got, data)
		require.Equal(t, before, string(data))
		switch {
		case err != nil:
			require.Error(t, wantErr, "refused alone: %v", err)
			require.Zero(t, got)
			require.Less(t, len(err.Error()), 500)
			return
		case wantErr != nil: // the damage is in what was passed over
			kept, ok := withoutUnread(raw)
			if !ok {
				return // of the few messages that the generated code takes and protobuf does not
			}
			want, err = wanted(t, enveloped(version, kept))
			require.NoError(t, err, "accepted alone: %v", wantErr)
		}
		require.Equal(t, want, got)
	})
}

// withoutUnread is a message of an Event without the fields of its metadata that no record has.
func withoutUnread(raw []byte) (kept []byte, ok bool) {
	read := map[protowire.Number]bool{1: true, 3: true, 5: true, 6: true, 8: true, 11: true, 12: true}
	ok = eachField(raw, func(number protowire.Number, whole []byte) bool {
		if number != 1 {
			kept = append(kept, whole...)
			return true
		}
		_, _, n := protowire.ConsumeTag(whole)
		inner, _ := protowire.ConsumeBytes(whole[n:])
		var metadata []byte
		ok := eachField(inner, func(number protowire.Number, whole []byte) bool {
			if read[number] {
				metadata = append(metadata, whole...)
			}
			return true
		})
		kept = field(kept, 1, metadata)
		return ok
	})
	return kept, ok
}

func eachField(b []byte, do func(protowire.Number, []byte) bool) bool {
	for len(b) > 0 {
		number, _, n := protowire.ConsumeField(b)
		if n < 0 || !do(number, b[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}
