package staticip

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// set64 is the model of spans: the ordinals 0 to 63 as bits.
type set64 uint64

func (m set64) add(s Span) set64 {
	for o := s.First; o <= s.Last; o++ {
		m |= 1 << o
	}
	return m
}

func bitsOf(spans []Span) (m set64) {
	for _, s := range spans {
		m = m.add(s)
	}
	return m
}

func randomSpans(r *rand.Rand) (spans []Span) {
	for range r.IntN(6) {
		first := r.Int32N(60)
		spans = append(spans, Span{first, first + r.Int32N(6) - 1})
	}
	return spans
}

func TestSpansEqualBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 2000 {
		raw := randomSpans(r)
		a, b := tidy(raw), tidy(randomSpans(r))
		require.Equal(t, bitsOf(raw), bitsOf(a), "tidy %v", raw)
		for i := 1; i < len(a); i++ {
			require.Greater(t, a[i].First, a[i-1].Last+1, "tidy %v is %v", raw, a)
		}
		require.Equal(t, bitsOf(a)&bitsOf(b), bitsOf(intersect(a, b)), "%v and %v", a, b)
		require.Equal(t, bitsOf(a)&^bitsOf(b), bitsOf(subtract(a, b)), "%v without %v", a, b)
	}
}

func TestActiveEqualsCounting(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	for range 2000 {
		w := Workload{Start: r.Int32N(8) - 1, Replicas: r.Int32N(12) - 1, Skipped: randomSpans(r)}
		skipped, want := bitsOf(w.Skipped), set64(0)
		for o, left := max(w.Start, 0), w.Replicas; left > 0; o++ {
			if skipped&(1<<o) == 0 {
				want |= 1 << o
				left--
			}
		}
		require.Equal(t, want, bitsOf(w.active()), "%+v", w)
	}
}

func TestActiveAtTheEnd(t *testing.T) {
	w := Workload{Start: math.MaxInt32 - 1, Replicas: 5}
	require.Equal(t, []Span{{math.MaxInt32 - 1, math.MaxInt32}}, w.active(), "there is no ordinal behind the last int32")
	w = Workload{Replicas: math.MaxInt32, Skipped: []Span{{0, math.MaxInt32}}}
	require.Empty(t, w.active())
	require.Equal(t, []Span{{2, 2}, {4, 6}}, Workload{Start: 2, Replicas: 4, Skipped: []Span{{1, 1}, {3, 3}}}.active(), "the example of OpenKruise")
}

func TestSpansInMessages(t *testing.T) {
	require.Equal(t, "ordinal 4", ordinals([]Span{{4, 4}}))
	require.Equal(t, "ordinals 0-2, 4", ordinals([]Span{{0, 2}, {4, 4}}))
	var many []Span
	for o := range int32(20) {
		many = append(many, Span{2 * o, 2 * o})
	}
	require.Equal(t, "ordinals 0, 2, 4, 6, 8, 10, 12, 14, …", ordinals(many))
}
