package staticip

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// controller is the one of StatefulSets with its Pods, one step at a time, so that updates come at any moment: while
// Pods wait, before old ones are gone, in the middle of a rollout that a partition holds. Pods keep the address that
// they asked for when they were made, and get it when nobody has it.
type controller struct {
	w         Workload
	revision  int
	partition int32
	pods      map[int32]*simulated
	story     []string
}

type simulated struct {
	wants    netip.Addr
	runs     bool
	revision int
}

func (c *controller) tell(format string, args ...any) {
	c.story = append(c.story, fmt.Sprintf(format, args...))
}

func (c *controller) ordinals() (list []int32) {
	for _, s := range c.w.active() {
		for o := s.First; o <= s.Last; o++ {
			list = append(list, o)
		}
	}
	return list
}

// sync is one pass of the controller: what is missing is created, what is too much is deleted, what is old is replaced.
func (c *controller) sync(t *testing.T) bool {
	wanted, before := c.ordinals(), len(c.story)
	keep := map[int32]bool{}
	for _, o := range wanted {
		keep[o] = true
		if c.pods[o] == nil {
			c.create(t, o)
		}
		if !c.w.Parallel && !c.pods[o].runs {
			return len(c.story) > before
		}
	}
	for o := int32(20); o >= 0; o-- {
		if c.pods[o] != nil && !keep[o] {
			c.kill(o)
			if !c.w.Parallel {
				return true
			}
		}
	}
	for i := len(wanted) - 1; i >= 0 && wanted[i] >= c.partition && !c.w.OnDelete; i-- {
		switch pod := c.pods[wanted[i]]; {
		case pod.revision != c.revision:
			c.kill(wanted[i])
			return true
		case !pod.runs:
			return len(c.story) > before
		}
	}
	return len(c.story) > before
}

func (c *controller) create(t *testing.T, o int32) {
	pod := Pod{Namespace: c.w.Namespace, Name: fmt.Sprintf("%s-%d", c.w.Name, o), Annotations: map[string]string{}, Owners: []Owner{
		{APIVersion: "apps/v1", Kind: "StatefulSet", Name: c.w.Name, UID: c.w.UID, Controller: true},
	}}
	set, err := Assign(pod, c.w, Options{})
	require.NoError(t, err, "ordinal %d: %s", o, c)
	c.pods[o] = &simulated{revision: c.revision}
	pod.Annotations = set
	for _, a := range Requested(pod, Options{}) {
		c.pods[o].wants = a
	}
	c.tell("%d is created for %s", o, c.pods[o].wants)
}

func (c *controller) kill(o int32) {
	delete(c.pods, o)
	c.tell("%d is deleted", o)
}

// start lets Pods run whose address is free.
func (c *controller) start() (started bool) {
	for o := range int32(20) {
		if pod := c.pods[o]; pod != nil && !pod.runs && c.inUse(true)[pod.wants] == "" {
			pod.runs, started = true, true
		}
	}
	return started
}

// inUse is what a webhook would find: who has an address, or else who asks for it.
func (c *controller) inUse(running bool) map[netip.Addr]string {
	found := map[netip.Addr]string{}
	for _, has := range []bool{false, true} {
		for o, pod := range c.pods {
			if pod.wants.IsValid() && pod.runs == has && (has || !running) {
				found[pod.wants] = fmt.Sprintf("%s/%s-%d", c.w.Namespace, c.w.Name, o)
			}
		}
	}
	return found
}

func (c *controller) settle(t *testing.T) {
	for range 500 {
		if synced, started := c.sync(t), c.start(); !synced && !started {
			break
		}
	}
}

func (c *controller) requireRunning(t *testing.T) {
	c.settle(t)
	for _, o := range c.ordinals() {
		require.True(t, c.pods[o] != nil && c.pods[o].runs, "ordinal %d waits for ever: %s", o, c)
	}
}

func (c *controller) String() string { return strings.Join(c.story, "\n") }

// disturb lets a little time pass, in which nodes fail.
func (c *controller) disturb(t *testing.T, r *rand.Rand) {
	for range r.IntN(4) {
		switch o := int32(r.IntN(6)); {
		case r.IntN(3) == 0:
			c.sync(t)
		case r.IntN(2) == 0:
			c.start()
		case c.pods[o] != nil:
			c.kill(o)
		}
	}
	if r.IntN(3) == 0 {
		c.settle(t)
	}
}

// write puts a pool on a workload, in one of the two places.
func write(w *Workload, inTemplate bool, pool, first string) {
	annotations := map[string]string{Options{}.PoolKey(): pool, Options{}.firstKey(): first}
	if w.Annotations, w.Template = annotations, nil; inTemplate {
		w.Annotations, w.Template = nil, annotations
	}
}

// anyUpdate changes the pool, the ordinals, or both.
func anyUpdate(r *rand.Rand, w Workload, inTemplate bool) Workload {
	if r.IntN(2) == 0 {
		w.Replicas = int32(r.IntN(6))
	}
	if r.IntN(4) == 0 {
		w.Start = int32(r.IntN(3))
	}
	if r.IntN(5) == 0 {
		first := int32(r.IntN(5))
		w.Skipped = []Span{{first, first + int32(r.IntN(2))}}
	}
	w.OnDelete = r.IntN(6) == 0
	pool := fmt.Sprintf("10.0.0.%d-10.0.0.%d", 2+r.IntN(4), 6+r.IntN(6))
	if r.IntN(3) == 0 {
		var items []string
		for _, i := range r.Perm(10)[:3+r.IntN(6)] {
			items = append(items, fmt.Sprintf("10.0.0.%d", 2+i))
		}
		pool = strings.Join(items, ",")
	}
	switch r.IntN(12) {
	case 0, 1, 2, 3, 4:
		write(&w, inTemplate, pool, fmt.Sprint(r.IntN(3)))
	case 5:
		w.Annotations, w.Template = w.Template, w.Annotations
	case 6:
		write(&w, inTemplate, noPool, "0")
	case 7:
		w.Annotations, w.Template = nil, nil
	}
	return w
}

// TestLawNoOrdinalWaitsForEver: whatever updates are admitted, and whatever they come upon, all Pods run in the end, also
// when each is deleted once more.
func TestLawNoOrdinalWaitsForEver(t *testing.T) {
	admitted, refused := 0, 0
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 11))
		c := &controller{pods: map[int32]*simulated{}, w: Workload{Namespace: "shop", Name: "redis", UID: "u", Replicas: int32(1 + r.IntN(4)), Parallel: r.IntN(2) == 0}}
		inTemplate := r.IntN(2) == 0
		write(&c.w, inTemplate, "10.0.0.2-10.0.0.8", "0")
		for range 1 + r.IntN(5) {
			c.disturb(t, r)
			updated := anyUpdate(r, c.w, inTemplate)
			n := Network{}
			if NeedsInUse(c.w, updated, Options{}) {
				n.InUse = c.inUse(false)
			}
			if problems := CheckUpdate(c.w, updated, n, Options{}); problems.Err() != nil {
				refused++
				continue
			}
			admitted++
			if fmt.Sprint(c.w.Template) != fmt.Sprint(updated.Template) {
				c.revision++
				c.partition = int32(r.IntN(2) * r.IntN(4))
			}
			c.w = updated
			c.tell("update: ordinals %v, partition %d, %v %v", updated.active(), c.partition, updated.Annotations, updated.Template)
		}
		c.requireRunning(t)
		for _, o := range c.ordinals() {
			if r.IntN(2) == 0 {
				c.kill(o)
			}
		}
		c.requireRunning(t)
	}
	require.Greater(t, admitted, 2000)
	require.Greater(t, refused, 2000)
}
