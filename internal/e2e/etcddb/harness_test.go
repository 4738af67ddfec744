// Package etcddb holds the end-to-end tests of etcddecode/etcddb: etcd 3.6, as Kubernetes builds it, and Debian's etcd
// 3.4 write, and the reader must agree with what they answer.
package etcddb

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
	"github.com/kubewright/kubewright/internal/e2e/binaries"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/components"
)

var shared cluster.Shared // builds or finds the binaries; no cluster is started

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// versions runs a test with each etcd there is.
func versions(t *testing.T, test func(t *testing.T, program string)) {
	t.Run("3.6", func(t *testing.T) {
		bin, err := binaries.Ensure(t.Context())
		if err != nil {
			t.Skipf("e2e: no etcd: %v", err)
		}
		test(t, bin.Etcd)
	})
	t.Run("3.4", func(t *testing.T) { test(t, components.Program(t, "etcd", "etcd-server")) })
}

// etcd is a running member without peers. It listens on sockets in its directory, so no port can be taken.
type etcd struct {
	t       *testing.T
	program string
	args    []string
	dir     string
	cmd     *exec.Cmd
	done    chan struct{}
	client  *clientv3.Client
}

func startEtcd(t *testing.T, program string, args ...string) *etcd {
	t.Helper()
	dir, err := os.MkdirTemp("", "etcd") // t.TempDir is too long for the name of a socket
	require.NoError(t, err)
	e := &etcd{t: t, program: program, args: args, dir: dir}
	t.Cleanup(func() {
		e.kill()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("end of etcd's log:\n%s", log[max(0, len(log)-1000):])
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	e.start()
	return e
}

func (e *etcd) start() {
	e.t.Helper()
	for _, socket := range []string{"client:1", "peer:1"} { // left by a process that was killed
		_ = os.Remove(filepath.Join(e.dir, socket))
	}
	e.cmd = exec.Command(e.program, append([]string{
		"--name=e", "--data-dir=data", "--listen-client-urls=unix://client:1", "--listen-peer-urls=unix://peer:1",
		"--advertise-client-urls=http://127.0.0.1:1", "--initial-advertise-peer-urls=http://127.0.0.1:1", "--initial-cluster=e=http://127.0.0.1:1",
	}, e.args...)...)
	e.cmd.Dir = e.dir
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(e.t, err)
	defer func() { _ = log.Close() }()
	e.cmd.Stdout, e.cmd.Stderr = log, log
	require.NoError(e.t, e.cmd.Start())
	e.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // it is killed
		close(done)
	}(e.cmd, e.done)
	e.client, err = clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + filepath.Join(e.dir, "client:1")}, Logger: zap.NewNop()})
	require.NoError(e.t, err)
	cluster.Eventually(e.t, 30*time.Second, func() error {
		ctx, cancel := context.WithTimeout(e.t.Context(), time.Second)
		defer cancel()
		_, err := e.client.Get(ctx, "ready")
		return err
	})
}

// kill ends etcd without giving it a chance.
func (e *etcd) kill() {
	if e.cmd == nil {
		return
	}
	_ = e.client.Close()
	_ = e.cmd.Process.Kill()
	<-e.done
	e.cmd = nil
}

func (e *etcd) data() string { return filepath.Join(e.dir, "data") }

func (e *etcd) database() string { return filepath.Join(e.dir, "data", "member", "snap", "db") }

// snapshot saves what `etcdctl snapshot save` saves.
func (e *etcd) snapshot() []byte {
	e.t.Helper()
	r, err := e.client.Snapshot(e.t.Context())
	require.NoError(e.t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	require.NoError(e.t, err)
	return b.Bytes()
}

// rangeAt is what etcd answers at a revision, as the reader's records.
func (e *etcd) rangeAt(rev int64) []etcddb.Record {
	e.t.Helper()
	var answer *clientv3.GetResponse
	cluster.Eventually(e.t, 30*time.Second, func() (err error) {
		// An entry is in the log a moment before etcd applies it.
		answer, err = e.client.Get(e.t.Context(), "", clientv3.WithPrefix(), clientv3.WithRev(rev))
		return err
	})
	var records []etcddb.Record
	for _, kv := range answer.Kvs {
		records = append(records, record(kv))
	}
	return records
}

func record(kv *mvccpb.KeyValue) etcddb.Record {
	r := etcddb.Record{
		Rev: etcddb.Revision{Main: kv.ModRevision}, Key: kv.Key, Value: kv.Value, Size: len(kv.Value),
		Create: kv.CreateRevision, Mod: kv.ModRevision, Version: kv.Version, Lease: kv.Lease,
	}
	if len(r.Value) == 0 {
		r.Value = nil
	}
	return r
}

// live is what the reader finds, without what etcd does not tell.
func live(t *testing.T, db *etcddb.DB, q etcddb.Query) []etcddb.Record {
	t.Helper()
	var records []etcddb.Record
	for r, err := range db.Live(t.Context(), q) {
		require.NoError(t, err)
		r = r.Clone()
		r.Rev.Sub, r.Origin, r.Page, r.Offset = 0, 0, 0, 0
		if len(r.Value) == 0 {
			r.Value = nil
		}
		records = append(records, r)
	}
	return records
}

func openFile(t *testing.T, name string) *etcddb.DB {
	t.Helper()
	db, err := etcddb.OpenFile(name, etcddb.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// requireSame compares records one by one: a difference of whole databases takes minutes to print.
func requireSame(t *testing.T, want, got []etcddb.Record, format string, args ...any) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Fatalf("record %d of %d "+format+": %s", append([]any{i, len(want)}, append(args, diff)...)...)
		}
	}
	require.Len(t, got, len(want), append([]any{format}, args...)...)
}
