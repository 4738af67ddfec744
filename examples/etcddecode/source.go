package main

import (
	"context"
	"errors"
	"flag"
	"iter"
	"strings"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// store is where records come from: a database, or a live etcd.
type store interface {
	Live(ctx context.Context, q etcddb.Query) iter.Seq2[etcddb.Record, error]
	Get(ctx context.Context, key string, rev int64) (etcddb.Record, error)
	History(ctx context.Context, key string) iter.Seq2[etcddb.Record, error]
	Close() error
}

// source is the flags that say which store.
type source struct {
	file      string
	revision  int64
	previous  bool
	ignoreWAL bool
	salvage   bool
	live      liveFlags
}

func (o *source) add(fs *flag.FlagSet) {
	o.addFile(fs)
	o.addLive(fs)
	fs.Int64Var(&o.revision, "rev", 0, "look at this revision, which must not be compacted; 0 is the newest")
}

func (o *source) addLive(fs *flag.FlagSet) {
	fs.StringVar(&o.live.endpoints, "endpoints", "", "read a live etcd at these URLs, with commas between them")
	fs.StringVar(&o.live.cacert, "cacert", "", "file with the CA of the live etcd")
	fs.StringVar(&o.live.cert, "cert", "", "file with the client certificate for the live etcd")
	fs.StringVar(&o.live.key, "key-file", "", "file with the key of the client certificate")
}

func (o *source) addFile(fs *flag.FlagSet) {
	fs.StringVar(&o.file, "f", "", "snapshot, database or data directory")
	fs.BoolVar(&o.previous, "previous", false, "read the transaction before the last one, for a database whose last one is damaged")
	fs.BoolVar(&o.ignoreWAL, "ignore-wal", false, "read the database of a data directory without the log after it")
}

func (o *source) open() (store, error) {
	if o.live.endpoints != "" {
		if o.file != "" {
			return nil, errors.New("-f and --endpoints are both given; choose one")
		}
		return o.live.open()
	}
	return o.openFile()
}

func (o *source) openFile() (*etcddb.DB, error) {
	if o.file == "" {
		return nil, errors.New("no source: -f names a snapshot, a database or a data directory")
	}
	return o.openNamed(o.file)
}

func (o *source) openNamed(name string) (*etcddb.DB, error) {
	return etcddb.OpenFile(name, etcddb.Options{Previous: o.previous, IgnoreWAL: o.ignoreWAL, Salvage: o.salvage})
}

// parse parses flags and the arguments among them: flags may follow arguments, as with kubectl.
func parse(fs *flag.FlagSet, args []string, most int) ([]string, error) {
	var rest []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if args = fs.Args(); len(args) > 0 {
			rest = append(rest, args[0])
			args = args[1:]
		}
	}
	if len(rest) > most {
		return nil, errors.New("more arguments than there should be: " + strings.Join(rest[most:], " "))
	}
	return rest, nil
}
