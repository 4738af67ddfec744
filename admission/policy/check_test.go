package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuote(t *testing.T) {
	require.Equal(t, `"a\nb\x00"`, quote("a\nb\x00"))
	long := strings.Repeat("x", 79)
	require.Equal(t, `"`+long+`y"`, quote(long+"y"))
	require.Equal(t, `"`+long+`"…`, quote(long+"ä"), "a character is not cut in half")
}

func TestList(t *testing.T) {
	require.Empty(t, list(nil))
	require.Equal(t, "a, b", list([]string{"a", "b"}))
	require.Equal(t, "1, 2, 3, 4, 5, 6 … (7 in all)", list(strings.Split("1234567", "")))
}
