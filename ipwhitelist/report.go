package ipwhitelist

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Report is the use that a guard has seen: who signs, who fails, and who still relies on which address. It is a plain
// value for JSON and metrics, in the order of names. Counters are a process's own: [MergeReports] adds up replicas.
type Report struct {
	Since   time.Time     `json:"since"`
	Until   time.Time     `json:"until"`
	Callers []CallerUsage `json:"callers"`
	Rules   []RuleUsage   `json:"rules"`
	Keys    []KeyUsage    `json:"keys"`
	// Unknown are failures that are nobody's: unknown keys, and signatures that are not right from addresses that are not
	// the caller's.
	Unknown map[Reason]uint64 `json:"unknown,omitempty"`
	// Unresolved are requests whose client's address could not be told.
	Unresolved uint64 `json:"unresolved,omitempty"`
}

// CallerUsage is what a caller has proven. Good credentials in mode ip count as well, though they do not decide there.
type CallerUsage struct {
	Name     string    `json:"name"`
	Mode     Mode      `json:"mode"` // without an override
	Override *Override `json:"override,omitempty"`
	// AllowAPIKey is that of the configuration: without it mode signature refuses API keys.
	AllowAPIKey bool  `json:"allow_api_key,omitempty"`
	Signed      Event `json:"signed"`
	APIKey      Event `json:"api_key"`
	// Failed came from an address of the caller: by it, or by a neighbour behind the same proxy.
	Failed   Event             `json:"failed"`
	Failures map[Reason]uint64 `json:"failures,omitempty"`
	// Suspect had the right signature or API key, and need not be the caller's doing, since somebody who has seen one of
	// its requests can send this: a signature that had been accepted before, from wherever, or from an address that is not
	// the caller's with another body. Beside them are bodies that broke off, and calls of routes that are for others. They
	// are refused in each mode, but for those that the address admits, and do not hold up a migration.
	Suspect  Event             `json:"suspect"`
	Suspects map[Reason]uint64 `json:"suspects,omitempty"`
}

// modeAt is Mode, or that of an override.
func (c CallerUsage) modeAt(now time.Time) Mode {
	config := Caller{Mode: c.Mode, Override: c.Override}
	return config.ModeAt(now)
}

// RuleUsage is what the addresses of a rule were used for.
type RuleUsage struct {
	Name    string   `json:"name"`
	Callers []string `json:"callers"`
	Mode    Mode     `json:"mode"` // of an unsigned request from it
	// CanaryPercent is that of the configuration.
	CanaryPercent int `json:"canary_percent,omitempty"`
	// Prefixes are as [clientip.ParsePrefix] writes them, in order.
	Prefixes []string `json:"prefixes,omitempty"`
	// Since is when the rule last got an address that it did not hold before. What that was used for until then, under
	// another rule or none, is not here.
	Since time.Time `json:"since,omitzero"`
	// IPOnly is what its address alone admitted, also with a good credential of a caller in mode ip which the rule does not
	// list; Canary is what it would have and the canary refused, Refused what it did not admit.
	IPOnly  Event `json:"ip_only"`
	Canary  Event `json:"canary"`
	Refused Event `json:"refused"`
	// The most frequent of IPOnly and Canary: at most 10 each, cut to 128 bytes.
	Addresses  []Sample `json:"addresses,omitempty"`
	Paths      []Sample `json:"paths,omitempty"`
	UserAgents []Sample `json:"user_agents,omitempty"`
}

// KeyUsage is how often a key was right, also if it is disabled.
type KeyUsage struct {
	ID     string `json:"id"`
	Caller string `json:"caller"`
	State  State  `json:"state"`
	// NotAfter is that of the configuration: when the key ends.
	NotAfter time.Time `json:"not_after,omitzero"`
	Used     Event     `json:"used"`
}

// Report returns what was seen since the guard was made, of the callers, rules and keys of the present configuration.
func (g *Guard) Report() Report {
	s, now := g.current.Load(), g.o.Clock()
	r := Report{Since: g.ledger.since, Until: now.UTC().Truncate(time.Second), Unknown: g.ledger.unknown.snapshot(), Unresolved: g.ledger.unresolved.Load()}
	for _, name := range slices.Sorted(maps.Keys(s.callers)) {
		c := s.callers[name]
		r.Callers = append(r.Callers, CallerUsage{
			Name: name, Mode: c.Mode, Override: cloneOverride(c.Override), AllowAPIKey: c.AllowAPIKey, Signed: c.usage.signed.snapshot(),
			APIKey: c.usage.apiKey.snapshot(), Failed: c.usage.failed.snapshot(), Failures: c.usage.failures.snapshot(),
			Suspect: c.usage.suspect.snapshot(), Suspects: c.usage.suspects.snapshot(),
		})
	}
	for _, one := range s.rules {
		r.Rules = append(r.Rules, one.report(now))
	}
	slices.SortFunc(r.Rules, func(a, b RuleUsage) int { return cmp.Compare(a.Name, b.Name) })
	for _, keys := range []map[string]*key{s.keys, s.apiKeys} {
		for _, k := range keys {
			r.Keys = append(r.Keys, KeyUsage{k.id, k.caller.Name, k.state, k.notAfter, k.usage.used.snapshot()})
		}
	}
	slices.SortFunc(r.Keys, func(a, b KeyUsage) int { return cmp.Compare(a.ID, b.ID) })
	return r
}

func (r *rule) report(now time.Time) RuleUsage {
	u := RuleUsage{
		Name: r.Name, Callers: slices.Sorted(slices.Values(r.Callers)), Mode: r.modeAt(now), CanaryPercent: r.CanaryPercent, Since: time.Unix(r.usage.since.Load(), 0).UTC(),
		IPOnly: r.usage.ipOnly.snapshot(), Canary: r.usage.canary.snapshot(), Refused: r.usage.refused.snapshot(),
	}
	for _, p := range r.prefixes {
		u.Prefixes = append(u.Prefixes, p.String())
	}
	slices.Sort(u.Prefixes)
	r.usage.mu.Lock()
	defer r.usage.mu.Unlock()
	u.Addresses, u.Paths, u.UserAgents = r.usage.addresses.ranked(), r.usage.paths.ranked(), r.usage.agents.ranked()
	return u
}

func (t top) ranked() []Sample {
	out := slices.Clone(t)
	slices.SortFunc(out, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return out
}

func cloneOverride(o *Override) *Override {
	if o == nil {
		return nil
	}
	c := *o
	return &c
}

// maxGap is how long nobody may have looked for two reports to be one time of observation.
const maxGap = 15 * time.Minute

// MergeReports adds up reports of replicas, and of a process before it restarted. Modes and states are those of the
// report that ends last. Since is the beginning of the time that was watched without a gap of more than 15 minutes. Give
// it the report of each replica, or what the missing one saw is missing, and one of each process, or it counts twice.
func MergeReports(reports ...Report) Report {
	reports = slices.Clone(reports)
	slices.SortStableFunc(reports, func(a, b Report) int {
		return cmp.Or(a.Since.Compare(b.Since), a.Until.Compare(b.Until))
	})
	var m Report
	latest := -1
	for i, r := range reports {
		if i == 0 || r.Since.Sub(m.Until) > maxGap {
			m.Since = r.Since
		}
		if latest < 0 || !r.Until.Before(m.Until) {
			m.Until, latest = r.Until, i
		}
		m.Unresolved += r.Unresolved
		m.Unknown = addCounts(m.Unknown, r.Unknown)
	}
	if latest < 0 {
		return Report{}
	}
	// Names and modes of the latest report, uses of all.
	last := reports[latest]
	for _, c := range last.Callers {
		m.Callers = append(m.Callers, c.sum(reports))
	}
	for _, u := range last.Rules {
		m.Rules = append(m.Rules, u.sum(reports))
	}
	for _, k := range last.Keys {
		k.Used = Event{}
		for _, r := range reports {
			for _, o := range r.Keys {
				if o.ID == k.ID {
					k.Used = k.Used.merge(o.Used)
				}
			}
		}
		m.Keys = append(m.Keys, k)
	}
	return m
}

func (c CallerUsage) sum(reports []Report) CallerUsage {
	c.Signed, c.APIKey, c.Failed, c.Failures, c.Suspect, c.Suspects = Event{}, Event{}, Event{}, nil, Event{}, nil
	for _, r := range reports {
		for _, o := range r.Callers {
			if o.Name == c.Name {
				c.Signed, c.APIKey, c.Failed = c.Signed.merge(o.Signed), c.APIKey.merge(o.APIKey), c.Failed.merge(o.Failed)
				c.Failures, c.Suspects = addCounts(c.Failures, o.Failures), addCounts(c.Suspects, o.Suspects)
				c.Suspect = c.Suspect.merge(o.Suspect)
			}
		}
	}
	return c
}

func (u RuleUsage) sum(reports []Report) RuleUsage {
	u.Since = watchedSince(u.Name, reports)
	u.IPOnly, u.Canary, u.Refused, u.Addresses, u.Paths, u.UserAgents = Event{}, Event{}, Event{}, nil, nil, nil
	for _, r := range reports {
		for _, o := range r.Rules {
			if o.Name == u.Name {
				u.IPOnly, u.Canary, u.Refused = u.IPOnly.merge(o.IPOnly), u.Canary.merge(o.Canary), u.Refused.merge(o.Refused)
				u.Addresses = addSamples(u.Addresses, o.Addresses)
				u.Paths = addSamples(u.Paths, o.Paths)
				u.UserAgents = addSamples(u.UserAgents, o.UserAgents)
			}
		}
	}
	return u
}

// watchedSince is when the last time of observation of all addresses of a rule began: after a gap, with a process that saw
// the rule get an address, or with one that had addresses in it from its start which the process before had not.
func watchedSince(name string, reports []Report) (since time.Time) {
	var until time.Time
	var held []string
	for _, r := range reports {
		for _, o := range r.Rules {
			if o.Name != name {
				continue
			}
			if until.IsZero() || o.Since.Sub(until) > maxGap || o.Since.After(r.Since) || !within(o.Prefixes, held) {
				since = later(since, o.Since)
			}
			until, held = later(until, r.Until), o.Prefixes
		}
	}
	return since
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func addCounts(to, from map[Reason]uint64) map[Reason]uint64 {
	for r, n := range from {
		if to == nil {
			to = map[Reason]uint64{}
		}
		to[r] += n
	}
	return to
}

func addSamples(to, from []Sample) []Sample {
	counts := map[string]uint64{}
	for _, s := range slices.Concat(to, from) {
		counts[s.Value] += s.Count
	}
	var all top
	for value, n := range counts {
		all = append(all, Sample{value, n})
	}
	ranked := all.ranked()
	return ranked[:min(topSize, len(ranked))]
}
