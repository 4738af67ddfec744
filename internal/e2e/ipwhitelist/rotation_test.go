package ipwhitelist

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist"
)

// A key is replaced while callers send: next at both replicas, then active at the caller, then the old one retired and
// disabled. Nothing is refused.
func TestRotationUnderLoad(t *testing.T) {
	s := newSetup(t, ipwhitelist.ModeSignature)
	replicas := []*replica{s.serve(), s.serve()}
	keyFile := s.keyFile(s.keys[0])
	var callers []*child
	for _, r := range replicas {
		callers = append(callers, startCommand(t, exec.Command(program, "call", "-key-file="+keyFile, "-connect="+r.api,
			"-n=1000000", "-parallel=4", "-interval=5ms", "http://"+authority+"/v1/orders/42")))
	}
	everywhere := func(what string, ok func(ipwhitelist.Report) bool) {
		for _, r := range replicas {
			eventually(t, what, func() bool { return ok(r.report(t)) })
		}
	}
	state := func(id string, want ipwhitelist.State) func(ipwhitelist.Report) bool {
		return func(r ipwhitelist.Report) bool {
			for _, k := range r.Keys {
				if k.ID == id {
					return k.State == want
				}
			}
			return false
		}
	}
	uses := func(r ipwhitelist.Report, id string) (n uint64) {
		for _, k := range r.Keys {
			if k.ID == id {
				n = k.Used.Count
			}
		}
		return n
	}
	everywhere("the old key is used", func(r ipwhitelist.Report) bool { return uses(r, "billing.1") > 0 })
	second := s.addKey(ipwhitelist.Next)
	s.write()
	everywhere("the new key is known", state("billing.2", ipwhitelist.Next))
	s.keyFile(second)
	everywhere("the new key is used", func(r ipwhitelist.Report) bool { return uses(r, "billing.2") > 0 })
	s.config.Callers[0].Keys[1].State = ipwhitelist.Active
	s.config.Callers[0].Keys[0].State, s.config.Callers[0].Keys[0].NotAfter = ipwhitelist.Retiring, time.Now().Add(time.Hour)
	s.write()
	everywhere("the old key retires", state("billing.1", ipwhitelist.Retiring))
	for _, r := range replicas { // the measure before disabling: the new key is used, and the old one is not
		quiet := false
		for range 10 { // a request that was signed before the change may still have been on its way
			before := r.report(t)
			eventually(t, "100 more with the new key", func() bool { return uses(r.report(t), "billing.2") > uses(before, "billing.2")+100 })
			if quiet = uses(r.report(t), "billing.1") == uses(before, "billing.1"); quiet {
				break
			}
		}
		require.True(t, quiet, "the old key is not used any more")
	}
	s.config.Callers[0].Keys[0].State = ipwhitelist.Disabled
	s.write()
	everywhere("the old key is disabled", state("billing.1", ipwhitelist.Disabled))
	for _, c := range callers {
		c.stop()
		require.Regexp(t, `^\d{3,} × 200 OK\n$`, c.log(), "zero refusals")
	}
}
