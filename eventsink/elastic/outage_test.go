package elastic_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink/elastic"
)

func alike(item string, n int) elastic.Reply {
	return reply(strings.Split(strings.Repeat(item+"\n", n)[:n*(len(item)+1)-1], "\n")...)
}

// A sink that refuses every request is asked a bounded number of times in every round, however large the batch, and
// then left alone for longer and longer. Nothing is given up but the few that might have been to blame.
func TestARefusalOfEverythingCostsFewRequests(t *testing.T) {
	const n, rounds = 2000, 12
	for status, given := range map[int]int{400: 0, 413: 8} {
		_, b := batch(t, n)
		d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
		r := elastic.Reply{Status: status}
		if status == 400 {
			r.Body = []byte(`{"error":{"type":"x","reason":"all are bad"},"status":400}`)
		}
		dead, requests, waits := 0, 0, 0
		var longest time.Duration
		for waits < rounds {
			requests++
			dead += len(d.Settle(r))
			part, wait := d.Next()
			require.NotNil(t, part)
			require.Equal(t, n-dead, total(d.Pending()))
			if longest = max(longest, wait); wait > 0 {
				waits++
				require.Equal(t, n-dead, part.Len(), "a round begins with all of them")
				require.ErrorIs(t, d.Held(), elastic.ErrHeld)
			}
		}
		require.Equal(t, given, dead, status)
		require.LessOrEqual(t, requests, rounds*24, "status %d", status)
		require.Greater(t, longest, 20*time.Second)
	}
}

// However many documents spoil their request, one that does not is found, and then all of them.
func TestManyPoisonedDocumentsDoNotHoldTheOthers(t *testing.T) {
	_, b := batch(t, 60)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	delivered, dead := 0, 0
	for part, requests := first(d), 0; part != nil; part = first(d) {
		requests++
		require.Less(t, requests, 1000)
		poisoned := false
		for i := range part.Len() {
			poisoned = poisoned || !strings.HasSuffix(part.UID(i), "7")
		}
		r := elastic.Reply{Status: 400, Body: []byte(`{"error":{"type":"x","reason":"bad"},"status":400}`)}
		if !poisoned {
			r = alike(`{"status":201}`, part.Len())
		}
		for _, s := range d.Settle(r) {
			if s.Item.Status == 201 {
				delivered++
			} else {
				dead++
			}
		}
		if total(d.Pending()) == 60-delivered-dead && delivered == 6 && d.Held() != nil {
			break // what is left is held: no other document tells whether the sink is to blame
		}
	}
	require.Equal(t, 6, delivered)
	require.GreaterOrEqual(t, dead, 8)
}

// Where every document of a request fails, the sink fails: nothing is given up, for as long as it takes.
func TestAnOutageItemByItemIsHeld(t *testing.T) {
	for _, item := range []string{
		`{"status":500,"error":{"type":"exception","reason":"disk"}}`,
		`{"status":503,"error":{"type":"unavailable_shards_exception","reason":"primary"}}`,
		`{"status":429,"error":{"type":"rejected_execution_exception","reason":"queue"}}`,
	} {
		for _, n := range []int{1, 40} {
			_, b := batch(t, n)
			d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
			for range 100 {
				require.Empty(t, d.Settle(alike(item, n)))
				require.Equal(t, n, total(d.Pending()))
			}
			if strings.Contains(item, "500") {
				require.ErrorIs(t, d.Held(), elastic.ErrHeld)
				require.ErrorContains(t, d.Held(), "status 500 exception: disk")
			}
			require.Len(t, d.Settle(alike(`{"status":201}`, n)), n)
			require.NoError(t, d.Held())
		}
	}
}

// A mapping that fits no document any more is about the sink as well: the first few are given up, the others held.
func TestARejectionOfEveryItemIsHeld(t *testing.T) {
	const rejected = `{"status":400,"error":{"type":"strict_dynamic_mapping_exception","reason":"no"}}`
	health := &elastic.Health{}
	dead := 0
	for range 3 {
		_, b := batch(t, 5)
		d := elastic.NewDelivery(b, elastic.DeliveryOptions{Health: health})
		for range 10 {
			dead += len(d.Settle(alike(rejected, first(d).Len())))
			if first(d) == nil {
				break
			}
		}
	}
	require.Equal(t, 8, dead)

	_, b := batch(t, 20)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{MaxRefused: -1})
	require.Len(t, d.Settle(alike(rejected, 20)), 20, "-1 believes every refusal")
}

// What other deliveries bring to the sink tells that it works: then what it refuses is to blame.
func TestOthersTellThatTheSinkWorks(t *testing.T) {
	health := &elastic.Health{}
	o := elastic.DeliveryOptions{Health: health, MaxAttempts: 3}
	other := func() {
		_, b := batch(t, 1)
		require.Len(t, elastic.NewDelivery(b, o).Settle(alike(`{"status":201}`, 1)), 1)
	}
	_, b := batch(t, 2)
	d := elastic.NewDelivery(b, o)
	for i := range 3 {
		require.Empty(t, d.Settle(alike(`{"status":500}`, 2)))
		other()
		require.Len(t, d.Settle(alike(`{"status":500}`, 2)), map[bool]int{true: 2}[i == 2])
	}

	_, b = batch(t, 2)
	d = elastic.NewDelivery(b, o)
	refusal := elastic.Reply{Status: 400, Body: []byte(`{"error":{"type":"x","reason":"bad"},"status":400}`)}
	for range 30 {
		require.Empty(t, d.Settle(refusal))
	}
	dead := 0
	for part := first(d); part != nil; part = first(d) {
		other()
		dead += len(d.Settle(refusal))
	}
	require.Equal(t, 2, dead)
}

// A login page, or a load balancer that is friendly, is no answer to _bulk, and nothing that goes away by itself.
func TestWhatIsNoAnswerIsHeld(t *testing.T) {
	for _, c := range []struct {
		r    elastic.Reply
		want string
	}{
		{elastic.Reply{Status: 200, ContentType: "text/html; charset=utf-8", Body: []byte("\n<!doctype html><title>Sign in</title>" + strings.Repeat("x", 1000))}, `status 200, text/html; charset=utf-8, is no answer to _bulk: "\n<!doctype html><title>Sign in</title>xxx`},
		{elastic.Reply{Status: 200, ContentType: "text/plain", Body: []byte("OK")}, `status 200, text/plain, is no answer to _bulk: "OK"`},
		{elastic.Reply{Status: 200}, `status 200, no content type, is no answer to _bulk: ""`},
		{elastic.Reply{Status: 400, ContentType: "text/html", Body: []byte("<html>The plain HTTP request was sent to HTTPS port</html>")}, `status 400, text/html, is no answer to _bulk: "<html>The plain`},
		{elastic.Reply{Status: 302, ContentType: "text/html", Body: []byte("<a href=/login>Found</a>")}, `status 302, text/html, is no answer to _bulk: "<a href=/login>`},
		{elastic.Reply{Status: 204}, `status 204, no content type, is no answer`},
		{elastic.Reply{Status: 403, Body: []byte(`{"message":"no"}`)}, `refuses with status 403`},
	} {
		_, b := batch(t, 3)
		d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
		for range 5 {
			require.Empty(t, d.Settle(c.r))
			require.ErrorIs(t, d.Held(), elastic.ErrHeld)
			require.ErrorContains(t, d.Held(), c.want)
			require.Less(t, len(d.Held().Error()), 400)
		}
		part, wait := d.Next()
		require.Equal(t, 3, part.Len())
		require.Greater(t, wait, time.Second)
		require.Len(t, d.Settle(alike(`{"status":201}`, 3)), 3)
		require.NoError(t, d.Held())
	}
}

func first(d *elastic.Delivery) interface {
	Len() int
	UID(int) string
} {
	if part, _ := d.Next(); part != nil {
		return part
	}
	return nil
}

// The counts of a Health are shared by deliveries that run at the same time.
func TestHealthIsSharedByGoroutines(t *testing.T) {
	health := &elastic.Health{}
	done := make(chan error)
	for range 4 {
		_, b := batch(t, 50)
		go func() {
			d := elastic.NewDelivery(b, elastic.DeliveryOptions{Health: health, MaxAttempts: 2})
			for i, part := 0, first(d); part != nil; i, part = i+1, first(d) {
				items := make([]string, part.Len())
				for k := range items {
					items[k] = fmt.Sprintf(`{"status":%d}`, []int{201, 500}[(i+k)%2])
				}
				d.Settle(reply(items...))
				if i > 1000 {
					done <- fmt.Errorf("no end")
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
}
