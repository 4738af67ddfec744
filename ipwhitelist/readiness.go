package ipwhitelist

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Criteria are what a step of a migration asks for. The zero value is the default.
type Criteria struct {
	// Quiet is how long nothing has failed, and no address was relied on; 0 or less is 7 days. It must be longer than the
	// time between two calls of the rarest job behind the address: more than a month for one that runs monthly.
	Quiet       time.Duration
	MinRequests uint64 // how many requests the caller must have proven; 0 is 100
}

// Readiness is whether a caller's next step would break anything.
type Readiness struct {
	Caller   string   `json:"caller"`
	From     Mode     `json:"from"`
	To       Mode     `json:"to"` // "" at the end of the way
	Ready    bool     `json:"ready"`
	Blockers []string `json:"blockers,omitempty"` // why not, with what was measured
	Notes    []string `json:"notes,omitempty"`    // what to know besides
}

// Readiness judges the next step of a caller from what was measured. Steps back need no permission.
//
//   - ip → either: the caller proves requests, and no credential has failed that came from one of its addresses, for as
//     long as Criteria.Quiet.
//   - either → report: the same, with MinRequests; and if the step sets off the canary of a rule, nothing has relied on its
//     addresses for as long.
//   - report → signature: the same, and API keys must be allowed in mode signature or out of use for as long; and unless a
//     caller in mode ip or either keeps a rule open, all the rule's addresses were watched, and nothing has relied on them,
//     for as long. Others in mode report do not count, since they may take the same step today. If the rule stays open,
//     unsigned requests from there are still admitted, so that the step breaks nothing; it protects only handlers behind
//     [RequireCaller].
//
// What somebody who has seen a request of the caller can send from elsewhere does not block, or he could hold a migration
// up for ever; it is a note ([CallerUsage.Suspect]). A neighbour behind the same proxy can: that is why addresses go.
func (r Report) Readiness(caller string, c Criteria) Readiness {
	if c.Quiet <= 0 {
		c.Quiet = 7 * 24 * time.Hour
	}
	if c.MinRequests == 0 {
		c.MinRequests = 100
	}
	out := Readiness{Caller: caller}
	block := func(format string, args ...any) { out.Blockers = append(out.Blockers, fmt.Sprintf(format, args...)) }
	u, ok := r.caller(caller)
	if !ok {
		block("there is no caller %q in the report", shorten(caller))
		return out
	}
	out.From, out.To = u.Mode, u.Mode.following()
	if o := u.Override; o.ActiveAt(r.Until) {
		out.Notes = append(out.Notes, fmt.Sprintf("an override has it in mode %s until %s: %s", o.Mode, stamp(o.Until), shorten(o.Reason)))
	}
	if out.To == "" {
		out.Notes = append(out.Notes, "mode "+string(u.Mode)+" is the end of the way")
		return out
	}
	proven := u.Signed.Count
	switch {
	case out.To != ModeSignature || u.AllowAPIKey:
		proven += u.APIKey.Count
	case u.APIKey.Count > 0:
		out.quiet(r.Until.Sub(u.APIKey.Last) >= c.Quiet, "%d requests had an API key, the last at %s: set allow_api_key, or they are refused", u.APIKey.Count, stamp(u.APIKey.Last))
	}
	need := c.MinRequests
	if out.From == ModeIP {
		need = 1
	}
	if proven < need {
		block("%d requests were proven, and %d are needed", proven, need)
	}
	if r.Until.Sub(r.Since) < c.Quiet && out.From != ModeIP {
		block("observed since %s: wait until %s", stamp(r.Since), stamp(r.Since.Add(c.Quiet)))
	}
	if u.Failed.Count > 0 {
		out.quiet(r.Until.Sub(u.Failed.Last) >= c.Quiet, "%d credentials failed, the last at %s: %s", u.Failed.Count, stamp(u.Failed.Last), listReasons(u.Failures))
	}
	if u.Suspect.Count > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d right credentials were not accepted, and hold nothing up, the last at %s: %s: retries, a signer that signs once and sends often, routes for others, or somebody who has seen them", u.Suspect.Count, stamp(u.Suspect.Last), listReasons(u.Suspects)))
	}
	for _, k := range r.Keys {
		if k.Caller == caller && !k.NotAfter.IsZero() && k.Used.Count > 0 && r.Until.Sub(k.Used.Last) < c.Quiet {
			out.Notes = append(out.Notes, fmt.Sprintf("key %s, last used at %s, ends at %s", k.ID, stamp(k.Used.Last), stamp(k.NotAfter)))
		}
	}
	for _, rule := range r.Rules {
		if slices.Contains(rule.Callers, caller) {
			r.relied(&out, rule, c.Quiet)
		}
	}
	out.Ready = len(out.Blockers) == 0
	return out
}

// quiet keeps what was measured: against the step, or, if it is long enough ago, for whoever knows of a rare job.
func (out *Readiness) quiet(long bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if long {
		out.Notes = append(out.Notes, "before the quiet time: "+text)
		return
	}
	out.Blockers = append(out.Blockers, text)
}

// relied looks at a rule which the step could close, or whose canary it could set off.
func (r Report) relied(out *Readiness, rule RuleUsage, quiet time.Duration) {
	open, most := "", 0 // by somebody else
	for _, name := range rule.Callers {
		if u, ok := r.caller(name); ok && name != out.Caller {
			if n := min(u.Mode.openness(), u.modeAt(r.Until).openness()); n > most { // an override ends, or closes it for now
				open, most = name, n
			}
		}
	}
	switch {
	case out.To == ModeSignature && most > ModeReport.openness():
		out.Notes = append(out.Notes, fmt.Sprintf("rule %s stays open for %s: unsigned requests from it are admitted as before", rule.Name, open))
		return
	case out.To == ModeReport && most <= ModeReport.openness() && rule.CanaryPercent > 0:
		out.Notes = append(out.Notes, fmt.Sprintf("rule %s: its canary begins to refuse %d %% of what relies on its address alone", rule.Name, rule.CanaryPercent))
	case out.To != ModeSignature:
		return
	}
	if rule.Since.After(r.Since) && r.Until.Sub(rule.Since) < quiet {
		out.Blockers = append(out.Blockers, fmt.Sprintf("rule %s: observed since %s: wait until %s", rule.Name, stamp(rule.Since), stamp(rule.Since.Add(quiet))))
	}
	if used := rule.IPOnly.merge(rule.Canary); used.Count > 0 {
		out.quiet(r.Until.Sub(used.Last) >= quiet, "rule %s: %d requests relied on its address alone, the last at %s%s", rule.Name, used.Count, stamp(used.Last), culprits(rule))
	}
}

func culprits(u RuleUsage) string {
	text := ""
	if len(u.Paths) > 0 {
		text = fmt.Sprintf(", most often %q", u.Paths[0].Value)
	}
	if len(u.UserAgents) > 0 {
		text += fmt.Sprintf(" by %q", u.UserAgents[0].Value)
	}
	return text
}

func (r Report) caller(name string) (CallerUsage, bool) {
	for _, c := range r.Callers {
		if c.Name == name {
			return c, true
		}
	}
	return CallerUsage{}, false
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// listReasons is in the order of the check.
func listReasons(m map[Reason]uint64) string {
	var texts []string
	for _, r := range reasons {
		if m[r] > 0 {
			texts = append(texts, fmt.Sprintf("%s %d", r, m[r]))
		}
	}
	return strings.Join(texts, ", ")
}
