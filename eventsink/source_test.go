package eventsink_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/eventsink"
)

var (
	errExpired = apierrors.NewResourceExpired("too old resource version")
	errNetwork = errors.New("connection refused")
	errInvalid = apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil)
	errDenied  = apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", nil)
	errBusy    = apierrors.NewTooManyRequests("busy", 7)
)

func source(t testing.TB, resume string) *eventsink.Source {
	t.Helper()
	s, err := eventsink.NewSource(eventsink.SourceOptions{}, resume)
	require.NoError(t, err)
	return s
}

func TestSourceStartsWithAListAndGoesOnWatching(t *testing.T) {
	s := source(t, "")
	require.Equal(t, eventsink.Request{Verb: eventsink.WatchList}, s.Next())
	require.True(t, s.Listing())
	s.Frame("7")
	s.Frame("3")
	s.Synced("9")
	require.False(t, s.Listing())
	s.Frame("10")
	s.Frame("") // a frame without one keeps the place
	require.Equal(t, eventsink.Timeout, s.Ended(40*time.Minute, nil))
	require.Equal(t, eventsink.Request{Verb: eventsink.Watch, ResourceVersion: "10"}, s.Next())
}

func TestSourceTakesPagesWhereThereIsNoWatchList(t *testing.T) {
	s := source(t, "")
	s.Next()
	require.Equal(t, eventsink.Unsupported, s.Ended(0, errInvalid))
	require.Equal(t, eventsink.Request{Verb: eventsink.List, Limit: 10_000}, s.Next())
	require.False(t, s.Page("20", "token"))
	require.Equal(t, eventsink.Request{Verb: eventsink.List, Limit: 10_000, Continue: "token"}, s.Next())
	require.Equal(t, eventsink.Failed, s.Ended(0, errNetwork))
	require.Equal(t, "token", s.Next().Continue, "a page that fails is asked again")
	require.Equal(t, eventsink.Expired, s.Ended(0, errExpired))
	require.Empty(t, s.Next().Continue, "an expired token starts over")
	require.Positive(t, s.Next().Wait)
	require.True(t, s.Page("30", ""))
	require.Equal(t, eventsink.Request{Verb: eventsink.Watch, ResourceVersion: "30"}, s.Next())
}

func TestSourceGivesUpOnAWatchListThatNeverEnds(t *testing.T) {
	s := source(t, "")
	for range 3 {
		require.Equal(t, eventsink.WatchList, s.Next().Verb)
		require.Equal(t, eventsink.Failed, s.Ended(time.Minute, nil))
	}
	require.Equal(t, eventsink.List, s.Next().Verb)
}

func TestSourceProbesBeforeItResumes(t *testing.T) {
	s := source(t, "100")
	require.Equal(t, eventsink.Request{Verb: eventsink.Probe, Limit: 1}, s.Next())
	require.False(t, s.Probed("120"))
	require.Equal(t, eventsink.Request{Verb: eventsink.Watch, ResourceVersion: "100"}, s.Next())
	require.Equal(t, eventsink.Failed, s.Ended(time.Second, errNetwork))
	require.Equal(t, eventsink.Probe, s.Next().Verb)
	require.True(t, s.Probed("99"), "etcd was restored")
	require.Equal(t, eventsink.WatchList, s.Next().Verb)
}

func TestExpiredListsAgain(t *testing.T) {
	s := source(t, "100")
	s.Next()
	s.Probed("100")
	s.Next()
	require.Equal(t, eventsink.Expired, s.Ended(time.Second, errExpired))
	require.Equal(t, eventsink.Request{Verb: eventsink.WatchList}, s.Next(), "at once")
	require.Equal(t, eventsink.Expired, s.Ended(time.Second, errExpired))
	require.Positive(t, s.Next().Wait, "but not in a hot loop")
}

func TestSilentClose(t *testing.T) {
	s := source(t, "100")
	s.Next()
	s.Probed("100")
	s.Next()
	require.Equal(t, eventsink.Timeout, s.Ended(time.Second, nil))
	require.Equal(t, "100", s.Next().ResourceVersion)
	require.Equal(t, eventsink.SilentClose, s.Ended(time.Second, nil))
	require.Equal(t, eventsink.WatchList, s.Next().Verb)
	s.Synced("200")
	for range 10 {
		s.Next()
		require.Equal(t, eventsink.Timeout, s.Ended(3*time.Second, nil), "a quiet cluster is not silent")
	}
}

func TestSourceWaits(t *testing.T) {
	s := source(t, "")
	last := time.Duration(0)
	for i := range 12 {
		s.Next()
		require.Equal(t, eventsink.Failed, s.Ended(0, errNetwork))
		wait := s.Next().Wait
		require.GreaterOrEqual(t, wait, last)
		require.LessOrEqual(t, wait, 30*time.Second)
		require.Positive(t, wait, i)
		last = wait
	}
	require.Equal(t, eventsink.Throttled, s.Ended(0, errBusy))
	require.GreaterOrEqual(t, s.Next().Wait, 7*time.Second)
	require.Equal(t, eventsink.Throttled, s.Ended(0, apierrors.NewTooManyRequestsError("busy")))
	require.Equal(t, eventsink.Denied, s.Ended(0, errDenied))
	require.Equal(t, eventsink.Denied, s.Ended(0, apierrors.NewUnauthorized("who")))
	require.Equal(t, eventsink.Backpressure, s.Paused())
	require.Zero(t, s.Next().Wait)
	s.Synced("1")
	require.Equal(t, eventsink.Failed, s.Ended(time.Hour, errNetwork))
	require.Less(t, s.Next().Wait, time.Second, "not in a row with what failed an hour ago")
}

func TestSourceOptionsAreChecked(t *testing.T) {
	_, err := eventsink.NewSource(eventsink.SourceOptions{PageSize: -1}, "")
	require.EqualError(t, err, "eventsink: SourceOptions: PageSize -1, Backoff 0s, MaxBackoff 0s; write none below 0")
	s, err := eventsink.NewSource(eventsink.SourceOptions{Pages: true, Jitter: func() float64 { return 5 }}, "")
	require.NoError(t, err)
	require.Equal(t, eventsink.List, s.Next().Verb)
	s.Ended(0, errNetwork)
	require.Equal(t, 500*time.Millisecond, s.Next().Wait)
}

// A server that fails in every way it can: the reader that does what the source says misses no write that was not
// compacted, never watches from a place it did not read up to, and never asks twice at once after a failure.
func TestSourceLosesNothing(t *testing.T) {
	for seed := range seeds() {
		rnd := rand.New(rand.NewPCG(seed, 11))
		s := source(t, "")
		head, compacted, read := 1, 0, 0 // revisions of etcd; what the reader has taken
		failedAtOnce := 0
		for range 300 {
			head += rnd.IntN(3)
			if rnd.IntN(10) == 0 {
				compacted = head - rnd.IntN(min(head, 5))
			}
			q := s.Next()
			require.LessOrEqual(t, q.Wait, 300*time.Second)
			fail := rnd.IntN(3) == 0
			if !fail {
				failedAtOnce = 0
			} else if q.Wait == 0 {
				failedAtOnce++
				require.LessOrEqual(t, failedAtOnce, 2, "seed %d: hot loop", seed)
			}
			errs := []error{errNetwork, errBusy, errDenied, nil}
			switch {
			case fail:
				s.Ended(0, errs[rnd.IntN(len(errs))])
			case q.Verb == eventsink.Probe:
				s.Probed(fmt.Sprint(head))
			case q.Verb == eventsink.WatchList:
				s.Frame(fmt.Sprint(rnd.IntN(head) + 1))
				s.Synced(fmt.Sprint(head))
				read = head
				s.Ended(time.Minute, nil)
			case q.Verb == eventsink.List:
				if rnd.IntN(2) == 0 {
					s.Page(fmt.Sprint(head), "more")
				} else if s.Page(fmt.Sprint(head), "") {
					read = head
				}
			default:
				require.Equal(t, fmt.Sprint(read), q.ResourceVersion, "seed %d", seed)
				if read < compacted {
					require.Equal(t, eventsink.Expired, s.Ended(0, errExpired))
					require.True(t, s.Listing())
					continue
				}
				for read < head && rnd.IntN(5) > 0 {
					read++
					s.Frame(fmt.Sprint(read))
				}
				s.Ended(time.Minute, nil)
			}
		}
	}
}

// A proxy that cuts every long request would have a large WatchList begun again for ever.
func TestSourceGivesUpOnAWatchListThatIsCut(t *testing.T) {
	s, err := eventsink.NewSource(eventsink.SourceOptions{}, "")
	require.NoError(t, err)
	for range 3 {
		require.Equal(t, eventsink.WatchList, s.Next().Verb)
		s.Frame("7")
		require.Equal(t, eventsink.Failed, s.Ended(time.Minute, errors.New("unexpected EOF")))
	}
	require.Equal(t, eventsink.List, s.Next().Verb)
	s, err = eventsink.NewSource(eventsink.SourceOptions{}, "")
	require.NoError(t, err)
	for range 10 { // no connection says nothing of WatchList
		require.Equal(t, eventsink.WatchList, s.Next().Verb)
		s.Ended(0, errors.New("connection refused"))
	}
}
