package etcddb

import (
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// collect clones all records, without the place they were found at, and requires that there is no error.
func collect(t testing.TB, seq iter.Seq2[Record, error]) []Record {
	t.Helper()
	var records []Record
	for r, err := range seq {
		require.NoError(t, err)
		r = r.Clone()
		r.Page, r.Offset = 0, 0
		records = append(records, r)
	}
	return records
}

func TestRevisionsAreWhatWasWritten(t *testing.T) {
	for seed := range uint64(5) {
		content, g := generate(t, seed, 50, 300)
		db := open(t, content, Options{})
		require.Equal(t, g.m.changes, collect(t, db.Revisions(t.Context(), Query{})))
	}
}

func TestLiveIsTheModelsState(t *testing.T) {
	content, g := generate(t, 7, 60, 800)
	db := open(t, content, Options{})
	for _, rev := range []int64{0, 1, 2, 17, 400, 799, g.rev} {
		at := rev
		if at == 0 {
			at = g.rev
		}
		var want []Record
		for _, r := range g.m.at(at) {
			want = append(want, r)
		}
		slices.SortFunc(want, func(a, b Record) int { return strings.Compare(string(a.Key), string(b.Key)) })
		require.Equal(t, want, collect(t, db.Live(t.Context(), Query{Revision: rev})), "at %d", rev)
		slices.SortFunc(want, func(a, b Record) int { return b.Rev.Compare(a.Rev) })
		require.Equal(t, want, collect(t, db.Live(t.Context(), Query{Revision: rev, NewestFirst: true})), "at %d", rev)
	}
}
