package ipwhitelist

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/clientip"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// snapshot is a checked configuration, ready for requests. It is immutable but for the counters that it points to, which
// outlive it.
type snapshot struct {
	callers     map[string]*caller
	keys        map[string]*key
	apiKeys     map[string]*key
	rules       []*rule
	table       *clientip.Table[*rule]
	resolver    *clientip.Resolver
	authorities map[string]bool
	sum         [sha256.Size]byte // of the configuration
}

type caller struct {
	Caller
	usage *callerCounts
}

// key is a signing key or an API key of a caller.
type key struct {
	id       string
	caller   *caller
	state    State
	notAfter time.Time
	signing  *httpsig.Key      // nil for API keys
	hash     [sha256.Size]byte // of API keys
	usage    *keyCounts
}

// usable reports whether the key is accepted.
func (k *key) usable(now time.Time) bool {
	return k.state != Disabled && (k.notAfter.IsZero() || now.Before(k.notAfter))
}

type rule struct {
	Rule
	callers            []*caller
	prefixes           []netip.Prefix
	deprecated, sunset time.Time
	usage              *ruleCounts
}

// modeAt is the mode of its most open caller: that of an unsigned request from its addresses, which could be anyone's.
// It is ModeSignature once no caller is admitted by address alone.
func (r *rule) modeAt(now time.Time) Mode {
	mode := ModeSignature
	for _, c := range r.callers {
		if m := c.ModeAt(now); m.openness() > mode.openness() {
			mode = m
		}
	}
	return mode
}

// lists reports whether a caller may come from the rule's addresses.
func (r *rule) lists(c *caller) bool {
	return slices.Contains(r.callers, c)
}

// compile checks a configuration and returns all that is wrong with it.
func compile(c Config, l *ledger) (*snapshot, error) {
	var p problems
	if c.Version != 1 {
		p.add("version %d: write 1", c.Version)
	}
	p.checkCallers(c.Callers)
	p.checkRules(c.Rules, c.Callers)
	s := &snapshot{callers: map[string]*caller{}, keys: map[string]*key{}, apiKeys: map[string]*key{}, authorities: map[string]bool{}}
	for _, a := range c.Authorities {
		normal, err := httpsig.Authority(a)
		if err != nil {
			p.add("authorities: %w", err)
		}
		s.authorities[normal] = true
	}
	for _, config := range c.Callers {
		s.addCaller(config, l, &p)
	}
	s.addRules(c.Rules, l, &p)
	var err error
	if s.resolver, err = clientip.NewResolver(clientip.Options{TrustedProxies: c.TrustedProxies}); err != nil {
		p.add("trusted_proxies: %w", err)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *snapshot) addCaller(config Caller, l *ledger, p *problems) {
	c := &caller{Caller: config, usage: l.caller(config.Name)}
	if config.Override != nil {
		o := *config.Override
		c.Override = &o
	}
	s.callers[c.Name] = c
	for _, k := range config.Keys {
		signing, err := httpsig.ParseKey(string(k.Secret))
		switch {
		case err != nil:
			p.add("caller %s: secret of key %s: %w", c.Name, shorten(k.ID), err)
			continue
		case signing.ID() != k.ID:
			p.add("caller %s: the secret of key %s is that of %s", c.Name, shorten(k.ID), signing.ID())
		}
		s.keys[k.ID] = &key{id: k.ID, caller: c, state: k.State, notAfter: k.NotAfter, signing: signing, usage: l.key(k.ID)}
	}
	for _, k := range config.APIKeys {
		one := &key{id: k.ID, caller: c, state: k.State, notAfter: k.NotAfter, usage: l.key(k.ID)}
		_, _ = hex.Decode(one.hash[:], []byte(k.SHA256[:min(len(k.SHA256), 2*sha256.Size)])) // checked before
		s.apiKeys[k.ID] = one
	}
}

func (s *snapshot) addRules(rules []Rule, l *ledger, p *problems) {
	var entries []clientip.Entry[*rule]
	for _, config := range rules {
		r := &rule{
			Rule: config, usage: l.rule(config.Name),
			deprecated: p.parseDate(config.Name, "deprecated", config.Deprecated),
			sunset:     p.parseDate(config.Name, "remove_after", config.RemoveAfter),
		}
		for _, name := range config.Callers {
			if c := s.callers[name]; c != nil {
				r.callers = append(r.callers, c)
			}
		}
		for _, text := range config.Prefixes {
			prefix, err := clientip.ParsePrefix(text)
			if err != nil {
				p.add("rule %s: %w", config.Name, err)
				continue
			}
			r.prefixes = append(r.prefixes, prefix)
			entries = append(entries, clientip.Entry[*rule]{Prefix: prefix, Value: r})
		}
		s.rules = append(s.rules, r)
	}
	if len(entries) > maxPrefixes {
		p.add("rules: %d prefixes, more than %d", len(entries), maxPrefixes)
		return
	}
	table, err := clientip.NewTable(entries)
	if err != nil {
		p.add("rules: %w", err)
	}
	s.table = table
}
