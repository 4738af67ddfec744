package staticip

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentify(t *testing.T) {
	set := func(name string) Owner {
		return Owner{APIVersion: "apps/v1", Kind: "StatefulSet", Name: name, UID: "a1", Controller: true}
	}
	kruise := Owner{APIVersion: "apps.kruise.io/v1beta1", Kind: "StatefulSet", Name: "web", Controller: true}
	for _, tc := range []struct {
		name   string
		pod    string
		owner  Owner
		opts   Options
		labels map[string]string
		want   int32
		code   Code
	}{
		{"the ordinal", "web-4", set("web"), Options{}, nil, 4, ""},
		{"the label agrees", "web-4", set("web"), Options{}, map[string]string{indexLabel: "4"}, 4, ""},
		{"the highest ordinal", "web-2147483647", set("web"), Options{}, nil, 2147483647, ""},
		{"set web-1, Pod web-1-0", "web-1-0", set("web-1"), Options{}, nil, 0, ""},
		{"a later version of the group", "web-4", Owner{APIVersion: "apps/v2", Kind: "StatefulSet", Name: "web", Controller: true}, Options{}, nil, 4, ""},
		{"OpenKruise by option", "web-4", kruise, Options{OwnerKinds: []string{"apps.kruise.io/StatefulSet"}}, nil, 4, ""},

		{"set web, Pod web-1-0", "web-1-0", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"set web-1, Pod web-1", "web-1", set("web-1"), Options{}, nil, 0, CodeNameMismatch},
		{"leading zero", "web-01", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"negative zero", "web--0", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"plus", "web-+1", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"no ordinal", "web-", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"the name alone", "web", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"only the prefix agrees", "webster-1", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"over int32", "web-2147483648", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"not a digit", "web-٣", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"no name", "", set("web"), Options{}, nil, 0, CodeNameMismatch},
		{"the label lies", "web-4", set("web"), Options{}, map[string]string{indexLabel: "5"}, 0, CodeLabelMismatch},
		{"the label is empty", "web-4", set("web"), Options{}, map[string]string{indexLabel: ""}, 0, CodeLabelMismatch},
		{
			"a ReplicaSet suffix of digits only", "web-5d4f8-24567",
			Owner{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d4f8", Controller: true},
			Options{},
			nil, 0, CodeNotStatefulSet,
		},
		{"an owner that is no controller", "web-4", Owner{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web"}, Options{}, nil, 0, CodeNoOwner},
		{"no owner", "web-4", Owner{}, Options{}, nil, 0, CodeNoOwner},
		{"OpenKruise without the option", "web-4", kruise, Options{}, nil, 0, CodeForeignOwner},
		{"the kind without the group", "web-4", Owner{APIVersion: "v1", Kind: "StatefulSet", Name: "web", Controller: true}, Options{}, nil, 0, CodeForeignOwner},
		{"an indexed Job", "load-0-x7f2c", Owner{APIVersion: "batch/v1", Kind: "Job", Name: "load", Controller: true}, Options{}, nil, 0, CodeNotStatefulSet},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pod := Pod{Namespace: "shop", Name: tc.pod, Labels: tc.labels, Owners: []Owner{{Kind: "Other", Name: "first"}, tc.owner}}
			owner, ordinal, err := Identify(pod, tc.opts)
			if tc.code != "" {
				require.ErrorIs(t, err, tc.code)
				require.ErrorContains(t, err, "Pod shop/"+tc.pod)
				require.Zero(t, owner)
				require.Zero(t, ordinal)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.owner, owner)
			require.Equal(t, tc.want, ordinal)
		})
	}
}

func TestCheckOther(t *testing.T) {
	asks := map[string]string{Options{}.PoolKey(): "10.0.0.1"}
	deployment := Owner{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	require.Empty(t, CheckOther("shop", deployment, Options{}, nil, map[string]string{"other": "x"}))
	require.Equal(t, "Deployment shop/web: staticip.kubewright.io/pool: \"10.0.0.1\": is a Deployment, whose Pods have random names: a fixed address needs a stable ordinal, "+
		"which only StatefulSets give; use a StatefulSet or remove the annotation staticip.kubewright.io/pool",
		CheckOther("shop", deployment, Options{}, asks).Error())
	require.Empty(t, CheckOther("shop", Owner{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web"}, Options{}, asks))
	require.NotEmpty(t, CheckOther("shop", Owner{APIVersion: "batch/v1", Kind: "CronJob", Name: "web"}, Options{}, nil, asks))
}

func TestCheckPodUpdate(t *testing.T) {
	with := func(annotations map[string]string) Pod {
		p := redisPod(0)
		p.Annotations = annotations
		return p
	}
	fixed := map[string]string{calicoKey: `["10.0.0.10"]`}
	for _, tc := range []struct {
		name         string
		old, updated Pod
		want         []string
	}{
		{"other annotations", with(fixed), with(copyOf(fixed, map[string]string{"a": "b"})), nil},
		{"another spelling", with(fixed), with(map[string]string{calicoKey: `[ "10.0.0.10" ]`}), nil},
		{"another address", with(fixed), with(map[string]string{calicoKey: `["10.0.0.11"]`}), []string{"Immutable"}},
		{"removed", with(fixed), with(nil), []string{"Immutable"}},
		{"a second key", with(fixed), with(copyOf(fixed, map[string]string{calicoNoIPAMKey: `["10.0.0.10"]`})), []string{"Immutable"}},
		{"renamed", with(fixed), with(map[string]string{calicoNoIPAMKey: `["10.0.0.10"]`}), []string{"Immutable", "Immutable"}},
		{"asked for none", with(nil), with(fixed), nil},
		{"a Pod of a Deployment", Pod{Name: "web", Annotations: fixed}, Pod{Name: "web"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, codes(CheckPodUpdate(tc.old, tc.updated, Options{})))
		})
	}
}

// Two attachments to one network are one annotation: an update that keeps both is no change.
func TestCheckPodUpdateOfTwoAttachments(t *testing.T) {
	opts := Options{Renderer: Multus{Network: "net", Attachment: true}}
	key := Multus{Attachment: true}.key()
	old, updated := redisPod(0), redisPod(0)
	old.Annotations = map[string]string{key: `[{"name":"net","interface":"a","ips":["10.0.0.1/24"]},{"name":"net","interface":"b","ips":["10.0.0.2/24"]}]`}
	updated.Annotations = copyOf(old.Annotations, map[string]string{"other": "x"})
	require.Empty(t, CheckPodUpdate(old, updated, opts))
	updated.Annotations[key] = `[{"name":"net","interface":"a","ips":["10.0.0.9/24"]},{"name":"net","interface":"b","ips":["10.0.0.2/24"]}]`
	require.Equal(t, []string{"Immutable"}, codes(CheckPodUpdate(old, updated, opts)))
}
