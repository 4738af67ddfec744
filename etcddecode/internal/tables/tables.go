// Package tables holds the shape of every Kubernetes API type on the wire: field numbers, kinds and JSON names.
//
// It is constant data without initialization. One table serves all minor releases that the generator reads: a field
// number keeps its meaning over the life of an API version, so the union of all releases decodes what any of them
// wrote, and the flag Removed says that the newest release no longer has a field.
package tables

//go:generate go run -C gen . -o ../generated.go

import (
	"slices"
	"strings"
)

// MessageID is a message of the table.
type MessageID uint16

// Kind is what a field holds. List and map fields have the kind of their elements; keys of maps are strings.
type Kind uint8

// The kinds.
const (
	String          Kind = iota
	Bool                 // varint
	Int32                // varint
	Int64                // varint
	Uint64               // varint
	Double               // fixed64
	Bytes                // base64 in JSON
	Message              // Field.Message
	Time                 // Timestamp, seconds in JSON
	MicroTime            // Timestamp, microseconds in JSON
	Duration             // message of 1 int64, nanoseconds; text like 1m0s in JSON
	Quantity             // message of 1 string; text in JSON
	IntOrString          // message of 1 type, 2 int, 3 string
	Raw                  // message of 1 bytes, which are JSON
	Items                // message of 1 repeated string; a list in JSON
	SchemaOrBool         // message of 1 bool, 2 Field.Message
	SchemaOrArray        // message of 1 Field.Message, 2 repeated Field.Message
	SchemaOrStrings      // message of 1 Field.Message, 2 repeated string
)

// Flags describe a field beyond its kind.
type Flags uint8

// The flags.
const (
	List      Flags = 1 << iota
	Map             // message of 1 key, 2 value
	Pointer         // absent and zero are different
	OmitEmpty       // not in JSON when empty
	OmitZero        // a struct that is not in JSON when all of it is zero
	Null            // null in JSON when it is absent on the wire
	Inline          // its fields stand among those of the message around it
	Removed         // the newest release does not have it
)

// Field is one field of a message.
type Field struct {
	Name    string
	Number  uint16
	Message MessageID
	Kind    Kind
	Flags   Flags
}

// Has reports whether all of the flags are set.
func (f *Field) Has(flags Flags) bool { return f.Flags&flags == flags }

type kind struct {
	name    string // apiVersion/Kind
	message MessageID
}

type span struct{ from, to uint16 }

// Newest is the Kubernetes minor release that the flag Removed refers to, 1.37 say.
func Newest() string {
	return "1" + strings.TrimPrefix(newest[:strings.LastIndexByte(newest, '.')], "v0")
}

// Lookup returns the message of a kind.
func Lookup(apiVersion, kindName string) (MessageID, bool) {
	i, ok := slices.BinarySearchFunc(kinds[:], kindName, func(k kind, _ string) int {
		return compareKey(k.name, apiVersion, kindName)
	})
	if !ok {
		return 0, false
	}
	return kinds[i].message, true
}

// compareKey compares name with apiVersion/kind, which it does not build.
func compareKey(name, apiVersion, kindName string) int {
	n := min(len(name), len(apiVersion))
	if c := strings.Compare(name[:n], apiVersion[:n]); c != 0 {
		return c
	}
	if len(name) <= len(apiVersion) {
		return -1
	}
	if name[n] != '/' {
		return int(name[n]) - '/'
	}
	return strings.Compare(name[n+1:], kindName)
}

// Fields returns the fields of a message in the order of their numbers. They must not be modified.
func (m MessageID) Fields() []Field {
	s := spans[m]
	return fields[s.from:s.to:s.to]
}

// Kinds yields all kinds, sorted.
func Kinds(yield func(apiVersion, kind string) bool) {
	for i := range kinds {
		slash := strings.LastIndexByte(kinds[i].name, '/')
		if !yield(kinds[i].name[:slash], kinds[i].name[slash+1:]) {
			return
		}
	}
}
