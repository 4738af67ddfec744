package cgroupview

import (
	"fmt"
	"strings"
)

// Policy turns limits into a number of CPUs. [Runtime] has what known programs do, [Custom] is for rules of your own.
type Policy interface {
	count(l *Limits) Count
}

// Count is a number of CPUs and the reason for it.
type Count struct {
	N     int
	Exact Ratio // the quota that was looked at; no Period if none counts
	// Undecided says that the program finds no quota and leaves the number to its runtime; N is that one's choice.
	Undecided bool
	// Because is one line, "2: /sys/fs/cgroup/a/cpu.max = 150000 100000, ceil".
	Because string
}

// Count applies a policy. N is at least 1.
func (l Limits) Count(p Policy) Count { return p.count(&l) }

// Custom is a policy of your own on the tightest quota of all levels. The zero value is [Ceil].
type Custom struct {
	Name  string                         // for Because; "custom" if empty
	Round func(quota, period uint64) int // µs; nil rounds up. Not called without a quota
	Min   int                            // the least answer where there is a quota; 0 is 1
}

func (c Custom) count(l *Limits) Count {
	name := c.Name
	if name == "" {
		name = "custom"
	}
	n, s, ratio := rule{round: c.Round, least: c.Min}.number(l)
	return Count{N: n, Exact: ratio, Because: because(l, n, s, ratio, name, false)}
}

// scope says which level's quota a program looks at.
type scope uint8

const (
	tightest  scope = iota // the lowest of all levels, which is what the kernel enforces
	leaf                   // the process's own cgroup alone
	topmost                // the one nearest to the root, whatever is below it
	jvmLevels              // see [Limits.quotaOfJVM]
)

// rule is how a program turns a quota into a number.
type rule struct {
	scope scope
	round func(quota, period uint64) int // nil rounds up
	least int
	alone bool // sees what its process sees, and nothing outside
	wide  bool // the answer may exceed the CPUs the process can run on
	v2    bool // quotas of v1 are not looked at
}

// number is the count without its reason, and the step with the quota that was looked at.
func (c rule) number(l *Limits) (n int, s *Step, r Ratio) {
	cpus := l.parallelism()
	s, r = l.quotaOf(c)
	if s == nil || c.v2 && strings.HasSuffix(s.Path, "cpu.cfs_quota_us") {
		return cpus, nil, Ratio{}
	}
	if c.round == nil {
		n = ceil(r.Quota, r.Period)
	} else {
		n = c.round(r.Quota, r.Period)
	}
	n = max(n, c.least, 1)
	if !c.wide {
		n = min(n, cpus)
	}
	return n, s, r
}

// parallelism is how many CPUs the process can run on at the same time: what every runtime starts from.
func (l *Limits) parallelism() int {
	if n := l.CPUs.Len(); n > 0 {
		return n
	}
	return max(l.Online.Len(), 1)
}

// quotaOf returns the step of the quota that a rule looks at, nil if it has none.
func (l *Limits) quotaOf(c rule) (found *Step, r Ratio) {
	if c.scope == jvmLevels {
		return l.quotaOfJVM()
	}
	for i := range l.Why {
		s := &l.Why[i]
		if s.kind != kindQuota || s.State != Limited || c.scope == leaf && s.Level > 0 || c.alone && s.Outside {
			continue
		}
		ratio := Ratio{s.value, s.period}
		if found == nil || c.scope == topmost || ratio.less(r) {
			found, r = s, ratio
		}
	}
	return found, r
}

// quotaOfJVM goes up as long as that makes fewer CPUs. Where the top of the hierarchy makes the fewest, as it can in a
// cgroup namespace, what these JDKs then read is the level below it.
func (l *Limits) quotaOfJVM() (found *Step, r Ratio) {
	var levels []*Step
	hidden := false
	for i := range l.Why {
		switch s := &l.Why[i]; {
		case s.kind == kindQuota && !s.Outside:
			levels = append(levels, s)
		case s.kind == noKind && s.Controller == CPU:
			hidden = true // the top that is seen is not the top of the hierarchy
		}
	}
	at, fewest := 0, l.parallelism()
	for i, s := range levels {
		n := fewest
		if s.State == Limited {
			n = ceil(s.value, s.period)
		}
		if n < fewest {
			at, fewest = i, n
			if i > 0 && i == len(levels)-1 && !hidden {
				at--
			}
		}
	}
	if len(levels) == 0 || levels[at].State != Limited {
		return nil, Ratio{}
	}
	return levels[at], Ratio{levels[at].value, levels[at].period}
}

// because says why n is the count: the quota, or else what the CPUs come from.
func because(l *Limits, n int, s *Step, r Ratio, rule string, wide bool) string {
	cpus := l.parallelism()
	switch {
	case s == nil && !l.Quota.known(): // not to be taken for "there is none"
		return fmt.Sprintf("%d: %s, the quota is %s", n, l.whyCPUs(), l.Quota.State)
	case s == nil:
		return fmt.Sprintf("%d: %s, no quota", n, l.whyCPUs())
	case n == cpus && !wide && float64(cpus) < r.CPUs():
		return fmt.Sprintf("%d: %s, less than %s = %s, %s", n, l.whyCPUs(), s.Path, r, rule)
	}
	return fmt.Sprintf("%d: %s = %s, %s", n, s.Path, r, rule)
}

// whyCPUs names the file that decides which CPUs there are.
func (l *Limits) whyCPUs() string {
	best := ""
	for i := range l.Why {
		s := &l.Why[i]
		switch {
		case s.State != Limited:
		case s.kind == kindAffinity && (s.Binding || best == ""), s.kind == kindCpuset && s.Binding:
			best = s.Path + " = " + s.Text
		case s.kind == kindOnline && (best == "" || l.CPUs.Equal(l.Online)):
			best = s.Path + " = " + s.Text
		}
	}
	if best == "" {
		return "nothing is known of the CPUs"
	}
	return best
}

func ceil(quota, period uint64) int {
	return clampInt(quota/period + min(quota%period, 1))
}

func floor(quota, period uint64) int { return clampInt(quota / period) }

// clampInt keeps a count in what every machine's int holds and no machine's number of CPUs reaches.
func clampInt(n uint64) int { return int(min(n, 1<<30)) }
