package staticip

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// target1 is ordinal 1 of the pool 10.0.0.10-10.0.0.12/24,fd00::a-fd00::c/64.
func target1() target {
	return target{"shop", "redis", "redis-1", 1, Assignment{
		V4: netip.MustParsePrefix("10.0.0.11/24"),
		V6: netip.MustParsePrefix("fd00::b/64"),
	}}
}

func TestRender(t *testing.T) {
	const networks, defaultNetwork = "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
	for _, tc := range []struct {
		name string
		r    Renderer
		have map[string]string
		want map[string]string
		code Code
	}{
		{"Calico", Calico{}, nil, map[string]string{calicoKey: `["10.0.0.11","fd00::b"]`}, ""},
		{"Calico, another order", Calico{}, map[string]string{calicoKey: `["FD00::B", "10.0.0.11"]`}, nil, ""},
		{"Calico, unreadable", Calico{}, map[string]string{calicoKey: `10.0.0.11,fd00::b`}, nil, CodeAlreadySet},
		{"Calico, with a mask, which it refuses", Calico{}, map[string]string{calicoKey: `["10.0.0.11/24","fd00::b"]`}, nil, CodeAlreadySet},
		{"Calico, one family", Calico{}, map[string]string{calicoKey: `["10.0.0.11"]`}, nil, CodeAlreadySet},
		{"Calico, the other key", Calico{}, map[string]string{calicoNoIPAMKey: `["10.0.0.11","fd00::b"]`}, nil, CodeAlreadySet},
		{"Calico, both keys", Calico{}, map[string]string{calicoKey: `["10.0.0.11","fd00::b"]`, calicoNoIPAMKey: "x"}, nil, CodeAlreadySet},
		{"Calico without IPAM", Calico{NoIPAM: true}, nil, map[string]string{calicoNoIPAMKey: `["10.0.0.11","fd00::b"]`}, ""},

		{"Kube-OVN", KubeOVN{}, nil, map[string]string{"ovn.kubernetes.io/ip_address": "10.0.0.11,fd00::b"}, ""},
		{"Kube-OVN, same", KubeOVN{}, map[string]string{"ovn.kubernetes.io/ip_address": "10.0.0.11, FD00::B"}, nil, ""},
		{"Kube-OVN, its own list", KubeOVN{}, map[string]string{"ovn.kubernetes.io/ip_pool": "10.0.0.11"}, nil, CodeAlreadySet},
		{"Kube-OVN, subnet missing", KubeOVN{Subnet: "s1"}, map[string]string{"ovn.kubernetes.io/ip_address": "10.0.0.11,fd00::b"}, map[string]string{"ovn.kubernetes.io/logical_switch": "s1"}, ""},
		{"Kube-OVN, same subnet", KubeOVN{Subnet: "s1"}, map[string]string{"ovn.kubernetes.io/logical_switch": "s1"}, map[string]string{"ovn.kubernetes.io/ip_address": "10.0.0.11,fd00::b"}, ""},
		{"Kube-OVN, other subnet", KubeOVN{Subnet: "s1"}, map[string]string{"ovn.kubernetes.io/logical_switch": "s2"}, nil, CodeAlreadySet},
		{
			"Kube-OVN attachment",
			KubeOVN{Provider: "net.shop.ovn", Interface: "net1"},
			nil,
			map[string]string{"net.shop.ovn.kubernetes.io/ip_address.net1": "10.0.0.11,fd00::b"},
			"",
		},

		{"Antrea", Antrea{}, nil, map[string]string{antreaKey: "10.0.0.11,fd00::b"}, ""},
		{"Antrea with pools", Antrea{Pools: []string{"p4", "p6"}}, nil, map[string]string{antreaKey: "10.0.0.11,fd00::b", antreaPoolsKey: "p4,p6"}, ""},

		{"Spiderpool", Spiderpool{}, nil, map[string]string{spiderpoolKey: `{"ipv4":["shop.redis-1.v4"],"ipv6":["shop.redis-1.v6"]}`}, ""},
		{"Spiderpool, same", Spiderpool{}, map[string]string{spiderpoolKey: `{ "ipv6": ["shop.redis-1.v6"], "ipv4": ["shop.redis-1.v4"] }`}, nil, ""},
		{"Spiderpool, other", Spiderpool{}, map[string]string{spiderpoolKey: `{"ipv4":["main"]}`}, nil, CodeAlreadySet},
		{"Spiderpool, no JSON", Spiderpool{}, map[string]string{spiderpoolKey: `main`}, nil, CodeAlreadySet},
		{"Cilium", Cilium{}, nil, map[string]string{cilium4Key: "shop.redis-1.v4", cilium6Key: "shop.redis-1.v6"}, ""},
		{"Cilium, half", Cilium{}, map[string]string{cilium4Key: "shop.redis-1.v4"}, map[string]string{cilium6Key: "shop.redis-1.v6"}, ""},

		{"Multus", Multus{Network: "net"}, nil, map[string]string{defaultNetwork: `[{"name":"net","ips":["10.0.0.11/24","fd00::b/64"]}]`}, ""},
		{
			"Multus, default network without addresses",
			Multus{Network: "net"},
			map[string]string{defaultNetwork: `kube-system/net`},
			map[string]string{defaultNetwork: `[{"name":"net","namespace":"kube-system","ips":["10.0.0.11/24","fd00::b/64"]}]`},
			"",
		},
		{"Multus, another default network", Multus{Network: "net"}, map[string]string{defaultNetwork: `other`}, nil, CodeAlreadySet},
		{"Multus, same name, another namespace", Multus{Network: "net"}, map[string]string{defaultNetwork: `shop/net`}, nil, CodeAlreadySet},
		{
			"attachment added to the comma form",
			Multus{Network: "net", Namespace: "infra", Interface: "net1", Attachment: true},
			map[string]string{networks: `other, shop/third@net7`},
			map[string]string{networks: `[{"name":"other"},{"name":"third","namespace":"shop","interface":"net7"},{"name":"net","namespace":"infra","interface":"net1","ips":["10.0.0.11/24","fd00::b/64"]}]`},
			"",
		},
		{
			"fields nobody here knows stay as they are",
			Multus{Network: "net", Attachment: true},
			map[string]string{networks: `[ {"name":"other", "Odd": [1.50, {"a" : null}]}, {"ips":[], "cni-args":{"x":1}, "name":"net","namespace":"shop", "mac":"c2:b0:57:49:47:f1"} ]`},
			map[string]string{networks: `[{"name":"other", "Odd": [1.50, {"a" : null}]},{"cni-args":{"x":1},"name":"net","namespace":"shop","mac":"c2:b0:57:49:47:f1","ips":["10.0.0.11/24","fd00::b/64"]}]`},
			"",
		},
		{"attachment, same addresses in another order", Multus{Network: "net", Attachment: true}, map[string]string{networks: `[{"name":"net","ips":["fd00::b/64","10.0.0.11/24"]}]`}, nil, ""},
		{"attachment, same addresses with other masks", Multus{Network: "net", Attachment: true}, map[string]string{networks: `[{"name":"net","ips":["fd00::b","10.0.0.11"]}]`}, nil, CodeAlreadySet},
		{"attachment, other addresses", Multus{Network: "net", Attachment: true}, map[string]string{networks: `[{"name":"net","ips":["10.0.0.12"]}]`}, nil, CodeAlreadySet},
		{"attachment, no addresses but words", Multus{Network: "net", Attachment: true}, map[string]string{networks: `[{"name":"net","ips":["dhcp"]}]`}, nil, CodeAlreadySet},
		{"attached twice", Multus{Network: "net", Attachment: true}, map[string]string{networks: `net@a,net@b`}, nil, CodeBadAnnotation},
		{
			"attached twice, interface named",
			Multus{Network: "net", Attachment: true, Interface: "b"},
			map[string]string{networks: `net@a,net@b`},
			map[string]string{networks: `[{"name":"net","interface":"a"},{"name":"net","interface":"b","ips":["10.0.0.11/24","fd00::b/64"]}]`},
			"",
		},
		{"not a list", Multus{Network: "net", Attachment: true}, map[string]string{networks: `{"name":"net"}`}, nil, CodeBadAnnotation},
		{"a list of numbers", Multus{Network: "net", Attachment: true}, map[string]string{networks: `[1]`}, nil, CodeBadAnnotation},
		{"a null in the list", Multus{Network: "net", Attachment: true}, map[string]string{networks: `[null]`}, map[string]string{networks: `[null,{"name":"net","ips":["10.0.0.11/24","fd00::b/64"]}]`}, ""},
		{"blank", Multus{Network: "net", Attachment: true}, map[string]string{networks: ` `}, map[string]string{networks: `[{"name":"net","ips":["10.0.0.11/24","fd00::b/64"]}]`}, ""},
		{"no network in the options", Multus{}, nil, nil, CodeBadOptions},

		{"Template", Template{"a": "$(v4) $(v6) $(v4cidr) $(v6cidr)", "b": "static"}, nil, map[string]string{"a": "10.0.0.11 fd00::b 10.0.0.11/24 fd00::b/64", "b": "static"}, ""},
		{
			"Template of names and JSON",
			Template{"a": `{"pod":"$(namespace)/$(pod)","set":"$(set)","n":$(ordinal),"ips":"$(ips)","cidrs":"$(cidrs)"}`},
			nil,
			map[string]string{"a": `{"pod":"shop/redis-1","set":"redis","n":1,"ips":"10.0.0.11,fd00::b","cidrs":"10.0.0.11/24,fd00::b/64"}`},
			"",
		},
		{"Template with dollars", Template{"a": "$$(v4) 5$ $x $(v4)$"}, nil, map[string]string{"a": "$(v4) 5$ $x 10.0.0.11$"}, ""},
		{"Template, same", Template{"a": "$(v4)", "b": "static"}, map[string]string{"a": "10.0.0.11", "b": "static"}, nil, ""},
		{"Template, other address", Template{"a": "$(v4)"}, map[string]string{"a": "10.0.0.12"}, nil, CodeAlreadySet},
		{"Template, other constant", Template{"b": "static"}, map[string]string{"b": "dhcp"}, nil, CodeAlreadySet},
		{"Template, unknown name", Template{"a": "$(ip)"}, nil, nil, CodeBadOptions},
		{"Template without annotations", Template{}, nil, nil, CodeBadOptions},
		{"Template, no end", Template{"a": "$(v4"}, nil, nil, CodeBadOptions},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, p := tc.r.render(target1(), tc.have)
			if tc.code != "" {
				require.NotNil(t, p)
				require.Equal(t, tc.code, p.Code, "%v", p)
				require.Nil(t, got)
				return
			}
			require.Nil(t, p)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestRenderOneFamily(t *testing.T) {
	v6 := target1()
	v6.V4 = netip.Prefix{}
	for want, r := range map[string]Renderer{
		`["fd00::b"]`:                           Calico{},
		`fd00::b`:                               Antrea{},
		`{"ipv6":["shop.redis-1.v6"]}`:          Spiderpool{},
		`shop.redis-1.v6`:                       Cilium{},
		`fd00::b/64`:                            Template{"a": "$(cidrs)"},
		`[{"name":"net","ips":["fd00::b/64"]}]`: Multus{Network: "net"},
	} {
		got, p := r.render(v6, nil)
		require.Nil(t, p)
		require.Len(t, got, 1)
		for _, value := range got {
			require.Equal(t, want, value)
		}
	}
	_, p := Template{"a": "$(v4cidr)"}.render(v6, nil)
	require.ErrorIs(t, p, CodeDualShort)
}

// A template that asks for a pool or a network is ordinary; one that asks for an address is not, unless there is only
// one replica.
func TestTemplatesThatAskForAddresses(t *testing.T) {
	networks := func(s string) map[string]string { return map[string]string{"k8s.v1.cni.cncf.io/networks": s} }
	extra := Multus{Network: "net", Attachment: true}
	for _, tc := range []struct {
		name     string
		r        Renderer
		template map[string]string
		replicas int32
		plain    []string // without a pool
		pooled   []string // with one
	}{
		{"Calico", Calico{}, map[string]string{calicoKey: `["10.0.0.10"]`}, 3, []string{"TemplateFixed"}, []string{"TemplateFixed"}},
		{"one replica", Calico{}, map[string]string{calicoKey: `["10.0.0.10"]`}, 1, nil, nil},
		{"Spiderpool pool", Spiderpool{}, map[string]string{spiderpoolKey: `{"ipv4":["main"]}`}, 3, nil, []string{"TemplateFixed"}},
		{"Spiderpool pool, one replica", Spiderpool{}, map[string]string{spiderpoolKey: `{"ipv4":["main"]}`}, 1, nil, []string{"TemplateFixed"}},
		{"Kube-OVN list", KubeOVN{}, map[string]string{"ovn.kubernetes.io/ip_pool": "10.0.0.10"}, 3, nil, []string{"TemplateFixed"}},
		{"Kube-OVN subnet", KubeOVN{Subnet: "s1"}, map[string]string{"ovn.kubernetes.io/logical_switch": "s1"}, 3, nil, nil},
		{"Multus network", extra, networks(`net`), 3, nil, nil},
		{"Multus address", extra, networks(`[{"name":"net","namespace":"shop","ips":["10.0.0.10/24"]}]`), 3, []string{"TemplateFixed"}, []string{"TemplateFixed"}},
		{"Multus address of another network", extra, networks(`[{"name":"net","namespace":"other","ips":["10.0.0.10/24"]}]`), 3, nil, nil},
		{"Multus, unreadable", extra, networks(`[`), 3, nil, []string{"BadAnnotation"}},
		{"Template of the set", Template{"a": "$(namespace)/$(set) $$(v4)"}, map[string]string{"a": "shop/redis $(v4)"}, 3, nil, nil},
		{"Template constant", Template{"a": "x", "b": "$(ips)"}, map[string]string{"a": "x"}, 3, nil, nil},
		{"Template address", Template{"a": "x", "b": "$(ips)"}, map[string]string{"b": "10.0.0.10"}, 3, []string{"TemplateFixed"}, []string{"TemplateFixed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := redis(tc.replicas, "10.0.0.10-10.0.0.12/24")
			w.Template = tc.template
			require.Equal(t, tc.pooled, codes(CheckCreate(w, Network{}, Options{Renderer: tc.r})))
			w.Annotations = nil
			require.Equal(t, tc.plain, codes(CheckCreate(w, Network{}, Options{Renderer: tc.r})))
		})
	}
}

func TestValidate(t *testing.T) {
	require.NoError(t, Options{}.Validate())
	require.NoError(t, Options{Prefix: "ip.example.com", Mask4: 24, Mask6: 64, OwnerKinds: []string{"apps.kruise.io/StatefulSet"}}.Validate())
	bad := Options{
		Prefix: "a..b", Mask4: 33, Mask6: -1, OwnerKinds: []string{"StatefulSet", "a/b/c"},
		Renderer: Template{"x": "$(v5)"},
	}
	err := bad.Validate()
	for _, want := range []string{`prefix "a..b"`, "IPv4 mask is 33", "IPv6 mask is -1", `"StatefulSet"`, `"a/b/c"`, "$(v5)"} {
		require.ErrorContains(t, err, want)
	}
	for _, r := range []Renderer{
		Multus{},
		Template{},
		KubeOVN{Provider: "Net"},
		Antrea{Pools: []string{"a", "b", "c"}},
		Template{"a": "$("},
		Template{"example.com/": "$(v4)"},
		Template{"example.com/a/b": "$(v4)"},
		Template{"Example.com/a": "$(v4)"},
		Template{"a-": "$(v4)"},
		Template{"": "$(v4)"},
		Template{strings.Repeat("a", 64): "$(v4)"},
		KubeOVN{Interface: "net 1"},
		KubeOVN{Interface: strings.Repeat("a", 63)},
		(*Multus)(nil),
		(*Template)(nil),
	} {
		require.ErrorIs(t, Options{Renderer: r}.Validate(), CodeBadOptions)
	}
	for _, r := range []Renderer{Template{"a": "1", "example.com/A_b.c-1": "$(v4)"}, KubeOVN{Interface: "net1"}, &Calico{}, &KubeOVN{Provider: "net.shop.ovn"}} {
		require.NoError(t, Options{Renderer: r}.Validate())
	}
	for _, prefix := range []string{"-a", "a-", "A", "a_b", strings.Repeat("a.", 127) + "a"} {
		require.Error(t, Options{Prefix: prefix}.Validate(), prefix)
	}
	// Nobody has to validate: what is no renderer is an error where it is needed, and wrong masks count as none.
	nothing := Options{Renderer: (*Calico)(nil)}
	_, err = Assign(redisPod(0), redis(1, "10.0.0.10"), nothing)
	require.ErrorIs(t, err, CodeBadOptions)
	require.ErrorIs(t, CheckCreate(redis(1, "10.0.0.10"), Network{}, nothing).Err(), CodeBadOptions)
	require.Empty(t, CheckPodUpdate(redisPod(0), redisPod(0), nothing))
	require.True(t, nothing.PrimaryNetwork())
	w := redis(1, "10.0.0.10")
	got, err := Assign(redisPod(0), w, Options{Mask4: 99, Renderer: Template{"a": "$(cidrs)"}})
	require.NoError(t, err)
	require.Equal(t, "10.0.0.10/32", got["a"])
}

func TestOptionsSetKeysAndMasks(t *testing.T) {
	opts := Options{Prefix: "ip.example.com", Mask4: 24, Mask6: 64, Renderer: Multus{Network: "net"}}
	w := redis(2, "")
	w.Annotations = map[string]string{"ip.example.com/pool": "10.0.0.10,10.0.0.11,fd00::/127", "staticip.kubewright.io/pool": "ignored"}
	got, err := Assign(redisPod(1), w, opts)
	require.NoError(t, err)
	var list []attachment
	require.NoError(t, json.Unmarshal([]byte(got["v1.multus-cni.io/default-network"]), &list))
	require.Equal(t, []string{"10.0.0.11/24", "fd00::1/127"}, list[0].IPs, "the default mask is for items without one")
	require.Equal(t, "ip.example.com/pool", opts.PoolKey())
}

// TestMultusMasks is that the plugin configures the mask it is given.
func TestMultusMasks(t *testing.T) {
	opts := Options{Renderer: Multus{Network: "net", Attachment: true}}
	assign := func(pool, ip string) error {
		pod := redisPod(1)
		pod.Annotations = map[string]string{"k8s.v1.cni.cncf.io/networks": `[{"name":"net","ips":["` + ip + `"]}]`}
		_, err := Assign(pod, redis(3, pool), opts)
		return err
	}
	const masked, plain = "10.0.0.10-10.0.0.12/24", "10.0.0.10-10.0.0.12"
	require.NoError(t, assign(masked, "10.0.0.11/24"))
	require.ErrorIs(t, assign(masked, "10.0.0.11/16"), CodeAlreadySet)
	require.ErrorContains(t, assign(masked, "10.0.0.11"), "ordinal 1 owns 10.0.0.11/24")
	require.NoError(t, assign(plain, "10.0.0.11/16"), "the pool does not know better")

	require.Empty(t, CheckCreate(redis(3, masked), Network{}, opts))
	problems := CheckCreate(redis(3, plain), Network{}, opts)
	require.Equal(t, []string{"BadMask?"}, codes(problems))
	require.ErrorContains(t, problems, "10.0.0.10 has no mask")
	require.Empty(t, CheckCreate(redis(3, plain), Network{}, Options{}))
	opts.Mask4 = 24
	require.Empty(t, CheckCreate(redis(3, plain), Network{}, opts))
}
