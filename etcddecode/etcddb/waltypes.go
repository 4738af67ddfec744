package etcddb

// WALInfo says what was read of a write-ahead log.
type WALInfo struct {
	// Files is how many files the log has.
	Files int
	// First and Last are the indexes of the first and last entry, Commit that up to which entries are known to be
	// committed, and Applied that up to which they are in the records.
	First, Last, Commit, Applied uint64
	// Replayed is how many entries were applied on top of the database, Records how many changes of keys they made.
	Replayed, Records int
	// Unknown is how many entries could not be understood, and were left out.
	Unknown int
	// Torn says that the log ends with a record that was not wholly written, as after a power cut.
	Torn bool
	// Err is the damage that ended the reading of the log, or nil.
	Err error
}
