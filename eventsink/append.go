package eventsink

import (
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string that is valid UTF-8 whatever s is. strconv.AppendQuote writes no JSON for
// control characters, and one such name would spoil the whole bulk body.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

func appendEscaped(dst []byte, s string) []byte {
	if isPlain(s) {
		return append(dst, s...)
	}
	return appendSpecial(dst, s)
}

// appendSpecial copies the runs that need no escape at once.
func appendSpecial(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if _, size := utf8.DecodeRuneInString(s[i:]); size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), `\ufffd`...)
		} else {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = appendControl(append(dst, s[start:i]...), c)
		}
		i++
		start = i
	}
	return append(dst, s[start:]...)
}

func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// isPlain reports whether s is ASCII that JSON writes as it is, looking at eight bytes in one word. A "no" may be wrong,
// and costs a look byte by byte.
func isPlain(s string) bool {
	n := len(s)
	var special uint64
	switch {
	case n >= 8:
		special = marks(eight(s[n-8:]))
		for ; len(s) >= 8; s = s[8:] {
			special |= marks(eight(s))
		}
	case n >= 4: // the two halves may overlap
		special = marks(four(s) | four(s[n-4:])<<32)
	case n > 0:
		special = marks(0x2020202020<<24 | uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16)
	}
	return special&0x8080808080808080 == 0
}

// marks has a high bit set if one of eight bytes is special: one below 0x20, a quote or a backslash borrows into its own.
func marks(w uint64) uint64 {
	const ones = 0x0101010101010101
	return w | (w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)
}

func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func four(s string) uint64 {
	_ = s[3]
	return uint64(uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24)
}

// cut returns the longest prefix of s of at most limit bytes that does not end within a rune.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// stamp is a time as it is written, to be written several times: a quoted RFC 3339 time in UTC with as many decimals as
// it has, three, six or nine, which are the same bytes wherever the process runs. It is empty for a time that no document
// can hold.
type stamp struct {
	text [34]byte
	n    int
}

func (s *stamp) bytes() []byte { return s.text[:s.n] }

// stamps are the times of a record. They are one and the same for an Event that happened once, and mostly of one day.
type stamps struct{ first, last, created stamp }

func (s *stamps) set(r *Record) {
	day := int64(-1)
	if s.last.set(r.Last, nil, day); s.last.n > 0 {
		day = r.Last.Unix() / 86400
	}
	if s.first = s.last; !same(r.First, r.Last) {
		s.first.set(r.First, &s.last, day)
	}
	if s.created = s.last; !same(r.Created, r.Last) {
		s.created.set(r.Created, &s.last, day)
	}
}

// set writes t. The date is copied from another stamp if t is of that one's day, counted from 1970.
func (s *stamp) set(t time.Time, other *stamp, day int64) {
	s.n = 0
	if usable(t).IsZero() {
		return
	}
	seconds := t.Unix()
	dst := append(s.text[:0], '"')
	if seconds/86400 == day {
		dst = append(dst, other.text[1:11]...)
	} else {
		dst = appendDate(dst, seconds)
	}
	s.n = len(appendClock(dst, int(seconds%86400), t.Nanosecond()))
}

func appendClock(dst []byte, seconds, nanos int) []byte {
	dst = appendTwo(append(dst, 'T'), seconds/3600)
	dst = appendTwo(append(dst, ':'), seconds/60%60)
	dst = appendTwo(append(dst, ':'), seconds%60)
	switch {
	case nanos == 0:
	case nanos%1e6 == 0:
		dst = appendDigits(append(dst, '.'), nanos/1e6, 3)
	case nanos%1e3 == 0:
		dst = appendDigits(append(dst, '.'), nanos/1e3, 6)
	default:
		dst = appendDigits(append(dst, '.'), nanos, 9)
	}
	return append(dst, 'Z', '"')
}

func same(a, b time.Time) bool { return a.Unix() == b.Unix() && a.Nanosecond() == b.Nanosecond() }

// appendStamp appends a member, unless there is no such time.
func appendStamp(dst []byte, key string, s *stamp) []byte {
	if s.n == 0 {
		return dst
	}
	return append(append(dst, key...), s.bytes()...)
}

// appendDate appends the day of a time since 1970 by the civil calendar (Howard Hinnant, chrono-Compatible Low-Level
// Date Algorithms, civil_from_days), which costs a fifth of time.Time's.
func appendDate(dst []byte, seconds int64) []byte {
	year, month, day := civil(seconds / 86400)
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), month)
	return appendTwo(append(dst, '-'), day)
}

func civil(days int64) (year, month, day int) {
	z := days + 719468
	era := z / 146097
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp + 3)
	year = int(yoe + era*400)
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

func appendDigits(dst []byte, n, width int) []byte {
	at := len(dst)
	dst = append(dst, "000000000"[:width]...)
	for i := at + width - 1; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

func appendUint(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) }
