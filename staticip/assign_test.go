package staticip

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func renderers() map[string]Renderer {
	return map[string]Renderer{
		"default":       nil,
		"NoIPAM":        Calico{NoIPAM: true},
		"Kube-OVN":      KubeOVN{},
		"Kube-OVN NAD":  KubeOVN{Provider: "net.shop.ovn", Subnet: "s1", Interface: "net1"},
		"Antrea":        Antrea{Pools: []string{"p4", "p6"}},
		"Multus":        Multus{Network: "net"},
		"Multus extra":  Multus{Network: "net", Attachment: true},
		"Spiderpool":    Spiderpool{Interface: "eth0"},
		"Cilium":        Cilium{},
		"Template":      Template{"example.com/ips": "$(cidrs)", "example.com/mode": "static"},
		"Multus in net": Multus{Network: "net", Namespace: "infra", Interface: "net1", Attachment: true},
	}
}

func TestLawAssignIsIdempotent(t *testing.T) {
	existing := []map[string]string{
		nil,
		{"unrelated": "x"},
		{"k8s.v1.cni.cncf.io/networks": "infra/net@net1, other"},
		{"k8s.v1.cni.cncf.io/networks": `[{"name":"net","bandwidth":{"ingressRate":1}}]`},
		{"v1.multus-cni.io/default-network": "kube-system/net"},
	}
	for name, r := range renderers() {
		t.Run(name, func(t *testing.T) {
			opts := Options{Renderer: r}
			require.NoError(t, opts.Validate())
			eachModel(t, 60, func(t *testing.T, random *rand.Rand, m modelPool) {
				w := m.workload("redis", int32(m.size()))
				w.UID = "a1"
				ordinal := random.IntN(m.size())
				pod := redisPod(ordinal)
				pod.Annotations = existing[random.IntN(len(existing))]
				before := copyOf(pod.Annotations, nil)
				a, complete := m.pool.At(uint64(ordinal))
				got, err := Assign(pod, w, opts)
				if !complete {
					require.ErrorIs(t, err, CodeDualShort)
					return
				}
				require.NoError(t, err)
				require.NotEmpty(t, got, "ordinal %d of %q", ordinal, m.text)
				require.Equal(t, before, copyOf(pod.Annotations, nil), "the Pod is not modified")
				require.Empty(t, CheckPodUpdate(pod, withAnnotations(pod, got), opts), "asked for nothing before")

				pod = withAnnotations(pod, got)
				again, err := Assign(pod, w, opts)
				require.NoError(t, err)
				require.Nil(t, again, "%v", pod.Annotations)
				if other, ok := m.pool.At(uint64(ordinal) + 1); ok && a != other {
					_, err = Assign(renamed(pod, ordinal+1), w, opts)
					require.ErrorIs(t, err, CodeAlreadySet, "%v", pod.Annotations)
				}
			})
		})
	}
}

func withAnnotations(p Pod, more map[string]string) Pod {
	p.Annotations = copyOf(p.Annotations, more)
	return p
}

func renamed(p Pod, ordinal int) Pod {
	p.Name, p.Labels = redisPod(ordinal).Name, nil
	return p
}

func TestAssign(t *testing.T) {
	got, err := Assign(redisPod(1), redis(3, "10.0.0.10-10.0.0.12"), Options{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"cni.projectcalico.org/ipAddrs": `["10.0.0.11"]`}, got)

	w := redis(3, "")
	w.Annotations = nil
	got, err = Assign(redisPod(1), w, Options{})
	require.NoError(t, err)
	require.Nil(t, got, "no pool, no address")

	_, err = Assign(redisPod(1), redis(3, "10.0.0.256"), Options{})
	require.ErrorIs(t, err, CodeBadAddress)
	require.ErrorContains(t, err, "StatefulSet shop/redis: staticip.kubewright.io/pool: item 1")

	// The ordinal counts, not spec.replicas: during a scale-down the controller may still recreate a higher Pod.
	got, err = Assign(redisPod(2), redis(1, "10.0.0.10-10.0.0.12"), Options{})
	require.NoError(t, err)
	require.NotNil(t, got)
}

// The Pod's own copy of the annotation may be from an older revision; the workload as it is now decides.
func TestAssignTakesThePoolOfTheWorkload(t *testing.T) {
	pod := redisPod(1)
	pod.Annotations = map[string]string{Options{}.PoolKey(): "10.0.0.10"}
	got, err := Assign(pod, redis(3, "10.0.0.10-10.0.0.12"), Options{})
	require.NoError(t, err)
	require.Equal(t, `["10.0.0.11"]`, got[calicoKey])
}

// TestAssignOfAnOldRevision is a Pod that the controller makes while the pool is rolled out of the template.
func TestAssignOfAnOldRevision(t *testing.T) {
	key, first := Options{}.PoolKey(), Options{}.firstKey()
	gone := redis(3, "")
	gone.Annotations = nil
	for _, tc := range []struct {
		name string
		pod  map[string]string
		w    Workload
		want string
		code Code
	}{
		{"its revision has the pool", map[string]string{key: "10.0.0.10-10.0.0.12"}, gone, `["10.0.0.11"]`, ""},
		{"from another ordinal on", map[string]string{key: "10.0.0.10-10.0.0.12", first: "1"}, gone, `["10.0.0.10"]`, ""},
		{"its revision has none", nil, gone, "", ""},
		{"the addresses are given up", map[string]string{key: "10.0.0.10-10.0.0.12"}, redis(3, "none"), "", ""},
		{"they were given up", map[string]string{key: "none"}, gone, "", ""},
		{"its revision is too short", map[string]string{key: "10.0.0.10"}, gone, "", CodeBeyondPool},
		{"its revision is wrong", map[string]string{key: "10.0.0.256"}, gone, "", CodeBadAddress},
		{"the pool is wrong", map[string]string{key: "10.0.0.10-10.0.0.12"}, redis(3, "10.0.0.256"), "", CodeBadAddress},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Assign(withAnnotations(redisPod(1), tc.pod), tc.w, Options{})
			if tc.code != "" {
				require.ErrorIs(t, err, tc.code)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got[calicoKey])
		})
	}
	_, err := Assign(withAnnotations(redisPod(1), map[string]string{key: "10.0.0.256"}), gone, Options{})
	require.ErrorContains(t, err, "Pod shop/redis-1: "+key+": item 1")
	stranger := withAnnotations(redisPod(1), map[string]string{key: "10.0.0.10-10.0.0.12"})
	stranger.Owners[0].UID = "z9"
	_, err = Assign(stranger, gone, Options{})
	require.ErrorIs(t, err, CodeOwnerUID, "it is still proven whose Pod it is")
}

// TestRequested reads what renderers write, and what people write in their place.
func TestRequested(t *testing.T) {
	for name, tc := range map[string]struct {
		r    Renderer
		have map[string]string
		want string
	}{
		"nothing":           {Calico{}, nil, "[]"},
		"Calico":            {Calico{}, map[string]string{calicoKey: `["fd00::B", "10.0.0.11"]`}, "[10.0.0.11 fd00::b]"},
		"Calico, no list":   {Calico{}, map[string]string{calicoKey: `10.0.0.11`}, "[10.0.0.11]"},
		"Kube-OVN":          {KubeOVN{}, map[string]string{"ovn.kubernetes.io/ip_address": "10.0.0.11,fd00::b", "ovn.kubernetes.io/ip_pool": "10.0.0.99"}, "[10.0.0.11 fd00::b]"},
		"Antrea":            {Antrea{}, map[string]string{antreaKey: "10.0.0.11"}, "[10.0.0.11]"},
		"Multus":            {Multus{Network: "net"}, map[string]string{"v1.multus-cni.io/default-network": `[{"name":"net","ips":["10.0.0.11/24","fd00::b/64"]}]`}, "[10.0.0.11 fd00::b]"},
		"another network":   {Multus{Network: "net"}, map[string]string{"v1.multus-cni.io/default-network": `[{"name":"other","ips":["10.0.0.11/24"]}]`}, "[]"},
		"Spiderpool":        {Spiderpool{}, map[string]string{spiderpoolKey: `{"ipv4":["10.0.0.11"]}`}, "[]"},
		"Template":          {Template{"a": "ip=$(v4cidr);gw=x"}, map[string]string{"a": "ip=10.0.0.11/24;gw=x"}, "[10.0.0.11]"},
		"Template's others": {Template{"a": "$(v4)"}, map[string]string{"b": "10.0.0.11"}, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, fmt.Sprint(Requested(Pod{Namespace: "shop", Annotations: tc.have}, Options{Renderer: tc.r})))
		})
	}
	eachModel(t, 50, func(t *testing.T, _ *rand.Rand, m modelPool) {
		for _, r := range []Renderer{Calico{}, KubeOVN{}, Antrea{}, Multus{Network: "net", Attachment: true}, Template{"a": "$(cidrs)"}} {
			w := m.workload("redis", 1)
			w.UID = "a1"
			got, err := Assign(redisPod(0), w, Options{Renderer: r})
			if err == nil {
				require.Equal(t, addrs(m.at(0)), Requested(withAnnotations(redisPod(0), got), Options{Renderer: r}))
			}
		}
	})
}

func TestPrimaryNetwork(t *testing.T) {
	for _, r := range []Renderer{nil, Calico{}, KubeOVN{}, KubeOVN{Provider: "ovn"}, Multus{Network: "net"}, Template{"a": "$(v4)"}} {
		require.True(t, Options{Renderer: r}.PrimaryNetwork(), "%#v", r)
	}
	for _, r := range []Renderer{KubeOVN{Provider: "net.shop.ovn"}, Multus{Network: "net", Attachment: true}} {
		require.False(t, Options{Renderer: r}.PrimaryNetwork(), "%#v", r)
	}
}

func TestAssignComparesTheOwner(t *testing.T) {
	for name, edit := range map[string]func(w *Workload){
		"uid":       func(w *Workload) { w.UID = "b2" },
		"no uid":    func(w *Workload) { w.UID = "" },
		"name":      func(w *Workload) { w.Name = "redis2" },
		"namespace": func(w *Workload) { w.Namespace = "other" },
	} {
		w := redis(3, "10.0.0.10-10.0.0.12")
		edit(&w)
		_, err := Assign(redisPod(1), w, Options{})
		require.ErrorIs(t, err, CodeOwnerUID, name)
	}
}

func TestAssignFromTheFirstOrdinal(t *testing.T) {
	w := redis(3, "10.0.0.10-10.0.0.12")
	w.Annotations[defaultPrefix+"/first-ordinal"] = "5"
	got, err := Assign(redisPod(6), w, Options{})
	require.NoError(t, err)
	require.Equal(t, `["10.0.0.11"]`, got[calicoKey])
	for ordinal, code := range map[int]Code{4: CodeBelowBase, 8: CodeBeyondPool} {
		_, err = Assign(redisPod(ordinal), w, Options{})
		require.ErrorIs(t, err, code)
	}
}

// TestCheckPodUpdateOfWhatBelongsToTheAddress is masks, subnets, and labels that hide an ordinal.
func TestCheckPodUpdateOfWhatBelongsToTheAddress(t *testing.T) {
	const networks, subnet = "k8s.v1.cni.cncf.io/networks", "ovn.kubernetes.io/logical_switch"
	multus := func(ips string) map[string]string {
		return map[string]string{networks: `[{"name":"net","ips":[` + ips + `]}]`}
	}
	ovn := func(more map[string]string) map[string]string {
		return copyOf(map[string]string{"ovn.kubernetes.io/ip_address": "10.0.0.11"}, more)
	}
	antrea := func(pool string) map[string]string {
		return map[string]string{antreaKey: "10.0.0.11", antreaPoolsKey: pool}
	}
	fixed := Template{"a": "$(ips)", "b": "vlan7"}
	for _, tc := range []struct {
		name     string
		r        Renderer
		old, now map[string]string
		want     []string
	}{
		{"Multus, another mask", Multus{Network: "net", Attachment: true}, multus(`"10.0.0.11/24"`), multus(`"10.0.0.11/16"`), []string{networks}},
		{"Multus, no mask", Multus{Network: "net", Attachment: true}, multus(`"10.0.0.11/24"`), multus(`"10.0.0.11"`), []string{networks}},
		{"Multus, another spelling", Multus{Network: "net", Attachment: true}, multus(`"fd00::1/64"`), multus(`"fd00:0::1/64"`), nil},
		{"Kube-OVN, another subnet", KubeOVN{Subnet: "a"}, ovn(map[string]string{subnet: "a"}), ovn(map[string]string{subnet: "b"}), []string{subnet}},
		{"Kube-OVN, subnet removed", KubeOVN{Subnet: "a"}, ovn(map[string]string{subnet: "a"}), ovn(nil), []string{subnet}},
		{"Kube-OVN notes the subnet", KubeOVN{}, ovn(nil), ovn(map[string]string{subnet: "a"}), nil},
		{"Template, another address", fixed, map[string]string{"a": "10.0.0.11", "b": "vlan7"}, map[string]string{"a": "10.0.0.12", "b": "vlan7"}, []string{"a"}},
		{"Template, another constant", fixed, map[string]string{"a": "10.0.0.11", "b": "vlan7"}, map[string]string{"a": "10.0.0.11", "b": "vlan8"}, []string{"b"}},
		{"Template, both gone", fixed, map[string]string{"a": "10.0.0.11", "b": "vlan7"}, nil, []string{"a", "b"}},
		{"Template, constant added", fixed, map[string]string{"a": "10.0.0.11"}, map[string]string{"a": "10.0.0.11", "b": "vlan7"}, nil},
		{"Template, constant of a Pod without an address", fixed, map[string]string{"b": "vlan7"}, nil, nil},
		{"Antrea, another pool", Antrea{Pools: []string{"a"}}, antrea("a"), antrea("b"), []string{antreaPoolsKey}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			old, now := redisPod(1), redisPod(1)
			old.Annotations, now.Annotations = tc.old, tc.now
			var keys []string
			for _, p := range CheckPodUpdate(old, now, Options{Renderer: tc.r}) {
				require.ErrorIs(t, p, CodeImmutable)
				keys = append(keys, p.Key)
			}
			require.Equal(t, tc.want, keys)
		})
	}
	old, now := redisPod(1), redisPod(1)
	old.Labels, now.Labels = map[string]string{indexLabel: "7"}, map[string]string{indexLabel: "7"}
	old.Annotations, now.Annotations = map[string]string{calicoKey: `["10.0.0.11"]`}, map[string]string{calicoKey: `["10.0.0.99"]`}
	require.ErrorIs(t, CheckPodUpdate(old, now, Options{}).Err(), CodeImmutable, "the label was edited before")
	old.Owners = nil
	require.Empty(t, CheckPodUpdate(old, now, Options{}))
}
