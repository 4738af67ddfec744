package staticip

import (
	"encoding/json"
	"math"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParsePool(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		p, warnings, err := ParsePool(text)
		if err != nil {
			if !p.IsZero() || warnings != nil {
				t.Fatal("results beside an error")
			}
			for _, problem := range allProblems(err) {
				if problem.Code == "" || problem.Message == "" || problem.Severity != SeverityError {
					t.Fatalf("%#v", problem)
				}
			}
			return
		}
		again, warnings, err := ParsePool(p.String())
		if err != nil || len(warnings) > 0 || !reflect.DeepEqual(p, again) {
			t.Fatalf("%q is %q is %q: %v", text, p, again, err)
		}
		for _, tr := range p.tracks() {
			for _, start := range tr.starts {
				for _, i := range []uint64{start, start - 1, start + 1, tr.size - 1} {
					checkIndex(t, p, tr, i)
				}
			}
		}
		if moves := Moved(p, again, 0, 0); moves != nil {
			t.Fatalf("%q moves to itself: %v", text, moves)
		}
	})
}

func checkIndex(t *testing.T, p Pool, tr *track, i uint64) {
	t.Helper()
	a, ok := tr.at(i)
	if ok != (i < tr.size) {
		t.Fatalf("at(%d) of %q: %v", i, p, ok)
	}
	if ok {
		if back, found := p.IndexOf(a.Addr()); !found || back != i {
			t.Fatalf("IndexOf(%s) of %q is %d, not %d", a, p, back, i)
		}
	}
}

// FuzzMultus merges into whatever a user wrote: what comes out is JSON again, keeps the other entries, and stays as it
// is.
func FuzzMultus(f *testing.F) {
	f.Fuzz(func(t *testing.T, existing string) {
		m := Multus{Network: "net", Attachment: true}
		have := map[string]string{m.key(): existing}
		if split, err := splitNetworks(existing); err == nil {
			requireSameAsDecoder(t, existing, split)
		}
		got, p := m.render(target1(), have)
		if p != nil || got == nil {
			return
		}
		var before, after []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(got[m.key()]), &after))
		before, err := splitNetworks(existing)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(after), len(before))
		changed := 0
		for i := range before {
			if string(before[i]) != string(after[i]) {
				changed++
			}
		}
		require.Equal(t, 1, changed+len(after)-len(before), "one entry changed or added")
		again, p := m.render(target1(), got)
		require.Nil(t, p)
		require.Nil(t, again)
	})
}

// requireSameAsDecoder compares what is read without decoding with what package json reads.
func requireSameAsDecoder(t *testing.T, text string, got []json.RawMessage) {
	t.Helper()
	var want []json.RawMessage
	if json.Unmarshal([]byte(text), &want) != nil {
		return // the comma form
	}
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, string(want[i]), string(got[i]))
		var decoded attachment
		wantErr := json.Unmarshal(want[i], &decoded)
		read, err := readAttachment(got[i])
		require.Equal(t, wantErr == nil, err == nil, "%s", got[i])
		if err == nil {
			require.Equal(t, decoded, read, "%s", got[i])
		}
		if want[i][0] != '{' {
			continue
		}
		var members, replaced map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(want[i], &members))
		require.NoError(t, json.Unmarshal(withIPs(got[i], []string{"10.0.0.1"}), &replaced))
		for name := range members {
			if strings.EqualFold(name, "ips") {
				delete(members, name)
			}
		}
		members["ips"] = json.RawMessage(`["10.0.0.1"]`)
		require.Equal(t, members, replaced, "%s", got[i])
	}
}

// FuzzWorkload gives every entry point hostile annotations and numbers: none may panic.
func FuzzWorkload(f *testing.F) {
	f.Fuzz(func(_ *testing.T, pool, first, template, name string, replicas, start, skip int32) {
		opts := Options{}
		w := redis(replicas, pool)
		w.Start, w.Skipped = start, []Span{{skip, skip + 3}, {start, skip}}
		if first != "" {
			w.Annotations[opts.firstKey()] = first
		}
		if template != "" {
			w.Template = map[string]string{opts.PoolKey(): template}
		}
		other := redis(2, template)
		pod := redisPod(0)
		pod.Name = name
		_, _ = Assign(pod, w, opts)
		n := Network{DualStack: true, InUse: map[netip.Addr]string{}}
		for _, a := range Requested(Pod{Annotations: map[string]string{calicoKey: pool}}, opts) {
			n.InUse[a] = "shop/" + name
		}
		other.Parallel = skip%2 == 0
		problems := CheckUpdate(w, other, n, opts)
		problems = append(problems, CheckUpdate(other, w, n, opts)...)
		problems = append(problems, CheckScale(w, math.MaxInt32, Network{StrictAffinity: true}, opts)...)
		_ = problems.Error()
		report := Plan([]Workload{w, other, w}, Network{}, opts)
		_ = report.Reservations("")
		rows := 0
		for range report.Rows() {
			if rows++; rows > 100 {
				break
			}
		}
	})
}

// The seeds are files, so that they are there for every run of the fuzzer and of the tests.
func TestFuzzSeeds(t *testing.T) {
	for target, least := range map[string]int{"FuzzParsePool": 30, "FuzzMultus": 8, "FuzzWorkload": 5} {
		files, err := os.ReadDir("testdata/fuzz/" + target)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(files), least, target)
	}
}
