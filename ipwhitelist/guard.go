package ipwhitelist

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// Options configure a [Guard]. The zero value works.
type Options struct {
	// Replay remembers nonces; nil is NewMemoryReplay with its defaults. One process that restarts, or several replicas,
	// need a shared one.
	Replay Replay
	// ReplayFailOpen admits signatures when Replay fails. Otherwise the answer is 503.
	ReplayFailOpen bool
	// ReplayTimeout bounds a call of Replay, but for a MemoryReplay, which waits for nothing; 0 is 250 ms.
	ReplayTimeout time.Duration
	// Window is which times of signatures are accepted.
	Window httpsig.Window
	// Realm is in WWW-Authenticate; "" is "api". Printable ASCII without quotes and backslashes.
	Realm string
	// Authority is what requests are signed for if a proxy in front changes Host to something else; "" is the Host.
	Authority string
	// Observer is told each decision, in the request's goroutine, after the answer to a refusal or before the handler.
	Observer func(*http.Request, Decision)
	// Clock is time.Now if nil.
	Clock func() time.Time
}

// Route is what differs between routes. The zero value works.
type Route struct {
	// Callers are the only ones that may call, by proof; others that are proven get 403, requests with nothing but an
	// address 401. Empty is all.
	Callers []string
	// MaxBody bounds the body of signed requests; 0 is 1 MiB, more is 413.
	MaxBody int64
	// Stream hands the body to the handler as it comes, and not as a whole: nothing of it is proven before Read returns
	// io.EOF. The handler must read up to there before what it does counts, and undo it when Read fails, with
	// [httpsig.ErrDigest] in place of the last part of a body that is not the signed one. A json.Decoder stops at the end
	// of a value, which somebody on the way can have put in front of a lot of white space: not for handlers that decode and
	// act. By then it is too late to go by the address: in modes either and report, too, a body that is not the signed one
	// fails.
	Stream bool
	// UnsignedBody accepts signatures that do not cover the body, for uploads that can't be read twice. It is not safe:
	// whoever is on the way can replace the body. [httpsig.Sign] with a nil body makes them, and [httpsig.Transport] never.
	UnsignedBody bool
	// Cover are fields that must be signed if the request has them, beside those of the profile.
	Cover httpsig.Fields
}

const defaultMaxBody = 1 << 20

// Guard decides who may call. It is safe for concurrent use.
type Guard struct {
	o       Options
	ledger  *ledger
	dummy   *httpsig.Key // what strangers are verified with
	current atomic.Pointer[snapshot]
	replace sync.Mutex // one after the other
}

// New makes a guard. The error tells everything that is wrong with the configuration and the options.
func New(c Config, o Options) (*Guard, error) {
	if o.Clock == nil {
		o.Clock = time.Now //nolint:forbidigo // the one place where the clock comes in
	}
	if o.Realm == "" {
		o.Realm = "api"
	}
	if o.ReplayTimeout == 0 {
		o.ReplayTimeout = 250 * time.Millisecond
	}
	g := &Guard{ledger: newLedger(o.Clock().UTC().Truncate(time.Second))}
	var problems []error
	for i := range len(o.Realm) {
		if c := o.Realm[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			problems = append(problems, fmt.Errorf("ipwhitelist: realm %q: write printable ASCII without quotes", shorten(o.Realm)))
			break
		}
	}
	if o.Authority != "" {
		if _, err := httpsig.Authority(o.Authority); err != nil {
			problems = append(problems, fmt.Errorf("ipwhitelist: authority: %w", err))
		}
	}
	if o.ReplayTimeout < 0 {
		problems = append(problems, fmt.Errorf("ipwhitelist: replay timeout %s: write how long a nonce may take, or 0", o.ReplayTimeout))
	}
	switch m, own := o.Replay.(*MemoryReplay); {
	case o.Replay == nil:
		m, err := NewMemoryReplay(0, 0, o.Window.Retention())
		problems = append(problems, err)
		o.Replay = m
	case own && m.retention < o.Window.Retention():
		problems = append(problems, fmt.Errorf("ipwhitelist: replay: nonces are remembered for %s, and signatures of the window are good for up to %s: give NewMemoryReplay its Retention", m.retention, o.Window.Retention()))
	}
	g.o = o
	text, err := httpsig.GenerateKey("unknown", rand.Reader)
	if err == nil {
		g.dummy, err = httpsig.ParseKey(text)
	}
	if err := errors.Join(append(problems, err, g.replaceAt(c, g.ledger.since))...); err != nil {
		return nil, err
	}
	return g, nil
}

// Replace puts another configuration in place, for the requests that come after. If there is anything wrong with it, the
// one in place stays. Counters are kept.
func (g *Guard) Replace(c Config) error { return g.replaceAt(c, g.o.Clock()) }

func (g *Guard) replaceAt(c Config, now time.Time) error {
	own, sum, err := cloneConfig(c)
	if err != nil {
		return err
	}
	s, err := compile(own, g.ledger)
	if err != nil {
		return err
	}
	s.sum = sum
	g.replace.Lock()
	defer g.replace.Unlock()
	for r := range s.gained(g.current.Load()) {
		r.usage.since.Store(now.Unix())
	}
	g.current.Store(s)
	return nil
}

// cloneConfig returns a copy that shares nothing, and a hash of the content.
func cloneConfig(c Config) (own Config, sum [sha256.Size]byte, err error) {
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(text, &own)
	}
	if err != nil {
		return Config{}, sum, fmt.Errorf("ipwhitelist: %w", err)
	}
	return own, sha256.Sum256(text), nil
}

// Watch calls load every so often, 0 or less is 10 s, replaces the configuration when it differs, and returns when ctx
// ends. What can't be loaded, or is wrong, leaves the last good configuration in place. report, if not nil, is told each
// attempt that changed or failed. Polling sees what a kubelet does to a mounted Secret, which watches of files miss.
func (g *Guard) Watch(ctx context.Context, every time.Duration, load func() (Config, error), report func(error)) {
	if every <= 0 {
		every = 10 * time.Second
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c, err := load()
		if ctx.Err() != nil {
			return // also when load has ended because of it
		}
		if err == nil {
			if _, sum, err := cloneConfig(c); err == nil && sum == g.current.Load().sum {
				continue
			}
			err = g.Replace(c)
		}
		if report != nil {
			report(err)
		}
	}
}

// Handler is [Guard.Route] with the zero Route.
func (g *Guard) Handler(next http.Handler) http.Handler { return g.Route(Route{}, next) }

// Route returns a handler that checks requests before next sees them. It refuses with 401, 403, 413 or 503 and an
// application/problem+json body. next finds out who called with [FromContext]; headers are as they came, and those
// that are not signed prove nothing.
func (g *Guard) Route(o Route, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, d := g.Check(r, o)
		if g.o.Observer != nil {
			d.Took = g.o.Clock().Sub(d.Time)
		}
		if admitted == nil {
			g.refuse(w, r, d)
			g.observe(r, d)
			return
		}
		announce(w.Header(), d)
		g.observe(r, d)
		next.ServeHTTP(w, admitted)
	})
}

func (g *Guard) observe(r *http.Request, d Decision) {
	if g.o.Observer != nil {
		g.o.Observer(r, d)
	}
}
