package staticip

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func codes(problems Problems) (out []string) {
	for _, p := range problems {
		mark := ""
		if p.Severity == SeverityWarning {
			mark = "?"
		}
		out = append(out, string(p.Code)+mark)
	}
	return out
}

func TestCheckUpdate(t *testing.T) {
	key := Options{}.PoolKey()
	for _, tc := range []struct {
		name string
		old  Workload
		edit func(w *Workload)
		want []string
	}{
		{"nothing changes", redis(3, "10.0.0.10-10.0.0.12"), func(*Workload) {}, nil},
		{"another spelling", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.10 10.0.0.11 10.0.0.12" }, nil},
		{"append and scale", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key], w.Replicas = "10.0.0.10-10.0.0.13", 4 }, nil},
		{"pool and replicas shrink together", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key], w.Replicas = "10.0.0.10-10.0.0.11", 2 }, nil},
		{"shift down", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.11-10.0.0.13" }, []string{"Moves", "Moves?"}},
		{"shift with no Pods", redis(0, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.9-10.0.0.12" }, nil},
		{"a new range", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.1.10-10.0.1.12" }, []string{"Moves?"}},
		{"shrink below replicas", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.10" }, []string{"Shrink"}},
		{"drop a family", redis(3, "10.0.0.10-10.0.0.12,fd00::1-fd00::3"), func(w *Workload) { w.Annotations[key] = "10.0.0.10-10.0.0.12" }, []string{"Shrink"}},
		{"move the first ordinal", redis(3, "10.0.0.10-10.0.0.13"), func(w *Workload) { w.Annotations[defaultPrefix+"/first-ordinal"] = "1" }, []string{"Moves", "Shrink", "RolloutDeadlock"}},
		{"start 0 to 2 with live Pods moves nothing", redis(3, "10.0.0.10-10.0.0.14"), func(w *Workload) { w.Start = 2 }, nil},
		{"start 0 to 2 needs two more", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Start = 2 }, []string{"BeyondPool"}},
		{"the pool was broken before", redis(3, "10.0.0.256"), func(w *Workload) { w.Replicas = 2 }, []string{"BadAddress?"}},
		{"the pool is broken now", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.256" }, []string{"BadAddress"}},
		{"the pool is repaired", redis(3, "10.0.0.256"), func(w *Workload) { w.Annotations[key] = "10.0.0.10-10.0.0.12" }, []string{"Gains?"}},
		{"a pool that helps a little", redis(8, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.10-10.0.0.13" }, []string{"BeyondPool?"}},
		{"scale down in trouble", redis(8, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Replicas = 7 }, []string{"BeyondPool?"}},
		{"scale up in trouble", redis(8, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Replicas = 9 }, []string{"BeyondPool"}},
		{"the pool moves to the template", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations, w.Template = nil, w.Annotations }, nil},
		{"no pool and no Pods", redis(0, "10.0.0.10"), func(w *Workload) { w.Annotations = nil }, nil},
		{"a pool before there are Pods", Workload{Namespace: "shop", Name: "redis"}, func(w *Workload) { w.Annotations = map[string]string{key: "10.0.0.1"} }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			updated := tc.old
			updated.Annotations = copyOf(tc.old.Annotations, nil)
			tc.edit(&updated)
			got := CheckUpdate(tc.old, updated, Network{}, Options{})
			require.Equal(t, tc.want, codes(got), "%v", got)
			for _, p := range got {
				require.Equal(t, "StatefulSet shop/redis", p.Object)
			}
		})
	}
}

// TestUpdateThatNeverStarts gives the address of a Pod to an ordinal that has none yet, and so is created first.
func TestUpdateThatNeverStarts(t *testing.T) {
	firstKey := Options{}.firstKey()
	old, updated := redis(2, "10.0.0.10-10.0.0.11"), redis(4, "10.0.0.10-10.0.0.13")
	old.Start, old.Annotations[firstKey] = 2, "2"
	problems := CheckUpdate(old, updated, Network{}, Options{})
	require.Equal(t, []string{"Moves?", "RolloutDeadlock"}, codes(problems), "%v", problems)
	require.Equal(t, []Span{{0, 1}}, problems[1].Ordinals)
	require.Contains(t, problems[1].Message, "ordinal 0 would wait for 10.0.0.10 that ordinal 2 still holds: a missing Pod is created before others are replaced or deleted;")

	updated.OnDelete = true
	problems = CheckUpdate(old, updated, Network{}, Options{})
	require.Equal(t, []string{"Moves?", "RolloutDeadlock?"}, codes(problems), "%v", problems)
	require.Contains(t, problems[1].Message, "delete the Pods that hold the addresses by hand")

	updated.OnDelete, updated.Replicas = false, 2
	require.Equal(t, []string{"RolloutDeadlock"}, codes(CheckUpdate(old, updated, Network{}, Options{})), "2 and 3 would go, but only after 0 and 1 are ready")

	old, updated = redis(3, "10.0.0.10-10.0.0.13"), redis(3, "10.0.0.10,10.0.0.13,10.0.0.11-10.0.0.12")
	old.Skipped = []Span{{1, 1}}
	require.Contains(t, codes(CheckUpdate(old, updated, Network{}, Options{})), "RolloutDeadlock", "ordinal 1 is no longer skipped and takes the address of 3")
}

// TestUpdateThatMakesItWorse is trouble that looks like the old one and is not.
func TestUpdateThatMakesItWorse(t *testing.T) {
	key := Options{}.PoolKey()
	w := Workload{Namespace: "shop", Name: "redis", Replicas: 3, Template: map[string]string{calicoKey: `["10.0.0.99"]`}}
	asks := w
	asks.Annotations = map[string]string{key: "10.0.0.10-10.0.0.12"}
	require.Equal(t, []string{"TemplateFixed", "Gains?"}, codes(CheckUpdate(w, asks, Network{}, Options{})), "now no Pod could start")
	require.Equal(t, []string{"TemplateFixed?"}, codes(CheckUpdate(asks, asks, Network{}, Options{})))

	n := network("10.0.0.0/24", "")
	a, b := redis(3, "10.9.0.10,10.0.0.5,10.0.0.6"), redis(3, "10.9.0.10,10.8.0.5,10.0.0.6")
	require.Equal(t, []string{"OutsideCNI", "Moves?"}, codes(CheckUpdate(a, b, n, Options{})))
	a, b = redis(3, "10.9.0.10-10.9.0.12"), redis(3, "10.9.0.10,10.8.0.5,10.8.0.6")
	require.Equal(t, []string{"OutsideCNI", "Moves?"}, codes(CheckUpdate(a, b, n, Options{})), "the same ordinals, the same first address")
	b = redis(3, "10.0.0.10,10.9.0.11,10.9.0.12")
	require.Equal(t, []string{"OutsideCNI?", "Moves?"}, codes(CheckUpdate(a, b, n, Options{})), "one is repaired, the others are as they were")

	a, b = redis(3, "10.0.0.10-10.0.0.12"), redis(3, "10.0.0.10-10.0.0.12")
	a.Annotations[defaultPrefix+"/note"], b.Annotations[defaultPrefix+"/note"] = "x", "x"
	b.Annotations[defaultPrefix+"/first-ordnal"] = "1"
	require.Equal(t, []string{"UnknownKey", "UnknownKey?"}, codes(CheckUpdate(a, b, n, Options{})))
}

// TestTemplateThatNoPodCanHave is what Assign would refuse, Pod by Pod.
func TestTemplateThatNoPodCanHave(t *testing.T) {
	const networks, defaultNetwork = "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
	for _, tc := range []struct {
		name       string
		replicas   int32
		renderer   Renderer
		key, value string
		want       []string
	}{
		{"another address", 1, Calico{}, calicoKey, `["10.0.0.99"]`, []string{"AlreadySet"}},
		{"its own address", 1, Calico{}, calicoKey, `["10.0.0.10"]`, nil},
		{"a fixed address is said once", 3, Calico{}, calicoKey, `["10.0.0.10"]`, []string{"TemplateFixed"}},
		{"no Pods", 0, Calico{}, calicoKey, `["10.0.0.99"]`, nil},
		{"a family that the pool lacks", 3, Template{"example.com/ip": "$(v4),$(v6)"}, "a", "b", []string{"DualShort"}},
		{"networks that are no list", 3, Multus{Network: "net", Attachment: true}, networks, `{"name":"other"}`, []string{"BadAnnotation"}},
		{"another network", 3, Multus{Network: "net", Attachment: true}, networks, `other`, nil},
		{"another default network", 3, Multus{Network: "net"}, defaultNetwork, "kube-system/calico", []string{"AlreadySet"}},
		{"another subnet", 3, KubeOVN{Subnet: "a"}, "ovn.kubernetes.io/logical_switch", "b", []string{"AlreadySet"}},
		{"the same subnet", 3, KubeOVN{Subnet: "a"}, "ovn.kubernetes.io/logical_switch", "a", nil},
		{"other IPPools", 3, Antrea{Pools: []string{"a"}}, antreaPoolsKey, "b", []string{"AlreadySet"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := redis(tc.replicas, "10.0.0.10-10.0.0.12/24")
			w.Template = map[string]string{tc.key: tc.value}
			opts := Options{Renderer: tc.renderer}
			problems := CheckCreate(w, Network{}, opts)
			require.Equal(t, tc.want, codes(problems), "%v", problems)
			require.Equal(t, map[string]string{tc.key: tc.value}, w.Template)
			pod := redisPod(0)
			pod.Annotations = w.Template
			if _, err := Assign(pod, w, opts); tc.want == nil && tc.replicas > 0 {
				require.NoError(t, err)
			} else if len(tc.want) > 0 && tc.want[0] != string(CodeTemplateFixed) {
				require.ErrorIs(t, err, Code(tc.want[0]))
			}
			for _, p := range CheckScale(w, max(tc.replicas-1, 0), Network{}, opts) {
				require.Equal(t, SeverityWarning, p.Severity, "it can be scaled down")
			}
		})
	}
}

// A problem with the network that came up after a workload was admitted must not keep it from being edited, but
// ordinals that are new in the same trouble are refused.
func TestCheckUpdateOfNetworkTrouble(t *testing.T) {
	w := redis(2, "10.0.0.10-10.0.0.14")
	n := network("10.0.0.8/30", "10.0.0.12/32")
	require.Equal(t, []string{"OutsideCNI?", "Reserved?"}, codes(CheckScale(w, 1, n, Options{})))
	require.Equal(t, []string{"OutsideCNI", "OutsideCNI?", "Reserved"}, codes(CheckScale(w, 3, n, Options{})))
	w.Replicas = 3
	require.Equal(t, []string{"OutsideCNI?", "OutsideCNI?", "Reserved?"}, codes(CheckScale(w, 3, n, Options{})))
	require.Equal(t, []string{"OutsideCNI?", "Reserved?"}, codes(CheckScale(w, 2, n, Options{})))

	moved := w
	moved.Annotations = map[string]string{Options{}.PoolKey(): "10.0.1.10-10.0.1.14"}
	require.Equal(t, []string{"OutsideCNI", "OutsideCNI?", "Moves?"}, codes(CheckUpdate(w, moved, n, Options{})))
}

func TestCheckScale(t *testing.T) {
	w := redis(3, "10.0.0.10-10.0.0.15")
	require.Empty(t, CheckScale(w, 6, Network{}, Options{}))
	require.Empty(t, CheckScale(w, 0, Network{}, Options{}))
	require.Equal(t, []string{"BeyondPool"}, codes(CheckScale(w, 7, Network{}, Options{})))
	require.Equal(t, []string{"BeyondPool"}, codes(CheckScale(w, 1<<31-1, Network{}, Options{})))
	w.Template = map[string]string{calicoKey: `["10.0.0.10"]`}
	w.Annotations, w.Replicas = nil, 1
	require.Equal(t, []string{"TemplateFixed"}, codes(CheckScale(w, 3, Network{}, Options{})))
	fixed := w
	fixed.Replicas = 5
	require.Equal(t, []string{"TemplateFixed?"}, codes(CheckScale(fixed, 4, Network{}, Options{})), "not worse than before")
	require.EqualValues(t, 1, w.Replicas, "the argument is not changed")
}
