package etcddb_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// A snapshot that was compressed, as backups are: what is in it, and what was deleted lately?
func Example() {
	db, err := etcddb.OpenFile("testdata/etcd-3.6.8/snapshot.gz", etcddb.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx := context.Background()
	keys := 0
	for record, err := range db.Live(ctx, etcddb.Query{Prefix: "/registry/pods/", KeysOnly: true}) {
		if err != nil {
			fmt.Println(err) // one record or page; the walk goes on
			continue
		}
		if keys++; keys == 1 {
			fmt.Printf("%s, revision %s, version %d, %d bytes\n", record.Key, record.Rev, record.Version, record.Size)
		}
	}
	fmt.Println(keys, "keys")
	deleted := 0
	for _, err := range db.Deleted(ctx, etcddb.Query{}) {
		if err == nil {
			deleted++
		}
	}
	fmt.Println(deleted, "deletions can be taken back")
	// Output:
	// /registry/pods/ns/000, revision 98.0, version 7, 19 bytes
	// 21 keys
	// 11 deletions can be taken back
}

// Is a backup whole, and is it the history that the cluster has?
func ExampleDB_Verify() {
	db, err := etcddb.OpenFile("testdata/etcd-3.4.23/snapshot.gz", etcddb.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	report, err := db.Verify(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := db.Info()
	if err != nil {
		fmt.Println(err)
		return
	}
	hash, err := db.HashKV(context.Background(), info.Revision)
	fmt.Println("checksum", report.Checksum, "problems", len(report.Problems), "revision", info.Revision)
	fmt.Println(hash != 0, err)
	// Output:
	// checksum valid problems 0 revision 118
	// true <nil>
}

// A snapshot from a pipe.
func ExampleSpool() {
	file, err := os.Open("testdata/etcd-3.5.21/snapshot.gz")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	spooled, err := etcddb.Spool(context.Background(), file, etcddb.SpoolOptions{MaxSize: 1 << 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = spooled.Close() }()
	db, err := etcddb.Open(spooled, spooled.Size(), etcddb.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := db.Get(context.Background(), "/registry/pods/ns/000", 0)
	fmt.Println(record.Rev, err)
	// Output:
	// 98.0 <nil>
}
