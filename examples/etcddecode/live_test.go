package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// fakeEtcd is an etcd that runs: what it is asked for, and what it answers.
type fakeEtcd struct {
	clientv3.KV
	clientv3.Watcher

	kvs       []*mvccpb.KeyValue // that exist, sorted
	revision  int64
	compacted int64
	most      int // bytes of a response
	err       error
	limits    []int64

	at      map[int64]*mvccpb.KeyValue // at a revision
	watches []clientv3.WatchResponse
	watched []int64 // the revisions that watches began at
	asked   chan struct{}
}

func (f *fakeEtcd) store() *liveStore {
	return &liveStore{&clientv3.Client{KV: f, Watcher: f}}
}

func (f *fakeEtcd) Get(_ context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if f.err != nil {
		return nil, f.err
	}
	op := clientv3.OpGet(key, options...)
	got := &clientv3.GetResponse{Header: &etcdserverpb.ResponseHeader{Revision: f.revision}}
	if op.Rev() != 0 && f.at != nil {
		if op.Rev() < f.compacted {
			return nil, rpctypes.ErrCompacted
		}
		if kv := f.at[op.Rev()]; kv != nil {
			got.Kvs = append(got.Kvs, kv)
		}
		return got, nil
	}
	size := 0
	for _, kv := range f.kvs {
		in := string(kv.Key) == key
		if end := string(op.RangeBytes()); end != "" {
			in = string(kv.Key) >= key && (end == "\x00" || string(kv.Key) < end)
		}
		if !in {
			continue
		}
		if op.Limit() > 0 && int64(len(got.Kvs)) == op.Limit() {
			got.More = true
			break
		}
		size += len(kv.Value)
		got.Kvs = append(got.Kvs, kv)
	}
	f.limits = append(f.limits, op.Limit())
	if f.most > 0 && size > f.most {
		return nil, status.Error(codes.ResourceExhausted, "received message larger than max")
	}
	return got, nil
}

func (f *fakeEtcd) Watch(ctx context.Context, key string, options ...clientv3.OpOption) clientv3.WatchChan {
	f.watched = append(f.watched, clientv3.OpGet(key, options...).Rev())
	out := make(chan clientv3.WatchResponse)
	answers := f.watches
	if len(answers) > 0 && answers[0].CompactRevision != 0 {
		f.watches = f.watches[1:] // the next watch gets the rest
		answers = answers[:1]
	}
	go func() {
		defer close(out)
		for _, a := range answers {
			if a.IsProgressNotify() {
				select {
				case <-f.asked:
				case <-ctx.Done():
					return
				}
			}
			select {
			case out <- a:
			case <-ctx.Done():
				return
			}
		}
		if f.asked == nil {
			return // the watch ends early
		}
		<-ctx.Done()
	}()
	return out
}

// RequestProgress does not wait for the watch, as that of the client does not.
func (f *fakeEtcd) RequestProgress(context.Context) error {
	select {
	case f.asked <- struct{}{}:
	default:
	}
	return nil
}

func kv(key string, create, mod, version int64, value string) *mvccpb.KeyValue {
	return &mvccpb.KeyValue{Key: []byte(key), CreateRevision: create, ModRevision: mod, Version: version, Value: []byte(value)}
}

func response(rev int64, events ...*clientv3.Event) clientv3.WatchResponse {
	return clientv3.WatchResponse{Header: etcdserverpb.ResponseHeader{Revision: rev}, Events: events}
}

func put(kv *mvccpb.KeyValue) *clientv3.Event { return &clientv3.Event{Type: mvccpb.PUT, Kv: kv} }

func deleted(key string, rev int64) *clientv3.Event {
	return &clientv3.Event{Type: mvccpb.DELETE, Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: rev}}
}

func TestLargeValuesComeInSmallPages(t *testing.T) {
	f := &fakeEtcd{revision: 9, most: 3000}
	for i := range 1000 {
		size := 1
		if i >= 600 && i < 620 {
			size = 1000
		}
		f.kvs = append(f.kvs, kv(fmt.Sprintf("/registry/a/%04d", i), 1, int64(i+1), 1, strings.Repeat("x", size)))
	}
	var keys []string
	for r, err := range f.store().Live(t.Context(), etcddb.Query{Prefix: "/registry/"}) {
		require.NoError(t, err)
		keys = append(keys, string(r.Key))
	}
	require.Len(t, keys, 1000)
	require.IsIncreasing(t, keys)
	require.Contains(t, f.limits, int64(1))
	require.Equal(t, int64(maxPage), f.limits[0])
	require.Greater(t, f.limits[len(f.limits)-1], int64(100), "pages grow again")
}

func TestAValueThatIsTooLargeIsAnError(t *testing.T) {
	f := &fakeEtcd{revision: 9, most: 10, kvs: []*mvccpb.KeyValue{kv("/a", 1, 2, 1, strings.Repeat("x", 11))}}
	for _, err := range f.store().Live(t.Context(), etcddb.Query{}) {
		require.ErrorIs(t, err, errLive)
		require.ErrorContains(t, err, "larger than max")
	}
}

func TestLiveQueries(t *testing.T) {
	f := &fakeEtcd{revision: 9, kvs: []*mvccpb.KeyValue{kv("/a", 1, 2, 1, "{}"), kv("/b", 3, 3, 1, "{}")}}
	s := f.store()
	n := 0
	for r, err := range s.Live(t.Context(), etcddb.Query{Match: func(key []byte) bool { return string(key) == "/b" }}) {
		require.NoError(t, err)
		require.Equal(t, etcddb.Record{Rev: etcddb.Revision{Main: 3}, Key: []byte("/b"), Value: []byte("{}"), Size: 2, Create: 3, Mod: 3, Version: 1}, r)
		n++
	}
	require.Equal(t, 1, n)
	r, err := s.Get(t.Context(), "/a", 0)
	require.NoError(t, err)
	require.Equal(t, int64(2), r.Mod)
	_, err = s.Get(t.Context(), "/c", 0)
	require.ErrorIs(t, err, etcddb.ErrNotFound)
	f.err = rpctypes.ErrNoLeader
	_, err = s.Get(t.Context(), "/a", 0)
	require.ErrorIs(t, err, rpctypes.ErrNoLeader)
	for _, err := range s.Live(t.Context(), etcddb.Query{}) {
		require.ErrorIs(t, err, errLive)
	}
	for _, err := range s.History(t.Context(), "/a") {
		require.ErrorIs(t, err, errLive)
	}
}

func historyOf(t *testing.T, f *fakeEtcd) (seen []string, err error) {
	t.Helper()
	for r, err := range f.store().History(t.Context(), "/a") {
		if err != nil {
			return seen, err
		}
		what := string(r.Value)
		if r.Tombstone {
			what = "deleted"
		}
		seen = append(seen, fmt.Sprintf("%d of %d: %s", r.Mod, r.Create, what))
	}
	return seen, nil
}

func TestHistoryOfALiveKey(t *testing.T) {
	f := &fakeEtcd{
		revision: 30, compacted: 10, at: map[int64]*mvccpb.KeyValue{10: kv("/a", 4, 7, 2, "seven")},
		kvs: []*mvccpb.KeyValue{kv("/a", 20, 25, 2, "last")},
		watches: []clientv3.WatchResponse{
			{CompactRevision: 10},
			response(15, put(kv("/a", 4, 12, 3, "twelve")), deleted("/a", 15)),
			response(20, put(kv("/a", 20, 20, 1, "twenty"))),
			response(40, put(kv("/a", 20, 25, 2, "last")), put(kv("/a", 20, 40, 3, "later"))),
		},
	}
	seen, err := historyOf(t, f)
	require.NoError(t, err)
	require.Equal(t, []string{"7 of 4: seven", "12 of 4: twelve", "15 of 4: deleted", "20 of 20: twenty", "25 of 20: last"}, seen)
	require.Equal(t, []int64{1, 11}, f.watched)
}

func TestHistoryOfAKeyThatHasNotChangedSinceTheCompaction(t *testing.T) {
	f := &fakeEtcd{
		revision: 30, compacted: 10, at: map[int64]*mvccpb.KeyValue{10: kv("/a", 4, 7, 2, "seven")},
		kvs: []*mvccpb.KeyValue{kv("/a", 4, 7, 2, "seven")}, watches: []clientv3.WatchResponse{{CompactRevision: 10}},
	}
	seen, err := historyOf(t, f)
	require.NoError(t, err)
	require.Equal(t, []string{"7 of 4: seven"}, seen)
}

// TestHistoryOfADeletedLiveKey has an etcd that answers too early: what comes after is not lost.
func TestHistoryOfADeletedLiveKey(t *testing.T) {
	f := &fakeEtcd{revision: 30, asked: make(chan struct{}, 1)}
	f.watches = append(f.watches, response(30), response(30), response(15, put(kv("/a", 12, 12, 1, "twelve")), deleted("/a", 15)))
	for range progressCount {
		f.watches = append(f.watches, response(31))
	}
	seen, err := historyOf(t, f)
	require.NoError(t, err)
	require.Equal(t, []string{"12 of 12: twelve", "15 of 12: deleted"}, seen)
}

func TestHistoryThatBreaksOff(t *testing.T) {
	f := &fakeEtcd{revision: 30, kvs: []*mvccpb.KeyValue{kv("/a", 20, 25, 2, "last")}, watches: []clientv3.WatchResponse{response(20, put(kv("/a", 20, 20, 1, "twenty")))}}
	seen, err := historyOf(t, f)
	require.Equal(t, []string{"20 of 20: twenty"}, seen)
	require.ErrorIs(t, err, errLive)
	require.ErrorContains(t, err, "the watch ended")
	for _, err := range f.store().History(t.Context(), "/a") {
		require.NoError(t, err)
		break // the consumer may stop
	}
}

func TestLiveFlags(t *testing.T) {
	got := cli(t, nil, "list", "--endpoints", "http://127.0.0.1:1", "--cacert", "testdata/nothing.pem")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "nothing.pem")
	got = cli(t, nil, "history", "/a", "--endpoints", "http://127.0.0.1:1", "-f", shop)
	require.Contains(t, got.err, "choose one")
}
