package policy

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestResources(t *testing.T) {
	const (
		app      = "spec.containers[app].resources."
		cpu      = "requests[cpu]: requests.cpu is not set: write what the container needs, as in requests: {cpu: 100m}"
		memory   = "requests[memory]: requests.memory is not set: write what the container needs, as in requests: {memory: 128Mi}"
		limit    = "limits[memory]: limits.memory is not set: write what the container needs, as in limits: {memory: 128Mi}"
		cpuLimit = "limits[cpu]: limits.cpu is not set: write what the container needs, as in limits: {cpu: 100m}"
	)
	names := func(n ...corev1.ResourceName) []corev1.ResourceName { return append([]corev1.ResourceName{}, n...) }
	runCases(t, []specCase{
		{"none", Resources{}, `{containers: [{name: app}]}`, []string{app + cpu, app + memory, app + limit}},
		{"all", Resources{}, `{containers: [{name: app, resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}}]}`, nil},
		{"a limit is a request", Resources{}, `{containers: [{name: app, resources: {limits: {cpu: 1, memory: 1Gi}}}]}`, nil},
		{
			"a request is no limit",
			Resources{},
			`{containers: [{name: app, resources: {requests: {cpu: 1, memory: 1Gi}}}]}`,
			[]string{app + limit},
		},
		{
			"zero counts as none, also beside a limit",
			Resources{},
			`{containers: [{name: app, resources: {requests: {cpu: 0, memory: 1Gi}, limits: {cpu: 1, memory: "0"}}}]}`,
			[]string{
				app + "requests[cpu]: requests.cpu 0 counts as none: write what the container needs, as in requests: {cpu: 100m}",
				app + "limits[memory]: limits.memory 0 counts as none: write what the container needs, as in limits: {memory: 128Mi}",
			},
		},
		{"of the Pod", Resources{}, `{resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}, initContainers: [{name: init}], containers: [{name: app}]}`, nil},
		{"limits of the Pod", Resources{}, `{resources: {limits: {cpu: 1, memory: 1Gi}}, containers: [{name: app}]}`, nil},
		{
			"some of the Pod",
			Resources{},
			`{resources: {requests: {cpu: 1}}, containers: [{name: app, resources: {limits: {memory: 1Gi}}}, {name: b}]}`,
			[]string{"spec.containers[b].resources." + memory, "spec.containers[b].resources." + limit},
		},
		{
			"all kinds of containers but ephemeral ones",
			Resources{Requests: names("cpu"), Limits: names()},
			`{initContainers: [{name: a}, {name: b, restartPolicy: Always}], containers: [{name: app}], ephemeralContainers: [{name: debug}]}`,
			[]string{"spec.initContainers[a].resources." + cpu, "spec.initContainers[b].resources." + cpu, app + cpu},
		},
		{"other resources", Resources{Requests: names(), Limits: names("cpu", "example.com/gpu")}, `{containers: [{name: app}]}`, []string{
			app + cpuLimit,
			app + "limits[example.com/gpu]: limits.example.com/gpu is not set: write what the container needs, as in limits: {example.com/gpu: 1}",
		}},
		{"nothing required", Resources{Requests: names(), Limits: names()}, `{containers: [{name: app}]}`, nil},
	})
}

func TestResourcesFields(t *testing.T) {
	requireFields(t, Resources{}, `{containers: [{name: app}]}`,
		"containers[app].resources.requests[cpu]", "containers[app].resources.requests[memory]", "containers[app].resources.limits[memory]")
}

func TestResourcesOptions(t *testing.T) {
	requireProblems(t, Resources{Requests: []corev1.ResourceName{"cpu", ""}, Limits: []corev1.ResourceName{""}},
		"resources: requests has an empty name", "resources: limits has an empty name")
}
