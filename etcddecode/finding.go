package etcddecode

import "strconv"

// Reason says why a value is not all there is to an object, or not what the newest Kubernetes would make of it.
type Reason uint8

const (
	// UnknownField is a protobuf field that no release known to this package has. It is not in the output.
	UnknownField Reason = iota + 1
	// RemovedField is a field that an older release had. It is in the output; a new API server would drop it.
	RemovedField
	// RepeatedField is a field that stands twice where it may stand once, a key of JSON for one. The output has the last.
	RepeatedField
	// InvalidUTF8 is text with bytes that are no UTF-8. The output has U+FFFD for them, as the API server's has.
	InvalidUTF8
	// NotJSON is a field that should hold JSON and doesn't. The output has its bytes as base64.
	NotJSON
	// PrecisionLost is a number or a time with more digits than the API keeps.
	PrecisionLost
)

// String is the reason in words.
func (r Reason) String() string {
	switch r {
	case UnknownField:
		return "unknown field"
	case RemovedField:
		return "field of an older release"
	case RepeatedField:
		return "repeated field"
	case InvalidUTF8:
		return "invalid UTF-8"
	case NotJSON:
		return "not JSON"
	case PrecisionLost:
		return "precision lost"
	}
	return "reason " + strconv.Itoa(int(r))
}

// Finding is one difference between what is stored and what is put out.
type Finding struct {
	// Path of the field: names and indexes as in JSON, and the protobuf number of a field without a name, such as
	// spec.containers[0].99. For text that is not valid JSON or UTF-8, it is the field that holds it.
	Path   string
	Reason Reason
	// Wire is the field as stored, tag and length included. It is nil where the output does not lack anything, and
	// for objects that are redacted, or would be if they held more: Secrets.
	Wire []byte
}

// maxFindings of one object are kept; more are only counted.
const maxFindings = 1000
