package service

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at is a time so many seconds into a test.
func at(seconds float64) time.Time {
	return time.Unix(0, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestTableFollowsAfterTheLag(t *testing.T) {
	tab := table{lag: time.Second}
	tab.observe(at(0), "a", true)
	require.Empty(t, tab.ready(at(0.9)))
	require.Equal(t, []string{"a"}, tab.ready(at(1)))

	tab.observe(at(5), "a", false)
	require.Equal(t, []string{"a"}, tab.ready(at(5.9)), "nobody knows yet")
	require.Empty(t, tab.ready(at(6)))
}

func TestTableRepeatsNothing(t *testing.T) {
	tab := table{lag: time.Second}
	for i := range 10 {
		tab.observe(at(float64(i)/10), "a", true)
	}
	require.Equal(t, []string{"a"}, tab.ready(at(1)), "the lag counts from the first observation")
}

func TestTableKeepsTheOrderOfChanges(t *testing.T) {
	tab := table{lag: time.Second}
	tab.observe(at(0), "a", true)
	tab.observe(at(0.2), "a", false)
	tab.observe(at(0.4), "a", true)
	require.Equal(t, []string{"a"}, tab.ready(at(1.1)))
	require.Empty(t, tab.ready(at(1.3)))
	require.Equal(t, []string{"a"}, tab.ready(at(1.5)))
}

func TestTableSkipsChangesThatAreAllDue(t *testing.T) {
	tab := table{lag: time.Second}
	tab.observe(at(0), "a", true)
	tab.observe(at(0.2), "a", false)
	require.Empty(t, tab.ready(at(9)))
}

func TestTablePicksInTurn(t *testing.T) {
	tab := table{}
	for _, addr := range []string{"a", "b", "c"} {
		tab.observe(at(0), addr, true)
	}
	tab.observe(at(0), "b", false)
	seen := map[string]int{}
	for range 10 {
		addr, ok := tab.pick(at(0))
		require.True(t, ok)
		seen[addr]++
	}
	require.Equal(t, map[string]int{"a": 5, "c": 5}, seen)
}

func TestTablePicksNobody(t *testing.T) {
	tab := table{}
	_, ok := tab.pick(at(0))
	require.False(t, ok)
	tab.observe(at(0), "a", false)
	_, ok = tab.pick(at(0))
	require.False(t, ok)
}

func TestFewFailuresDoNotCount(t *testing.T) {
	probes := []struct{ ready, counts bool }{{true, true}, {false, false}, {false, false}, {true, true}, {false, false}, {false, false}, {false, true}, {false, true}, {true, true}}
	seen := streak{threshold: 3}
	for i, p := range probes {
		require.Equal(t, p.counts, seen.counts(p.ready), "probe %d", i)
	}
}
