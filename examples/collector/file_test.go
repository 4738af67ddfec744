package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// FuzzEvents reads whatever a file holds. What comes out is no more than what went in, and the same the second time.
func FuzzEvents(f *testing.F) {
	lines := strings.SplitAfter(readSample(f), "\n")
	require.NotEmpty(f, lines)
	f.Add([]byte(strings.Join(lines[:3], "")))
	f.Add([]byte("{\n\"kind\":\"List\",\"items\":[" + lines[0] + "]}"))
	f.Add([]byte(`{"type":"MODIFIED","object":` + strings.TrimSpace(lines[20]) + "}\n\n{\n"))
	f.Add([]byte("[]\nnull\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		walk := func() (uids []string, bad int) {
			for r, err := range events(bytes.NewReader(text)) {
				if err != nil {
					bad++
					continue
				}
				uids = append(uids, r.UID)
			}
			return uids, bad
		}
		uids, bad := walk()
		require.LessOrEqual(t, len(uids)+bad, len(text)+1)
		again, badAgain := walk()
		require.Equal(t, uids, again)
		require.Equal(t, bad, badAgain)
	})
}

// TestAWalkMayStop at any Event.
func TestAWalkMayStop(t *testing.T) {
	text := readSample(t)
	for _, in := range []string{text, "{\n\"kind\":\"List\",\"items\":[" + strings.ReplaceAll(strings.TrimSpace(text), "\n", ",") + "]}"} {
		n := 0
		for _, err := range events(strings.NewReader(in)) {
			require.NoError(t, err)
			if n++; n == 3 {
				break
			}
		}
		require.Equal(t, 3, n)
	}
	require.Equal(t, cli.ExitUsage, run(t.Context(), []string{"replay", "nosuch"}, nil, &buffer{}, &buffer{}))
}
