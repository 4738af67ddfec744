package etcddecode

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// resolvesToString reports whether a plain scalar is read back as a string by YAML 1.1 as yaml.v2 knows it, and is no
// number to base 60, which that only writes.
func resolvesToString(s string) bool {
	if s == "" {
		return false
	}
	switch c := s[0]; {
	case strings.IndexByte("yYnNtTfFoO~", c) >= 0:
		return !isYAMLWord(s)
	case c == '.':
		if isYAMLWord(s) {
			return false
		}
		_, err := strconv.ParseFloat(s, 64)
		return err != nil
	case c >= '0' && c <= '9' || c == '+' || c == '-':
		return !isYAMLWord(s) && !isTimestamp(s) && !isNumber(s) && !isBase60(s)
	}
	return true
}

func isYAMLWord(s string) bool {
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
		"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
		"~", "null", "Null", "NULL", ".nan", ".NaN", ".NAN",
		".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
		return true
	}
	return false
}

func isTimestamp(s string) bool {
	if len(s) < 5 || s[4] != '-' || strings.Trim(s[:4], "0123456789") != "" {
		return false
	}
	layouts := [...]string{
		"2006-1-2T15:4:5.999999999Z07:00", "2006-1-2t15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999", "2006-1-2",
	}
	for _, layout := range layouts {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// isNumber reports whether a scalar that starts with a digit or a sign is an integer or a float.
func isNumber(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case strings.IndexByte("0123456789abcdefABCDEFxXoO_.", c) >= 0:
		case (c == '+' || c == '-') && (i == 0 || strings.IndexByte("eEb_", s[i-1]) >= 0):
		default:
			return false // no number has it; most strings end here
		}
	}
	plain := strings.ReplaceAll(s, "_", "")
	if _, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return true
	}
	if _, err := strconv.ParseUint(plain, 0, 64); err == nil {
		return true
	}
	if isFloat(plain) {
		_, err := strconv.ParseFloat(plain, 64)
		return err == nil
	}
	if digits, ok := strings.CutPrefix(plain, "0b"); ok {
		_, signed := strconv.ParseInt(digits, 2, 64)
		_, unsigned := strconv.ParseUint(digits, 2, 64)
		return signed == nil || unsigned == nil
	}
	if digits, ok := strings.CutPrefix(plain, "-0b"); ok {
		_, err := strconv.ParseInt("-"+digits, 2, 64)
		return err == nil
	}
	return false
}

// isFloat matches [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
func isFloat(s string) bool {
	s = cutSign(s)
	whole, s := cutDigits(s)
	fraction := 0
	point := strings.HasPrefix(s, ".")
	if point {
		fraction, s = cutDigits(s[1:])
	}
	if whole == 0 && (!point || fraction == 0) {
		return false
	}
	if s == "" {
		return true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return false
	}
	n, s := cutDigits(cutSign(s[1:]))
	return n > 0 && s == ""
}

func cutSign(s string) string {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:]
	}
	return s
}

func cutDigits(s string) (n int, rest string) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n, s[n:]
}

// isBase60 matches [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
func isBase60(s string) bool {
	if strings.IndexByte(s, ':') < 0 {
		return false
	}
	s = cutSign(s)
	if n, _ := cutDigits(s); n == 0 {
		return false
	}
	s = strings.TrimLeft(s, "0123456789_")
	parts := 0
	for strings.HasPrefix(s, ":") {
		n, rest := cutDigits(s[1:])
		if n == 0 || n > 2 || n == 2 && s[1] > '5' {
			return false
		}
		s = rest
		parts++
	}
	return parts > 0 && (s == "" || s[0] == '.' && strings.Trim(s[1:], "0123456789_") == "")
}

// yamlLess orders the keys of a map as yaml.v2 does: letters after all else, runs of digits by their value. It returns
// less than 0, 0 or more, like strings.Compare.
func yamlLess(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	if isASCIILetter(a[i]) && isASCIILetter(b[i]) {
		return int(a[i]) - int(b[i])
	}
	return naturalCompare([]rune(a), []rune(b))
}

func isASCIILetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func naturalCompare(a, b []rune) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	aLetter, bLetter := unicode.IsLetter(a[i]), unicode.IsLetter(b[i])
	switch {
	case aLetter && bLetter:
		return int(a[i]) - int(b[i])
	case bLetter:
		return -1
	case aLetter:
		return 1
	}
	aEnd, aValue := digitRun(a, b, i, a)
	bEnd, bValue := digitRun(a, b, i, b)
	switch {
	case aValue < bValue:
		return -1
	case aValue > bValue:
		return 1
	case aEnd != bEnd:
		return aEnd - bEnd
	}
	return int(a[i]) - int(b[i])
}

// digitRun reads the digits of s from i. Where either has a zero there, digits before it count, so that 10 comes
// after 9 and 1.
func digitRun(a, b []rune, i int, s []rune) (end int, value int64) {
	if a[i] == '0' || b[i] == '0' {
		for j := i - 1; j >= 0 && unicode.IsDigit(a[j]); j-- {
			if a[j] != '0' {
				value = 1
				break
			}
		}
	}
	for end = i; end < len(s) && unicode.IsDigit(s[end]); end++ {
		value = value*10 + int64(s[end]-'0')
	}
	return end, value
}
