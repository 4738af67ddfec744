package etcddb

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// load makes changes of every kind, in a random order that the seed determines.
type load struct {
	client *clientv3.Client
	rng    *rand.Rand
	keys   int
	small  bool // values
	leases []clientv3.LeaseID
}

func newLoad(e *etcd, seed uint64, keys int) *load {
	return &load{client: e.client, rng: rand.New(rand.NewPCG(seed, 2)), keys: keys}
}

func (l *load) key() string { return fmt.Sprintf("/registry/pods/ns/%03d", l.rng.IntN(l.keys)) }

func (l *load) value() string {
	if l.small {
		return string(bytes.Repeat([]byte{byte('a' + l.rng.IntN(26))}, l.rng.IntN(50)))
	}
	return string(bytes.Repeat([]byte{byte('a' + l.rng.IntN(26))}, l.rng.IntN(1+l.rng.IntN(8000))))
}

// ops are puts and deletes of different keys, as one transaction may have them.
func (l *load) ops() (ops []clientv3.Op) {
	first := l.rng.IntN(l.keys)
	for i := range 1 + l.rng.IntN(4) {
		key := fmt.Sprintf("/registry/pods/ns/%03d", (first+i)%l.keys)
		if l.rng.IntN(3) == 0 {
			ops = append(ops, clientv3.OpDelete(key))
		} else {
			ops = append(ops, clientv3.OpPut(key, l.value()))
		}
	}
	return ops
}

func (l *load) step(ctx context.Context, t *testing.T) {
	t.Helper()
	var err error
	key := l.key()
	switch l.rng.IntN(14) {
	case 0, 1, 2, 3:
		_, err = l.client.Put(ctx, key, l.value())
	case 4:
		_, err = l.client.Delete(ctx, key)
	case 5:
		_, err = l.client.Delete(ctx, key, clientv3.WithRange(l.key()))
	case 6, 7: // as the API server creates and updates
		answer, e := l.client.Get(ctx, key)
		require.NoError(t, e)
		mod := int64(l.rng.IntN(2)) // sometimes wrong
		if len(answer.Kvs) > 0 {
			mod += answer.Kvs[0].ModRevision
		}
		_, err = l.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", mod)).
			Then(clientv3.OpPut(key, l.value())).Else(clientv3.OpGet(key)).Commit()
	case 8:
		_, err = l.client.Txn(ctx).If(
			clientv3.Compare(clientv3.Value(key), ">", "m"),
			clientv3.Compare(clientv3.CreateRevision(key), "<", 40),
			clientv3.Compare(clientv3.Version("/registry/pods/ns/").WithPrefix(), "<", 9),
		).Then(l.ops()...).Else(l.ops()...).Commit()
	case 9:
		_, err = l.client.Txn(ctx).Then(clientv3.OpTxn(
			[]clientv3.Cmp{clientv3.Compare(clientv3.LeaseValue(key), "!=", 0)}, l.ops(), l.ops())).Commit()
	case 10:
		err = l.keepOld(ctx, t, key)
	case 11:
		lease, e := l.client.Grant(ctx, 3600)
		require.NoError(t, e)
		l.leases = append(l.leases, lease.ID)
		for range 3 {
			_, e = l.client.Put(ctx, l.key(), l.value(), clientv3.WithLease(lease.ID))
			require.NoError(t, e)
		}
	case 12:
		if len(l.leases) > 0 {
			_, err = l.client.Revoke(ctx, l.leases[0])
			l.leases = l.leases[1:]
		}
	case 13: // refused: there is no such lease
		_, e := l.client.Put(ctx, key, "refused", clientv3.WithLease(12345))
		require.Error(t, e)
	}
	require.NoError(t, err)
}

// keepOld puts a key with its old value or its old lease. That of a key that does not exist is refused.
func (l *load) keepOld(ctx context.Context, t *testing.T, key string) error {
	t.Helper()
	answer, err := l.client.Get(ctx, key)
	require.NoError(t, err)
	option, value := clientv3.WithIgnoreValue(), ""
	if l.rng.IntN(2) == 0 {
		option, value = clientv3.WithIgnoreLease(), l.value()
	}
	_, err = l.client.Put(ctx, key, value, option)
	if len(answer.Kvs) == 0 {
		require.Error(t, err)
		return nil
	}
	return err
}

// hashKV is what etcd computes of itself at a revision.
func hashKV(t *testing.T, e *etcd, rev int64) *pb.HashKVResponse {
	t.Helper()
	answer, err := e.client.HashKV(t.Context(), "unix://"+e.dir+"/client:1", rev)
	require.NoError(t, err)
	return (*pb.HashKVResponse)(answer)
}
