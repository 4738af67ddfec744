package httpsig

// class is a set of bytes. Every byte of what strangers send is looked at, and a table makes that one look-up each.
type class uint16

const (
	tokenByte  class = 1 << iota // of a token (RFC 9110, 5.6.2), such as a method
	nameByte                     // of a token in lower case, such as a field in a signature
	keyByte                      // of a key of structured fields, but for its first byte (RFC 9651, 3.1.2)
	stringByte                   // of a string of structured fields, without the quote and the backslash
	base64Byte                   // but for the padding
	digitByte
	keyIDByte  // of the id of a key, but for its first byte
	nonceByte  // base64 and base64url, with padding
	hostByte   // of an authority
	targetByte // of a request target
	valueByte  // of a field that can be signed
)

var classes = newClasses() //nolint:gochecknoglobals // constant

func newClasses() (t [256]class) {
	const digits, lower, upper, marks = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "!#$%&'*+-.^_`|~"
	add := func(c class, bytes string) {
		for i := range len(bytes) {
			t[bytes[i]] |= c
		}
	}
	add(tokenByte, digits+lower+upper+marks)
	add(nameByte, digits+lower+marks)
	add(keyByte, digits+lower+"_-.*")
	add(base64Byte, digits+lower+upper+"+/")
	add(digitByte, digits)
	add(keyIDByte, digits+lower+"._-")
	add(nonceByte, digits+lower+upper+"-_+/=")
	add(hostByte, digits+lower+upper+".-_:[]")
	for c := ' '; c < 0x7f; c++ {
		t[c] |= valueByte
		if c != '"' && c != '\\' {
			t[c] |= stringByte
		}
		// Nothing that could end a line of the signature base; no fragment, which has no place in a request target and
		// which servers cut off or keep as they like.
		if c != ' ' && c != '#' {
			t[c] |= targetByte
		}
	}
	t['\t'] |= valueByte
	return t
}

// span returns how many bytes at the beginning of s are in c.
func span(s string, c class) int {
	for i := range len(s) {
		if classes[s[i]]&c == 0 {
			return i
		}
	}
	return len(s)
}

// all reports whether every byte of s is in c.
func all(s string, c class) bool { return span(s, c) == len(s) }
