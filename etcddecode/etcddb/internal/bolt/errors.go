package bolt

import (
	"errors"
	"fmt"
)

// The conditions that callers tell apart.
var (
	ErrNoMeta   = errors.New("neither meta page is valid: not a bbolt database, or damaged at its beginning")
	ErrChanged  = errors.New("the file changed while it was read, and not as a database does")
	ErrCorrupt  = errors.New("corrupt")
	ErrNoBucket = errors.New("no such bucket")
)

// CorruptError is damage at one place of a file. It never quotes a value.
type CorruptError struct {
	// Page is the page at fault, or the index of the raft entry in a write-ahead log.
	Page uint64
	// Offset is the position in the file.
	Offset int64
	// File is the name of the file where there are several, as in a write-ahead log.
	File string
	// Reason says what is wrong.
	Reason string
	// Err is the cause, such as an error of reading, or nil.
	Err error
}

// Error names the place and the reason.
func (e *CorruptError) Error() string {
	place := fmt.Sprintf("page %d, offset %d", e.Page, e.Offset)
	if e.File != "" {
		place = fmt.Sprintf("%s, offset %d", e.File, e.Offset)
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", place, e.Reason, e.Err)
	}
	return place + ": " + e.Reason
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Unwrap returns the cause, or nil.
func (e *CorruptError) Unwrap() error { return e.Err }
