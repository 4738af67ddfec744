package eventsink_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
)

// A server on which no list can be followed, such as one that compacts faster than it lists, is not listed in a hot loop.
func TestListsThatLeadNowhereWait(t *testing.T) {
	for name, end := range map[string]error{"410": errExpired, "silent": nil} {
		for _, pages := range []bool{true, false} {
			s, err := eventsink.NewSource(eventsink.SourceOptions{Pages: pages}, "")
			require.NoError(t, err)
			var waited, last time.Duration
			lists := 0
			for range 60 {
				r := s.Next()
				waited += r.Wait
				switch r.Verb {
				case eventsink.List:
					require.True(t, s.Page("100", ""))
					lists++
				case eventsink.WatchList:
					s.Synced("100")
					lists++
					s.Ended(time.Second, end)
				case eventsink.Probe:
					s.Probed("100")
				default:
					s.Ended(time.Second, end)
				}
				last = max(last, r.Wait)
			}
			require.Greater(t, lists, 3, name)
			require.GreaterOrEqual(t, last, 15*time.Second, "%s, pages %t: after %d lists", name, pages, lists)
			require.Greater(t, waited, time.Duration(lists)*5*time.Second, "%s, pages %t", name, pages)
		}
	}
	// Progress forgives.
	s := source(t, "")
	for range 20 {
		s.Next()
		s.Synced("100")
		s.Frame("101")
		require.Equal(t, eventsink.Expired, s.Ended(time.Hour, errExpired))
		require.Less(t, s.Next().Wait, time.Second)
	}
}

// "0" and "" are no places to resume from: a watch of them begins with what exists, in no order.
func TestNoPlaceIsNotResumed(t *testing.T) {
	for _, rv := range []string{"", "0"} {
		s := source(t, rv)
		require.Equal(t, eventsink.WatchList, s.Next().Verb)
		s.Synced(rv)
		require.True(t, s.Listing())
		s.Frame("7")
		require.Equal(t, eventsink.Failed, s.Ended(time.Hour, nil))
		require.Equal(t, eventsink.WatchList, s.Next().Verb)

		s, err := eventsink.NewSource(eventsink.SourceOptions{Pages: true}, rv)
		require.NoError(t, err)
		require.Equal(t, eventsink.List, s.Next().Verb)
		require.True(t, s.Page(rv, ""))
		require.Equal(t, eventsink.Request{Verb: eventsink.Watch}, s.Next(), "what a fake client serves")
		require.True(t, s.Listing(), "but no place")
		s.Frame("7")
		require.Equal(t, eventsink.Failed, s.Ended(time.Hour, nil))
		require.Equal(t, eventsink.List, s.Next().Verb)
		require.Positive(t, s.Next().Wait)
		require.True(t, s.Page("8", ""))
		s.Frame(rv)
		require.Equal(t, eventsink.Request{Verb: eventsink.Watch, ResourceVersion: "8"}, s.Next())
	}
}

func TestCheckpointHasNothingBehindIt(t *testing.T) {
	const good = `{"resourceVersion":"5","time":"2026-03-01T12:00:00Z"}`
	_, err := eventsink.ParseCheckpoint([]byte(good + " \n"))
	require.NoError(t, err)
	for _, behind := range []string{"}", "]", "{}", "x", ",", "\x00"} {
		_, err := eventsink.ParseCheckpoint([]byte(good + behind))
		require.ErrorContains(t, err, "remove it", "%q", behind)
	}
}

func TestUnspoolTakesDocumentsAlone(t *testing.T) {
	for _, text := range []string{"\n\n", "\n{}\n", "{}\n\n", "x\ny\n", "{}\n[]\n", "{\n{\n"} {
		f, err := eventsink.NewFlow(eventsink.FlowOptions{})
		require.NoError(t, err)
		f.Recovered(1)
		_, err = f.Unspool([][]byte{[]byte(text)})
		require.ErrorContains(t, err, "want an action line and a source line", "%q", text)
		l := f.Ledger()
		require.True(t, l.Balanced())
		require.EqualValues(t, 1, l.Spooled)
		require.Zero(t, f.Buffered())
	}
	f, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(t, err)
	f.Recovered(-3)
	require.Zero(t, f.Ledger())
}

// A batch that comes back too early, or twice, is not rendered over.
func TestRecycleSparesWhatIsOnItsWay(t *testing.T) {
	f, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(t, err)
	next := func(uid string) *eventsink.Batch {
		for _, n := range []string{"-1", "-2"} {
			_, err := f.Admit(t0, withUID(record(uid+n, "1", 1), uid+n), true)
			require.NoError(t, err)
		}
		return f.Next(t0, true)
	}
	early := next("a")
	body := string(early.Bytes())
	f.Settle(early.Token(0), eventsink.Delivered, "")
	f.Recycle(nil)
	f.Recycle(early)
	next("b")
	next("c")
	require.Equal(t, body, string(early.Bytes()))
	f.Settle(early.Token(1), eventsink.Delivered, "")
	f.Recycle(early)
	require.Zero(t, early.Len())
	f.Recycle(early)

	f.Recovered(1)
	spooled, err := f.Unspool([][]byte{[]byte("{}\n{}\n")})
	require.NoError(t, err)
	f.Recycle(spooled)
	require.Equal(t, 1, spooled.Len())
}
