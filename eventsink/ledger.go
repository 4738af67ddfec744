package eventsink

import "maps"

// Outcome is what became of a document, for good but for Spooled.
type Outcome uint8

const (
	// Delivered means the sink acknowledged it.
	Delivered Outcome = iota
	// Duplicate means the sink has it, or something newer, already.
	Duplicate
	// Redirected means the sink took it into its failure store, where no query of the index finds it.
	Redirected
	// DeadLettered means the sink will never take it; it is in the file of dead letters.
	DeadLettered
	// Dropped means gone, for a cause that is counted.
	Dropped
	// Spooled means on disk until the sink is back. It is in flight, but the checkpoint may pass it.
	Spooled
)

var outcomes = [...]string{"delivered", "duplicate", "redirected", "dead_letter", "dropped", "spooled"} //nolint:gochecknoglobals // a constant

// String is the word that metrics carry.
func (o Outcome) String() string { return word(outcomes[:], int(o)) }

// Ledger is the accounts of a [Flow]. At every instant
//
//	Received = Delivered + Duplicate + Redirected + DeadLettered + Dropped + InFlight + Spooled
//
// where the dropped are summed over their causes.
type Ledger struct {
	Received                                       uint64
	Delivered, Duplicate, Redirected, DeadLettered uint64
	// Dropped by cause: a handful of constants such as "invalid" and "spool_full".
	Dropped map[string]uint64
	// InFlight is in memory, Spooled on disk.
	InFlight, Spooled uint64
}

// Balanced reports whether the conservation law holds.
func (l *Ledger) Balanced() bool {
	return l.Received == l.Delivered+l.Duplicate+l.Redirected+l.DeadLettered+l.DroppedTotal()+l.InFlight+l.Spooled
}

// DroppedTotal is the sum over all causes.
func (l *Ledger) DroppedTotal() uint64 {
	var sum uint64
	for _, n := range l.Dropped {
		sum += n
	}
	return sum
}

// count adds one document to its outcome.
func (l *Ledger) count(o Outcome, cause string) {
	switch o {
	case Delivered:
		l.Delivered++
	case Duplicate:
		l.Duplicate++
	case Redirected:
		l.Redirected++
	case DeadLettered:
		l.DeadLettered++
	case Spooled:
		l.Spooled++
	default:
		l.drop(cause, 1)
	}
}

func (l *Ledger) drop(cause string, n uint64) {
	if cause == "" {
		cause = "unknown"
	}
	if l.Dropped == nil {
		l.Dropped = map[string]uint64{}
	}
	l.Dropped[cause] += n
}

func (l *Ledger) clone() Ledger {
	c := *l
	c.Dropped = maps.Clone(l.Dropped)
	return c
}
