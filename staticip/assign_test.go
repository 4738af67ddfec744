package staticip

import (
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
