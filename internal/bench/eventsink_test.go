package bench

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	restwatch "k8s.io/client-go/rest/watch"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
	"github.com/kubewright/kubewright/eventsink/watchcodec"
)

var eventTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// kubeletEvent is the i-th Event of a run, as a kubelet writes it, with its managedFields.
func kubeletEvent(i int) *corev1.Event {
	return &corev1.Event{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-7c5ddbdf54-x2x9k.17f3b1c0a9d4e2f1", Namespace: "shop", UID: types.UID(fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012x", i)),
			ResourceVersion: fmt.Sprint(184467 + i), CreationTimestamp: metav1.NewTime(eventTime),
			ManagedFields: []metav1.ManagedFieldsEntry{{
				Manager: "kubelet", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: new(metav1.NewTime(eventTime)), FieldsType: "FieldsV1",
				FieldsV1: metav1.NewFieldsV1(`{"f:count":{},"f:firstTimestamp":{},"f:involvedObject":{},"f:lastTimestamp":{},"f:message":{},"f:reason":{},"f:source":{"f:component":{},"f:host":{}},"f:type":{}}`),
			}},
		},
		InvolvedObject: corev1.ObjectReference{
			Kind: "Pod", Namespace: "shop", Name: "web-7c5ddbdf54-x2x9k", UID: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
			APIVersion: "v1", ResourceVersion: "184301", FieldPath: "spec.containers{web}",
		},
		Reason: "BackOff", Message: "Back-off restarting failed container web in pod web-7c5ddbdf54-x2x9k_shop(7c9e6679-7425-40de-944b-e07fc1f90ae7)",
		Source:         corev1.EventSource{Component: "kubelet", Host: "node-17.example.com"},
		FirstTimestamp: metav1.NewTime(eventTime.Add(-time.Minute)), LastTimestamp: metav1.NewTime(eventTime), Count: 7, Type: "Warning",
		ReportingController: "kubelet", ReportingInstance: "node-17.example.com",
	}
}

// stream is n frames of a watch in a media type.
func stream(b testing.TB, mediaType string, n int) []byte {
	info := serializer(b, mediaType)
	codec := clientgoscheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion)
	var out bytes.Buffer
	frames := streaming.NewEncoder(info.StreamSerializer.NewFrameWriter(&out), info.StreamSerializer.Serializer)
	encoder := restwatch.NewEncoder(frames, codec)
	for i := range n {
		require.NoError(b, encoder.Encode(&watch.Event{Type: watch.Added, Object: kubeletEvent(i)}))
	}
	return out.Bytes()
}

func serializer(b testing.TB, mediaType string) runtime.SerializerInfo {
	info, ok := runtime.SerializerInfoForMediaType(clientgoscheme.Codecs.SupportedMediaTypes(), mediaType)
	require.True(b, ok)
	return info
}

// generated is how client-go's typed clients decode.
var generated = clientgoscheme.Codecs.WithoutConversion()

// decoder reads a stream as client-go does (rest.Request.Watch), with a serializer.
func decoder(b testing.TB, s runtime.NegotiatedSerializer, mediaType string, text []byte) *restwatch.Decoder {
	objects, frames, framer, err := runtime.NewClientNegotiator(s, corev1.SchemeGroupVersion).StreamDecoder(mediaType, nil)
	require.NoError(b, err)
	reader := framer.NewFrameReader(io.NopCloser(bytes.NewReader(text)))
	return restwatch.NewDecoder(streaming.NewDecoder(reader, frames), objects)
}

// store is a server that counts documents and answers as Elasticsearch does. It reads into memory that it keeps, as a
// server does that is measured for its clients.
type store struct {
	*httptest.Server
	documents int
	body      []byte // of one request after the other
}

func newStore(b testing.TB) *store {
	s := &store{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.body = slices.Grow(s.body[:0], int(r.ContentLength))[:r.ContentLength]
		if _, err := io.ReadFull(r.Body, s.body); err != nil {
			return
		}
		if r.URL.Path != "/_bulk" {
			s.documents++
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"_index":"k8s-events","_id":"x","_version":1,"result":"created"}`)
			return
		}
		n := bytes.Count(s.body, []byte("\n")) / 2
		s.documents += n
		_, _ = io.WriteString(w, `{"errors":false,"items":[`+strings.TrimSuffix(strings.Repeat(`{"index":{"status":201}},`, n), ",")+`]}`)
	}))
	b.Cleanup(s.Close)
	return s
}

// collect is the whole path: protobuf watch, verdict, series, batches to _bulk, every answer read, checkpoint. Without a
// URL every document is settled when its batch is full.
func collect(b testing.TB, text []byte, n int, url string) {
	client, err := elastic.NewClient(elastic.Options{URLs: []string{cmp.Or(url, "http://unused")}})
	require.NoError(b, err)
	flow, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(b, err)
	frames := decoder(b, watchcodec.NewSerializer(generated), runtime.ContentTypeProtobuf, text)
	send := func(batch *eventsink.Batch) {
		if batch == nil {
			return
		}
		for i := 0; url == "" && i < batch.Len(); i++ {
			flow.Settle(batch.Token(i), eventsink.Delivered, "")
		}
		defer flow.Recycle(batch)
		if url == "" {
			return
		}
		d := elastic.NewDelivery(batch, elastic.DeliveryOptions{})
		for part, _ := d.Next(); part != nil; part, _ = d.Next() {
			for _, s := range d.Settle(client.Bulk(context.Background(), part.Bytes())) {
				flow.Settle(s.Token, s.Outcome, "")
			}
		}
	}
	for range n {
		_, object, err := frames.Decode()
		if err == nil {
			_, err = flow.Admit(eventTime, &object.(*watchcodec.Event).Record, true)
		}
		if err != nil {
			b.Fatal(err)
		}
		send(flow.Next(eventTime, false))
	}
	send(flow.Next(eventTime, true))
	l := flow.Ledger()
	require.Equal(b, uint64(n), l.Delivered)
}

// export is the usual exporter: a watch in JSON, json.Marshal, and one request for each document, unless there is no
// URL.
func export(b testing.TB, text []byte, n int, url string) {
	frames := decoder(b, generated, runtime.ContentTypeJSON, text)
	for range n {
		_, object, err := frames.Decode()
		if err != nil {
			b.Fatal(err)
		}
		event := object.(*corev1.Event)
		doc, err := json.Marshal(event)
		if err != nil {
			b.Fatal(err)
		}
		if url == "" {
			continue
		}
		resp, err := http.Post(url+"/k8s-events/_doc/"+string(event.UID), "application/json", bytes.NewReader(doc))
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(b, err)
		require.NoError(b, resp.Body.Close())
		require.Equal(b, http.StatusCreated, resp.StatusCode)
	}
}

// BenchmarkEvents takes Events from the bytes of a watch to the answer of a local server (deliver, with the server's own
// work) or to the bytes of a request (render). One operation is one Event. A process reads up to 100,000 of them before the
// next one starts, so that it is the work that counts and not the first batch, for which memory has to be found.
func BenchmarkEvents(b *testing.B) {
	for _, c := range []struct {
		work, by, mediaType string
		run                 func(testing.TB, []byte, int, string)
		n                   int
	}{
		{"deliver", "kubewright", runtime.ContentTypeProtobuf, collect, 100_000},
		{"deliver", "exporter", runtime.ContentTypeJSON, export, 1000},
		{"render", "kubewright", runtime.ContentTypeProtobuf, collect, 100_000},
		{"render", "exporter", runtime.ContentTypeJSON, export, 1000},
	} {
		b.Run(c.work+"/"+c.by, func(b *testing.B) {
			text := stream(b, c.mediaType, min(c.n, b.N))
			url := ""
			if c.work == "deliver" {
				url = newStore(b).URL
			}
			b.ReportAllocs()
			b.ResetTimer()
			start := cpuTime()
			for done := 0; done < b.N; done += c.n {
				n := min(c.n, b.N-done)
				c.run(b, text, n, url)
			}
			used := cpuTime() - start
			b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(b.N)/used.Seconds(), "events/cpu-s")
		})
	}
}

// BenchmarkEventSteps is where the time goes. The last two are what they replace.
func BenchmarkEventSteps(b *testing.B) {
	event := kubeletEvent(0)
	var record eventsink.Record
	eventsink.FromCore(&record, event)
	renderer, err := eventsink.NewRenderer(eventsink.Format{Cluster: "blue"})
	require.NoError(b, err)
	tracker := eventsink.NewTracker(0, 0, eventTime)
	aggregator, err := eventsink.NewAggregator(eventsink.Limits{})
	require.NoError(b, err)
	var buf []byte
	items := []byte(`{"errors":false,"items":[` + string(bytes.TrimSuffix(bytes.Repeat([]byte(`{"index":{"status":201}},`), 5000), []byte(","))) + `]}`)
	for _, c := range []struct {
		name string
		step func()
	}{
		{"FromCore", func() { eventsink.FromCore(&record, event) }},
		{"Tracker", func() { record.Occurrences++; tracker.Observe(&record, eventTime, true) }},
		{"Aggregator", func() { aggregator.Add(&record, eventsink.Repeat, 1) }},
		{"AppendBulk", func() { buf = renderer.AppendBulk(buf[:0], &record) }},
		{"Items5000", func() {
			for _, err := range elastic.Items(items, 5000) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"Marshal", func() {
			if _, err := json.Marshal(event); err != nil {
				b.Fatal(err)
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			start := cpuTime()
			for b.Loop() {
				c.step()
			}
			b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
		})
	}
	b.Run("Tracker500k", func(b *testing.B) {
		manyUIDs(b, func(uids []eventsink.Record) func(i int) {
			tracker := eventsink.NewTracker(0, 0, eventTime)
			return func(i int) { tracker.Observe(&uids[i], eventTime, true) }
		})
	})
	b.Run("Map500k", func(b *testing.B) {
		manyUIDs(b, func(uids []eventsink.Record) func(i int) {
			seen := map[string]uint32{}
			return func(i int) {
				if r := &uids[i]; r.Occurrences > seen[r.UID] {
					seen[r.UID] = r.Occurrences
				}
			}
		})
	})
	for _, c := range []struct {
		name, mediaType string
		serializer      runtime.NegotiatedSerializer
	}{
		{"record", runtime.ContentTypeProtobuf, watchcodec.NewSerializer(generated)},
		{"protobuf", runtime.ContentTypeProtobuf, generated},
		{"json", runtime.ContentTypeJSON, generated},
	} {
		b.Run("Decode/"+c.name, func(b *testing.B) {
			const n = 5000
			text := stream(b, c.mediaType, n)
			var frames *restwatch.Decoder
			b.ReportAllocs()
			b.ResetTimer()
			start := cpuTime()
			for i := range b.N {
				if i%n == 0 {
					frames = decoder(b, c.serializer, c.mediaType, text)
				}
				if _, _, err := frames.Decode(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
		})
	}
}

// manyUIDs counts repeats of half a million Events, in turn, so that each is a miss of the cache: a plain map from UID to
// occurrences is what a Tracker costs at the least.
func manyUIDs(b *testing.B, remember func(uids []eventsink.Record) func(i int)) {
	records := make([]eventsink.Record, 500_000)
	for i := range records {
		records[i] = eventsink.Record{UID: fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012x", i), Created: eventTime}
	}
	step := remember(records)
	next := func() func() {
		i := 0
		return func() {
			records[i].Occurrences++
			step(i)
			if i++; i == len(records) {
				i = 0
			}
		}
	}()
	for range records {
		next()
	}
	b.ReportAllocs()
	b.ResetTimer()
	start := cpuTime()
	for b.Loop() {
		next()
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
}

// Both sides deliver every Event of the same stream.
func TestSameDocuments(t *testing.T) {
	const n = 50
	a, b := newStore(t), newStore(t)
	collect(t, stream(t, runtime.ContentTypeProtobuf, n), n, a.URL)
	export(t, stream(t, runtime.ContentTypeJSON, n), n, b.URL)
	require.Equal(t, n, a.documents)
	require.Equal(t, n, b.documents)
}
