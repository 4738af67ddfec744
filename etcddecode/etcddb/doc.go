// Package etcddb reads what etcd left on a disk, without etcd: a snapshot, a database, a data directory, or what is left
// of one.
//
// It has a page reader of its own for bbolt files, which needs an [io.ReaderAt] and nothing else: no mmap, no lock, no
// write. So it works beside a running etcd, on truncated and on corrupt files. On top are etcd's revisions of keys, and
// beside them its write-ahead log.
//
//	db, err := etcddb.OpenFile("/var/lib/etcd", etcddb.Options{}) // or a snapshot, plain, .gz or .zip
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	for record, err := range db.Live(ctx, etcddb.Query{Prefix: "/registry/pods/"}) {
//		if err != nil {
//			log.Print(err) // one record or page; the walk goes on
//			continue
//		}
//		use(record.Key, record.Value) // valid until the next step; record.Clone() keeps
//	}
//
// # Questions
//
//   - What is there: [DB.Live], at any retained revision and in the order of keys, and [DB.Get] for one key.
//   - What was there: [DB.History] of one key with its tombstones, [DB.Deleted] with the last value of what was deleted,
//     [DB.Revisions] for all that is retained, [DB.Carve] for what pages that nobody refers to still hold.
//   - Is it whole: [DB.Verify] for the checksum of a snapshot and the structure of pages, [DB.HashKV] to compare with
//     the hash that etcd computes of itself.
//   - What is it made of: [DB.Info], [DB.Stats], [DB.Leases], [DB.Bucket], and [WALEntries] for the log.
//
// # Laws
//
//   - The reader never panics, hangs or allocates without bound, whatever the bytes are. Every page is visited at most once
//     in a walk, so cycles and overlaps end; one page with its overflow is at most 64 MiB.
//   - On an undamaged file the records are those that bbolt's cursor finds, in the same order.
//   - What stands in a record was checked against its place: a value's mod_revision is its key's, a page's number is its
//     position, keys ascend and lie between those of the parent. What fails a check is an error that names page and
//     offset, never a record.
//   - Beside a running etcd a walk gives the state of one revision: that at which the walk began.
//   - With a data directory, the database with the log on top is what etcd would have after its next start.
//
// # Running etcd
//
// A page of the transaction that is being read is not overwritten before the next but one transaction, so a look at the
// meta pages after reading tells whether what was read can be trusted. When etcd has committed meanwhile, the walk goes
// on from its last key in the newer tree. Revisions are immutable, so nothing is lost or seen twice; only a compaction
// beyond the revision of the walk makes it incomplete, and then its last element is [ErrCompacted].
//
// # Memory
//
// [DB.Revisions], [DB.History], [DB.HashKV] and [DB.Get] need buffers of 512 KiB, or the largest page if that is larger
// (HashKV 100 bytes for each key if a compaction has been at work). [DB.Live] and [DB.Deleted] keep an index, about 100
// bytes and the key for each key there was; with [Query.NewestFirst], Live keeps 40 bytes for each key and no keys.
// [DB.Carve] keeps 16 bytes for each revision in the database and 80 for each one found. A data directory with entries to
// replay keeps an index and the values these entries wrote.
//
// # Limits
//
// Databases of etcd 3.0 to 3.7 have the one layout that is read here. The v2 store is not read. With etcd's own
// authentication switched on, entries of the log that etcd would refuse for want of a permission are applied.
//
// A [DB] is immutable and safe for concurrent use if its io.ReaderAt is. All memory that records refer to belongs to the
// iteration, until its next step.
package etcddb
