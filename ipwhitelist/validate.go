package ipwhitelist

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// Limits of a configuration. They bound what a request can cost and what a report can hold.
const (
	maxCallers  = 10_000
	maxKeys     = 16 // of one caller
	maxRules    = 10_000
	maxPrefixes = 100_000 // of all rules
	maxOverride = 24 * time.Hour
)

// problems gathers what is wrong, so that one round of repairs is enough.
type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// names finds what stands twice.
type names map[string]bool

func (n names) twice(s string) bool {
	seen := n[s]
	n[s] = true
	return seen
}

// validName is that of callers and rules: they become labels of metrics.
func validName(s string) bool { return httpsig.ValidKeyID(s) }

const nameForm = "write 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit"

// checkCallers checks everything of callers but their secrets, which become keys.
func (p *problems) checkCallers(callers []Caller) {
	seen, keys, secrets := names{}, names{}, names{}
	if len(callers) > maxCallers {
		p.add("callers: %d, more than %d", len(callers), maxCallers)
		return
	}
	for i := range callers {
		c := &callers[i]
		if !validName(c.Name) {
			p.add("callers[%d]: name %q: %s", i, shorten(c.Name), nameForm)
		}
		if seen.twice(c.Name) {
			p.add("caller %s: stands twice", c.Name)
		}
		if !c.Mode.valid() {
			p.add("caller %s: mode %q: write ip, either, report, signature or both", c.Name, shorten(string(c.Mode)))
		}
		p.checkOverride(c)
		if len(c.Keys)+len(c.APIKeys) > maxKeys {
			p.add("caller %s: %d keys, more than %d: delete those that are disabled", c.Name, len(c.Keys)+len(c.APIKeys), maxKeys)
		}
		for _, k := range c.Keys {
			p.checkKey(c.Name, k.ID, k.State, k.NotAfter, keys)
			if k.Alg != "" && k.Alg != "hmac-sha256" {
				p.add("caller %s: key %s: alg %q: only hmac-sha256 is known", c.Name, shorten(k.ID), shorten(k.Alg))
			}
			if _, random, err := httpsig.DecodeText(httpsig.KeyPrefix, string(k.Secret)); err == nil && secrets.twice(string(random[:])) {
				p.add("caller %s: key %s: its secret is another key's, too: generate one for each", c.Name, k.ID)
			}
		}
		for _, k := range c.APIKeys {
			p.checkKey(c.Name, k.ID, k.State, k.NotAfter, keys)
			if b, err := hex.DecodeString(k.SHA256); err != nil || len(b) != 32 || secrets.twice("api "+string(b)) {
				p.add("caller %s: API key %s: sha256: write the 64 hex digits that keygen prints, of a key that no other has", c.Name, shorten(k.ID))
			}
		}
	}
}

func (p *problems) checkKey(caller, id string, s State, notAfter time.Time, seen names) {
	if !httpsig.ValidKeyID(id) {
		p.add("caller %s: key %q: %s", caller, shorten(id), nameForm)
	}
	if seen.twice(id) {
		p.add("caller %s: key %s: stands twice: ids are for all callers together", caller, shorten(id))
	}
	switch s {
	case Next, Active, Disabled:
	case Retiring:
		if notAfter.IsZero() {
			p.add("caller %s: key %s: is retiring and has no not_after: say until when", caller, shorten(id))
		}
	default:
		p.add("caller %s: key %s: state %q: write next, active, retiring or disabled", caller, shorten(id), shorten(string(s)))
	}
}

func (p *problems) checkOverride(c *Caller) {
	o := c.Override
	if o == nil {
		return
	}
	if d := o.Until.Sub(o.From); o.From.IsZero() || d <= 0 || d > maxOverride {
		p.add("caller %s: override: from %s until %s: write times at most 24 h apart", c.Name, o.From.Format(time.RFC3339), o.Until.Format(time.RFC3339))
	}
	if !o.Mode.valid() || o.Reason == "" {
		p.add("caller %s: override: write a mode, and the reason", c.Name)
	}
}

func (p *problems) checkRules(rules []Rule, callers []Caller) {
	seen, known := names{}, names{}
	for _, c := range callers {
		known[c.Name] = true
	}
	if len(rules) > maxRules {
		p.add("rules: %d, more than %d", len(rules), maxRules)
		return
	}
	for i, r := range rules {
		if !validName(r.Name) {
			p.add("rules[%d]: name %q: %s", i, shorten(r.Name), nameForm)
		}
		if seen.twice(r.Name) {
			p.add("rule %s: stands twice", r.Name)
		}
		if len(r.Prefixes) == 0 || len(r.Callers) == 0 {
			p.add("rule %s: write prefixes and callers, or delete it", r.Name)
		}
		if r.CanaryPercent < 0 || r.CanaryPercent > 100 {
			p.add("rule %s: canary_percent %d: write 0 to 100", r.Name, r.CanaryPercent)
		}
		for _, name := range r.Callers {
			if !known[name] {
				p.add("rule %s: there is no caller %q", r.Name, shorten(name))
			}
		}
		if sorted := slices.Sorted(slices.Values(r.Callers)); len(slices.Compact(sorted)) < len(r.Callers) {
			p.add("rule %s: a caller stands twice", r.Name)
		}
	}
}

// parseDate reads a date of a rule; the zero Time if there is none.
func (p *problems) parseDate(rule, key, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		p.add("rule %s: %s %q: write a date like 2027-01-15", rule, key, shorten(s))
	}
	return d
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return fmt.Errorf("ipwhitelist: %w", errors.Join(p...))
}

func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
