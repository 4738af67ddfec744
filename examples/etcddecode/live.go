package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

type liveFlags struct{ endpoints, cacert, cert, key string }

// liveStore reads an etcd that runs, all at one revision, a page of keys at a time.
type liveStore struct{ client *clientv3.Client }

// A page has at most so many records, and a response so many bytes: many large values are asked for in smaller pages.
const (
	maxPage     = 500
	maxResponse = 32 << 20
)

func (o *liveFlags) open() (store, error) {
	var config *tls.Config
	if o.cacert != "" || o.cert != "" {
		info := transport.TLSInfo{TrustedCAFile: o.cacert, CertFile: o.cert, KeyFile: o.key}
		var err error
		if config, err = info.ClientConfig(); err != nil {
			return nil, err
		}
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: strings.Split(o.endpoints, ","), TLS: config, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
		MaxCallRecvMsgSize: maxResponse,
	})
	if err != nil {
		return nil, err
	}
	return &liveStore{client}, nil
}

func (s *liveStore) Close() error { return s.client.Close() }

func (s *liveStore) Get(ctx context.Context, key string, rev int64) (etcddb.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	got, err := s.client.Get(ctx, key, clientv3.WithRev(rev))
	if err != nil {
		return etcddb.Record{}, err
	}
	if len(got.Kvs) == 0 {
		return etcddb.Record{}, etcddb.ErrNotFound
	}
	kv := got.Kvs[0]
	return record(kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease), nil
}

func record(key, value []byte, create, mod, version, lease int64) etcddb.Record {
	return etcddb.Record{
		Rev: etcddb.Revision{Main: mod}, Key: key, Value: value, Size: len(value),
		Create: create, Mod: mod, Version: version, Lease: lease,
	}
}

// errLive ends the walk of a live etcd: what would have come after it is not known.
var errLive = errors.New("read the live etcd")

// Live walks the keys. Every page after the first is read at the revision of the first.
func (s *liveStore) Live(ctx context.Context, q etcddb.Query) iter.Seq2[etcddb.Record, error] {
	return func(yield func(etcddb.Record, error) bool) {
		from, end := q.Prefix, clientv3.GetPrefixRangeEnd(q.Prefix)
		if from == "" {
			from, end = "\x00", "\x00"
		}
		rev, limit := q.Revision, int64(maxPage)
		for {
			got, err := s.page(ctx, from, end, rev, limit, q.KeysOnly)
			if status.Code(err) == codes.ResourceExhausted && limit > 1 {
				limit = max(1, limit/4)
				continue
			}
			if err != nil {
				yield(etcddb.Record{}, fmt.Errorf("%w: %w", errLive, err))
				return
			}
			limit = min(2*limit, maxPage)
			rev = got.Header.Revision
			if q.Revision != 0 {
				rev = q.Revision
			}
			for _, kv := range got.Kvs {
				from = string(kv.Key) + "\x00"
				if q.Match != nil && !q.Match(kv.Key) {
					continue
				}
				if !yield(record(kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease), nil) {
					return
				}
			}
			if !got.More {
				return
			}
		}
	}
}

func (s *liveStore) page(ctx context.Context, from, end string, rev, limit int64, keysOnly bool) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	options := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(limit), clientv3.WithRev(rev)}
	if keysOnly {
		options = append(options, clientv3.WithKeysOnly())
	}
	return s.client.Get(ctx, from, options...)
}
