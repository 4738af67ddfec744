package staticip

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reach makes a problem of each code. sev is its severity, and says is what its text must contain: the object, the
// value and what to write instead.
type reach struct {
	code Code
	sev  Severity
	says string
	make func() error
}

func parseErr(text string) func() error {
	return func() error {
		_, warnings, err := ParsePool(text)
		return errors.Join(err, asError(warnings))
	}
}

func asError(ps Problems) error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

func create(edit func(w *Workload)) func() error {
	return createIn(Network{}, edit)
}

func createIn(n Network, edit func(w *Workload)) func() error {
	return func() error {
		w := redis(3, "10.0.0.10-10.0.0.12")
		edit(&w)
		return asError(CheckCreate(w, n, Options{}))
	}
}

func update(updated string, edit func(w *Workload)) func() error {
	return func() error {
		a, b := redis(3, "10.0.0.10-10.0.0.12"), redis(3, updated)
		edit(&b)
		return asError(CheckUpdate(a, b, Network{}, Options{}))
	}
}

func assign(opts Options, edit func(p *Pod, w *Workload)) func() error {
	return func() error {
		p, w := redisPod(1), redis(3, "10.0.0.10-10.0.0.12")
		edit(&p, &w)
		_, err := Assign(p, w, opts)
		return err
	}
}

func owned(apiVersion, kind, name string) func(p *Pod, w *Workload) {
	return func(p *Pod, _ *Workload) {
		p.Owners = []Owner{{APIVersion: apiVersion, Kind: kind, Name: name, UID: "b2", Controller: true}}
	}
}

func network(blocks, reserved string) Network {
	n := Network{}
	for s := range strings.FieldsSeq(blocks) {
		n.Blocks = append(n.Blocks, Block{Name: "IPPool main", Prefix: netip.MustParsePrefix(s)})
	}
	for s := range strings.FieldsSeq(reserved) {
		n.Reserved = append(n.Reserved, Block{Name: "gateway", Prefix: netip.MustParsePrefix(s)})
	}
	return n
}

func nothing(*Workload) {}

func reaches() []reach {
	key := Options{}.PoolKey()
	return []reach{
		{CodePoolEmpty, SeverityError, "list at least one address", parseErr(" ,; \n")},
		{CodePoolEmpty, SeverityError, "list at least one address", parseErr("!10.0.0.1")},
		{CodePoolEmpty, SeverityError, "list at least one address", parseErr("[]")},
		{CodeBadList, SeverityError, `write ["10.0.0.10","10.0.0.11"]`, parseErr(`["10.0.0.1"`)},
		{CodeBadList, SeverityError, `"[1]"`, parseErr(`[1]`)},
		{CodeBadAddress, SeverityError, `item 3 "10.0.0.256": IPv4 field has value >255`, parseErr("10.0.0.1,10.0.0.2,10.0.0.256")},
		{CodeBadAddress, SeverityError, "without spaces", parseErr("10.0.0.1 - 10.0.0.5")},
		{CodeBadAddress, SeverityError, "write 10.0.0.1-10.0.0.5/24", parseErr("10.0.0.1/24-10.0.0.5/24")},
		{CodeBadAddress, SeverityError, "write an address such as", parseErr(`["10.0.0.1,10.0.0.2"]`)},
		{CodeBadAddress, SeverityError, "unable to parse IP", parseErr("redis")},
		{CodeLeadingZero, SeverityError, "write 10.0.0.1", parseErr("010.000.0.01")},
		{CodeZone, SeverityError, "write fd00::1 without", parseErr("fd00::1%eth0")},
		{CodeZone, SeverityError, "write fd00::1 without", parseErr("fd00::1%a-fd00::2%a")},
		{CodeMapped, SeverityError, "write 10.0.0.1", parseErr("::ffff:10.0.0.1")},
		{CodeMapped, SeverityError, "write 10.0.0.0", parseErr("::ffff:10.0.0.0/120")},
		{CodeNotUnicast, SeverityError, "169.254.1.1 is link-local", parseErr("169.254.1.1")},
		{CodeNotUnicast, SeverityError, "224.0.0.0 is multicast", parseErr("223.255.255.255-224.0.0.9")},
		{CodeNotUnicast, SeverityError, "127.0.0.1 is loopback", parseErr("127.0.0.1")},
		{CodeNotUnicast, SeverityError, "0.0.0.0 is unspecified", parseErr("0.0.0.0")},
		{CodeNotUnicast, SeverityError, "255.255.255.255 is broadcast", parseErr("255.255.255.255")},
		{CodeNotUnicast, SeverityError, "::1 is loopback", parseErr("::1")},
		{CodeNotUnicast, SeverityError, "fe80:: is link-local", parseErr("fe00::/8")},
		{CodeNotUnicast, SeverityError, "ff02::1 is multicast", parseErr("ff02::1")},
		{CodeNotUnicast, SeverityError, "::ffff:0.0.0.0 is IPv4-mapped", parseErr("::2-1::")},
		{CodeBadMask, SeverityError, "from 0 to 32", parseErr("10.0.0.0/33")},
		{CodeBadMask, SeverityError, "from 0 to 128", parseErr("fd00::1-fd00::2/0129")},
		{CodeBadMask, SeverityError, "255.255.255.0", parseErr("10.0.0.0/255.255.255.0")},
		{CodeMaskMismatch, SeverityError, "write 10.0.0.10-10.0.0.255/24", parseErr("10.0.0.10-10.0.1.20/24")},
		{CodeMaskMismatch, SeverityError, "write fd00::1-fd00::ffff:ffff:ffff:ffff/64", parseErr("fd00::1-fd01::1/64")},
		{CodeMaskMismatch, SeverityError, "write 10.0.0.1-10.0.0.1/32", parseErr("10.0.0.1-10.0.0.2/32")},
		{CodeHostBits, SeverityError, "write 10.0.0.0/24 for the block or 10.0.0.5-10.0.0.5/24", parseErr("10.0.0.5/24")},
		{CodeHostBits, SeverityError, "write !10.0.0.0/24 for the block or !10.0.0.5", parseErr("!10.0.0.5/24")},
		{CodeShorthand, SeverityError, "write 10.0.0.10-10.0.0.20/24", parseErr("10.0.0.10-20/24")},
		{CodeShorthand, SeverityError, "write !10.0.0.10-10.0.1.20", parseErr("!10.0.0.10-1.20")},
		{CodeShorthand, SeverityError, "write fd00::-fd00::f", parseErr("fd00::-f")},
		{CodeReversed, SeverityError, "write 10.0.0.1-10.0.0.9", parseErr("10.0.0.9-10.0.0.1")},
		{CodeMixedRange, SeverityError, "cannot go from IPv4 to IPv6", parseErr("10.0.0.1-fd00::1")},
		{CodeMixedRange, SeverityError, "cannot go from IPv6 to IPv4", parseErr("fd00::1-10.0.0.1")},
		{CodeOverlap, SeverityError, "items 2 and 5 both contain 10.0.0.12", parseErr("10.0.0.1,10.0.0.10-10.0.0.12,fd00::1,!10.0.0.12,10.0.0.12")},
		{CodeOverlap, SeverityError, `item 2 "10.0.0.1-10.0.0.9"`, parseErr("10.0.0.5,10.0.0.1-10.0.0.9")},
		{CodeExcludeUseless, SeverityWarning, `"!10.9.0.1"`, parseErr("10.0.0.1,!10.9.0.1")},
		{CodeAllExcluded, SeverityError, "every IPv6 address is excluded", parseErr("10.0.0.1,fd00::1,!fd00::/64")},
		{CodeTooBig, SeverityError, "at most 4096", parseErr(strings.Repeat("10.0.0.1,", 5000))},
		{CodeTooBig, SeverityError, "at most 65536", parseErr(strings.Repeat(" ", 65537))},
		{CodeTooBig, SeverityError, "when written out", parseErr(holes("fd00:ffff:ffff:ffff:ffff:ffff:0:0-fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1700, 6))},

		{CodeTwoPlaces, SeverityError, "keep one of them", create(func(w *Workload) { w.Template = map[string]string{key: "10.0.0.10-10.0.0.13"} })},
		{CodeBadFirstOrdinal, SeverityError, "0 to 2147483647", create(func(w *Workload) { w.Annotations[Options{}.firstKey()] = "-1" })},
		{CodeBadFirstOrdinal, SeverityError, "in the same place", create(func(w *Workload) { w.Template = map[string]string{Options{}.firstKey(): "1"} })},
		{CodeUnknownKey, SeverityError, "staticip.kubewright.io/pools: unknown annotation; write " + key, create(func(w *Workload) { w.Annotations[defaultPrefix+"/pools"] = "10.0.0.1" })},
		{CodeTemplateFixed, SeverityError, "3 replicas", create(func(w *Workload) { w.Template = map[string]string{calicoKey: `["10.0.0.10"]`} })},
		{CodeTemplateFixed, SeverityError, "the same address", create(func(w *Workload) {
			w.Annotations, w.Template = nil, map[string]string{calicoKey: `["10.0.0.10"]`}
		})},
		{CodeHostNetwork, SeverityError, "remove hostNetwork", create(func(w *Workload) { w.HostNetwork = true })},
		{CodeHostNetwork, SeverityError, "Pod shop/redis-1: the Pod uses hostNetwork", assign(Options{}, func(p *Pod, _ *Workload) { p.HostNetwork = true })},

		{CodeNotStatefulSet, SeverityError, "is owned by ReplicaSet web-5d4f8 (Deployment web)", assign(Options{}, func(p *Pod, w *Workload) {
			owned("apps/v1", "ReplicaSet", "web-5d4f8")(p, w)
			p.Labels["pod-template-hash"] = "5d4f8"
		})},
		{CodeNotStatefulSet, SeverityError, "DaemonSet proxy, whose Pods have random names, one for each node", assign(Options{}, owned("apps/v1", "DaemonSet", "proxy"))},
		{CodeNotStatefulSet, SeverityError, "also with an index", assign(Options{}, owned("batch/v1", "Job", "load"))},
		{CodeNotStatefulSet, SeverityError, "static Pod", assign(Options{}, owned("v1", "Node", "node-1"))},
		{CodeNotStatefulSet, SeverityError, "Deployment shop/web: ", func() error {
			return asError(CheckOther("shop", Owner{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, Options{}, nil, map[string]string{key: "10.0.0.1"}))
		}},
		{CodeNoOwner, SeverityError, "has no controller", assign(Options{}, func(p *Pod, _ *Workload) { p.Owners[0].Controller = false })},
		{CodeForeignOwner, SeverityError, "CloneSet web, whose Pods have random names", assign(Options{}, owned("apps.kruise.io/v1alpha1", "CloneSet", "web"))},
		{CodeForeignOwner, SeverityError, "apps.kruise.io/v1beta1", assign(Options{}, owned("apps.kruise.io/v1beta1", "StatefulSet", "redis"))},
		{CodeNameMismatch, SeverityError, "redis-<ordinal>", assign(Options{}, func(p *Pod, _ *Workload) { p.Name = "redis-01" })},
		{CodeLabelMismatch, SeverityError, `is "3" but the name says 1`, assign(Options{}, func(p *Pod, _ *Workload) { p.Labels[indexLabel] = "3" })},
		{CodeOwnerUID, SeverityError, "it was recreated", assign(Options{}, func(_ *Pod, w *Workload) { w.UID = "z9" })},

		{CodeBelowBase, SeverityError, "ordinals 0-2: below first-ordinal 5", create(func(w *Workload) { w.Annotations[Options{}.firstKey()] = "5" })},
		{CodeBeyondPool, SeverityError, "ordinals 3-7: no address; replicas 8 need ordinals 0-7 but the pool has 3 IPv4 addresses (ordinals 0-2): add 5 IPv4 addresses at the end", create(func(w *Workload) { w.Replicas = 8 })},
		{CodeBeyondPool, SeverityError, `first-ordinal: "5"`, create(func(w *Workload) { w.Start = 5 })},
		{CodeBeyondPool, SeverityError, "Pod shop/redis-7", assign(Options{}, func(p *Pod, _ *Workload) { p.Name, p.Labels = "redis-7", nil })},
		{CodeDualShort, SeverityError, "ordinal 2: no IPv6 address", create(func(w *Workload) { w.Annotations[key] += ",fd00::1-fd00::2" })},
		{CodeDualShort, SeverityWarning, "ordinal 3 would have no IPv4 address", create(func(w *Workload) { w.Annotations[key] += ",fd00::1-fd00::4" })},
		{CodeDualShort, SeverityWarning, "the cluster is dual-stack", createIn(Network{DualStack: true}, nothing)},
		{CodeDualShort, SeverityError, "$(v6)", assign(Options{Renderer: Template{"example.com/ip": "$(v6)"}}, func(*Pod, *Workload) {})},
		{CodeAlreadySet, SeverityError, "ordinal 1 owns 10.0.0.11", assign(Options{}, func(p *Pod, _ *Workload) { p.Annotations = map[string]string{calicoKey: `["10.0.0.99"]`} })},
		{CodeBadAnnotation, SeverityError, "neither a JSON list", assign(Options{Renderer: Multus{Network: "net"}}, func(p *Pod, _ *Workload) {
			p.Annotations = map[string]string{"v1.multus-cni.io/default-network": `[{]`}
		})},
		{CodeImmutable, SeverityError, `keep ["10.0.0.10"]`, func() error {
			old, updated := redisPod(0), redisPod(0)
			old.Annotations = map[string]string{calicoKey: `["10.0.0.10"]`}
			return asError(CheckPodUpdate(old, updated, Options{}))
		}},

		{CodeOutsideCNI, SeverityError, "10.0.0.10 (first of ordinals 0-2) is in no enabled block of the CNI; write addresses of IPPool main 10.9.0.0/16", createIn(network("10.9.0.0/16", ""), nothing)},
		{CodeOutsideCNI, SeverityWarning, "10.0.0.12 (ordinal 2)", createIn(network("10.0.0.8/30 10.9.0.0/16", ""), func(w *Workload) { w.Replicas = 2 })},
		{CodeOutsideCNI, SeverityError, "which is disabled", createIn(Network{Blocks: []Block{{Name: "old", Prefix: netip.MustParsePrefix("10.0.0.0/8"), Disabled: true}}}, nothing)},
		{CodeReserved, SeverityError, "10.0.0.11 (ordinal 1) is reserved: gateway 10.0.0.11/32", createIn(network("", "10.0.0.11/32"), nothing)},
		{CodeReserved, SeverityWarning, "10.0.0.12 (ordinal 2) is reserved", createIn(network("", "10.0.0.12/32"), func(w *Workload) { w.Replicas = 2 })},
		{CodeConflict, SeverityError, "in use by Pod other/web-0", createIn(Network{InUse: map[netip.Addr]string{netip.MustParseAddr("10.0.0.11"): "other/web-0"}}, nothing)},
		{CodeConflict, SeverityError, `StatefulSet shop/cache: staticip.kubewright.io/pool: "10.0.0.12-10.0.0.14": 10.0.0.12 (ordinal 0) is also that of StatefulSet shop/redis ordinal 2, of the pool "10.0.0.10-10.0.0.12"; give`, func() error {
			other := redis(1, "10.0.0.12-10.0.0.14")
			other.Name, other.UID = "cache", "b2"
			return asError(Plan([]Workload{redis(3, "10.0.0.10-10.0.0.12"), other}, Network{}, Options{}).Problems)
		}},
		{CodeConflict, SeverityWarning, "not all have a Pod yet", func() error {
			other := redis(0, "10.0.0.12")
			other.Name, other.UID = "cache", "b2"
			return asError(Plan([]Workload{redis(3, "10.0.0.10-10.0.0.12"), other}, Network{}, Options{}).Problems)
		}},
		{CodeStrictAffinity, SeverityWarning, "10.0.0.10 works only on the node that owns the block 10.0.0.0/26", createIn(Network{StrictAffinity: true}, nothing)},

		{CodeMoves, SeverityError, "ordinals 1-2 would move to addresses of other ordinals (ordinal 1: 10.0.0.11 -> 10.0.0.10)", update("10.0.0.9-10.0.0.12", nothing)},
		{CodeMoves, SeverityWarning, "ordinal 1 will move to new addresses (ordinal 1: 10.0.0.11 -> 10.0.0.99) at the next restart", update("10.0.0.10,10.0.0.99,10.0.0.12", nothing)},
		{CodeRolloutDeadlock, SeverityError, "ordinal 1 would wait for 10.0.0.10 that ordinal 0 still holds", update("10.0.0.9-10.0.0.12", nothing)},
		{CodeRolloutDeadlock, SeverityWarning, "delete the Pods from low ordinals", update("10.0.0.9-10.0.0.12", func(w *Workload) { w.OnDelete = true })},
		{CodeShrink, SeverityError, "ordinal 2 would lose addresses", update("10.0.0.10-10.0.0.11", nothing)},
		{CodeShrink, SeverityError, `the pool is removed, but there are Pods of ordinals 0-2, which would get a random address when they restart; restore it, scale to 0 first, or write "none"`, update("", func(w *Workload) { w.Annotations = nil })},
		{CodeShrink, SeverityWarning, "the pool is given up: ordinals 0-2 keep their address until they restart", update("none", nothing)},
		{CodeGains, SeverityWarning, "ordinals 0-2 will have a further address", update("10.0.0.10-10.0.0.12,fd00::1-fd00::3", nothing)},
		{CodeGains, SeverityWarning, "when they are recreated", func() error {
			old := redis(3, "")
			old.Annotations = nil
			return asError(CheckUpdate(old, redis(3, "10.0.0.10-10.0.0.12"), Network{}, Options{}))
		}},

		{CodeBadOptions, SeverityError, "not a DNS name", Options{Prefix: "Static_IP"}.Validate},
		{CodeBadOptions, SeverityError, `block "x" has no valid prefix`, createIn(Network{Blocks: []Block{{Name: "x"}}}, nothing)},
	}
}

// holes is a pool with exclusions cut into its first range, each step addresses apart.
func holes(pool string, n, step int) string {
	var b strings.Builder
	b.WriteString(pool)
	first, _, _ := strings.Cut(pool, "-")
	at := value(netip.MustParseAddr(first))
	is4 := netip.MustParseAddr(first).Is4()
	for i := range n {
		fmt.Fprintf(&b, ",!%s", at.add(uint64(2+i*step)).addr(is4))
	}
	return b.String()
}

func TestEveryCodeIsReached(t *testing.T) {
	reached := map[Code]bool{}
	for _, tc := range reaches() {
		t.Run(string(tc.code), func(t *testing.T) {
			err := tc.make()
			require.ErrorIs(t, err, tc.code)
			found := false
			for _, p := range allProblems(err) {
				found = found || p.Code == tc.code && p.Severity == tc.sev && strings.Contains(p.Error(), tc.says)
			}
			require.True(t, found, "no %s %s with %q in\n%v", tc.sev, tc.code, tc.says, err)
			reached[tc.code] = true
		})
	}
	for _, code := range declaredCodes(t) {
		require.True(t, reached[code], "no test reaches %s", code)
	}
}

// allProblems flattens an error.
func allProblems(err error) (out []Problem) {
	switch e := err.(type) { //nolint:errorlint // the test walks the tree itself
	case nil:
	case Problem:
		out = append(out, e)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			out = append(out, allProblems(inner)...)
		}
	}
	return out
}

// declaredCodes reads the constants of type Code from the source, so that none can be added without a test.
func declaredCodes(t *testing.T) (codes []Code) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			require.Equal(t, "Code"+text, spec.Names[0].Name, "a code is named after its text")
			codes = append(codes, Code(text))
		}
		return true
	})
	require.Greater(t, len(codes), 40)
	return codes
}

func TestProblemsAreErrors(t *testing.T) {
	_, _, err := ParsePool("010.0.0.1,redis,10.0.0.1")
	all, ok := errors.AsType[Problems](err)
	require.True(t, ok)
	require.Len(t, all, 2)
	first, ok := errors.AsType[Problem](err)
	require.True(t, ok)
	require.Equal(t, CodeLeadingZero, first.Code)
	require.Equal(t, 1, first.Item)
	require.ErrorIs(t, err, CodeBadAddress)
	require.NotErrorIs(t, err, CodeOverlap)
	require.ErrorContains(t, errors.Unwrap(all[1]), "ParseAddr", "the cause is kept")
	require.Equal(t, "item 1 \"010.0.0.1\": leading zeros are not allowed; write 10.0.0.1\n"+
		"item 2 \"redis\": unable to parse IP; write an address such as 10.0.0.10, a range first-last or a block address/length", err.Error())
	require.NoError(t, Problems{*warn(CodeGains, "x")}.Err())
	require.Equal(t, "Gains", CodeGains.Error())
}

func TestValuesAreShortened(t *testing.T) {
	_, _, err := ParsePool(strings.Repeat("ä", 5000))
	require.Less(t, len(err.Error()), 300)
	require.Contains(t, err.Error(), strings.Repeat("ä", 32)+"…")
	require.Equal(t, strings.Repeat("x", 63)+"…", shorten(strings.Repeat("x", 63)+"ä"))
}
