package etcddb

import (
	"errors"
	"fmt"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/bolt"
)

// The conditions that a caller may want to tell apart, with errors.Is.
var (
	// ErrNoMeta means that neither meta page of a file is valid: it is not a database, or its beginning is damaged, or
	// it was compressed or encrypted by another tool. Options.Salvage opens it all the same.
	ErrNoMeta = bolt.ErrNoMeta
	// ErrChanged means that the file changed while it was read, and not as etcd changes it.
	ErrChanged = bolt.ErrChanged
	// ErrNotEtcd means that a database has no bucket "key".
	ErrNotEtcd = errors.New("the database has no bucket \"key\": not a database of etcd v3")
	// ErrNotFound means that a key does not exist at the revision.
	ErrNotFound = errors.New("key not found")
	// ErrCompacted means that the state at a revision is no longer complete.
	ErrCompacted = errors.New("revision has been compacted")
	// ErrFutureRevision means that a revision has not been reached.
	ErrFutureRevision = errors.New("revision is later than the newest")
	// ErrTooLarge means that what a compressed file holds exceeds SpoolOptions.MaxSize.
	ErrTooLarge = errors.New("content exceeds the limit")
	// ErrCorrupt matches every CorruptError.
	ErrCorrupt = bolt.ErrCorrupt
)

// CorruptError is damage at one place of a file.
type CorruptError = bolt.CorruptError

// corruptEntry is an entry of the bucket "key" that is no revision of a key.
func corruptEntry(item *bolt.Item, format string, args ...any) error {
	return &CorruptError{Page: item.Page, Offset: item.Offset, Reason: fmt.Sprintf(format, args...)}
}
