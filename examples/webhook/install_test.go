package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	arv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

const configName = "policies.example.com"

// replica is an installer with everything around it that a test can turn.
type replica struct {
	*installer
	own      bundle
	now      time.Time
	failures int
	log      buffer
}

func newReplica(t *testing.T, cluster *fake.Clientset, config string, own ...string) *replica {
	t.Helper()
	c, err := parseConfig([]byte(config))
	require.NoError(t, err)
	m, err := c.manifests((&target{namespace: "ns", service: "s", port: 443}).manifestOptions(nil))
	require.NoError(t, err)
	r := &replica{own: own, now: time.Now()}
	r.installer = &installer{
		client:    cluster.AdmissionregistrationV1(),
		name:      c.Name,
		manifests: m,
		trust:     newTrust(func() bundle { return r.own }, false, func() time.Time { return r.now }),
		reachable: func(context.Context) error { return nil },
		failed:    func() { r.failures++ },
		log:       slog.New(slog.NewTextHandler(&r.log, nil)),
	}
	return r
}

func mutating(t *testing.T, cluster *fake.Clientset) *arv1.MutatingWebhookConfiguration {
	t.Helper()
	c, err := cluster.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), configName, metav1.GetOptions{})
	require.NoError(t, err)
	return c
}

func validating(t *testing.T, cluster *fake.Clientset) *arv1.ValidatingWebhookConfiguration {
	t.Helper()
	c, err := cluster.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), configName, metav1.GetOptions{})
	require.NoError(t, err)
	return c
}

// installedBundle is that of both configurations, which must be the same.
func installedBundle(t *testing.T, cluster *fake.Clientset) bundle {
	t.Helper()
	ca := validating(t, cluster).Webhooks[0].ClientConfig.CABundle
	require.Equal(t, string(ca), string(mutating(t, cluster).Webhooks[0].ClientConfig.CABundle))
	return parseBundle(ca)
}

// writes counts what changed the cluster since the last call.
func writes(cluster *fake.Clientset) (n int) {
	for _, a := range cluster.Actions() {
		if a.GetVerb() != "get" {
			n++
		}
	}
	cluster.ClearActions()
	return n
}

// newCA is the DER of a CA that is valid for two days.
func newCA(t *testing.T) string {
	t.Helper()
	return parseBundle(must(newPairFor(t)).ca)[0]
}

func TestInstall(t *testing.T) {
	cluster := fake.NewClientset()
	ca := newCA(t)
	r := newReplica(t, cluster, string(defaultConfig), ca)
	require.NoError(t, r.sync(t.Context(), bundleOnly))
	require.Zero(t, writes(cluster), "there is nothing to which a bundle could be added")

	require.NoError(t, r.sync(t.Context(), everything))
	require.Equal(t, bundle{ca}, installedBundle(t, cluster))
	require.Equal(t, "mutate."+configName, mutating(t, cluster).Webhooks[0].Name)
	require.Equal(t, "/validate", *validating(t, cluster).Webhooks[0].ClientConfig.Service.Path)
	require.Equal(t, 2, writes(cluster))

	require.NoError(t, r.sync(t.Context(), everything))
	require.Zero(t, writes(cluster), "it is as it should be")
}

func TestInstallReplacesWhatIsOld(t *testing.T) {
	cluster := fake.NewClientset()
	ca := newCA(t)
	require.NoError(t, newReplica(t, cluster, string(defaultConfig), ca).sync(t.Context(), everything))
	old := validating(t, cluster)
	old.Labels["somebody"], old.Annotations = "else's", map[string]string{"kept": "too"}
	_, err := cluster.AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(t.Context(), old, metav1.UpdateOptions{})
	require.NoError(t, err)

	r := newReplica(t, cluster, "failurePolicy: Ignore\nname: "+configName+"\npolicies: {image: {action: deny}}\n", ca)
	require.NoError(t, r.sync(t.Context(), bundleOnly))
	require.Equal(t, arv1.Fail, *validating(t, cluster).Webhooks[0].FailurePolicy, "not before it serves")
	require.NoError(t, r.sync(t.Context(), everything))
	now := validating(t, cluster)
	require.Equal(t, arv1.Ignore, *now.Webhooks[0].FailurePolicy)
	require.Equal(t, bundle{ca}, parseBundle(now.Webhooks[0].ClientConfig.CABundle))
	require.Equal(t, "else's", now.Labels["somebody"])
	require.Equal(t, "too", now.Annotations["kept"])
	require.Empty(t, mutating(t, cluster).Webhooks, "nothing mutates any more")
}

// TestEmergencyExits are what people do by hand when a webhook stands in the way.
func TestEmergencyExits(t *testing.T) {
	cluster := fake.NewClientset()
	r := newReplica(t, cluster, string(defaultConfig), newCA(t))
	require.NoError(t, r.sync(t.Context(), everything))
	relaxed := validating(t, cluster)
	ignore := arv1.Ignore
	relaxed.Webhooks[0].FailurePolicy = &ignore
	ar := cluster.AdmissionregistrationV1()
	_, err := ar.ValidatingWebhookConfigurations().Update(t.Context(), relaxed, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.NoError(t, ar.MutatingWebhookConfigurations().Delete(t.Context(), configName, metav1.DeleteOptions{}))
	r.own = append(r.own, newCA(t))
	require.NoError(t, r.sync(t.Context(), bundleOnly))
	require.Equal(t, arv1.Ignore, *validating(t, cluster).Webhooks[0].FailurePolicy)
	require.Len(t, parseBundle(validating(t, cluster).Webhooks[0].ClientConfig.CABundle), 2)
	_, err = ar.MutatingWebhookConfigurations().Get(t.Context(), configName, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
}

// TestRotationByTwoReplicas sees a new CA at different times in two replicas: no API server may meet a replica whose CA
// is not in the bundle.
func TestRotationByTwoReplicas(t *testing.T) {
	cluster := fake.NewClientset()
	before, after := newCA(t), newCA(t)
	a := newReplica(t, cluster, string(defaultConfig), before)
	b := newReplica(t, cluster, string(defaultConfig), before)
	sync := func(want ...string) {
		t.Helper()
		for _, r := range []*replica{a, b, a} {
			require.NoError(t, r.sync(t.Context(), bundleOnly))
		}
		require.True(t, slices.Equal(bundle(want), installedBundle(t, cluster)))
	}
	pass := func(d time.Duration) { a.now, b.now = a.now.Add(d), b.now.Add(d) }
	require.NoError(t, a.sync(t.Context(), everything))
	sync(before)

	a.own = bundle{before, after}
	require.False(t, a.trust.has(bundle{after}.pem()), "not published yet")
	sync(before, after)
	require.False(t, a.trust.has(bundle{after}.pem()), "published, but API servers may not know yet")
	pass(5 * time.Second)
	require.True(t, a.trust.has(bundle{after}.pem()))
	a.own = bundle{after} // serves the new pair
	pass(overlap - 10*time.Second)
	sync(before, after) // b has not heard of the new CA, and leaves it there
	pass(10 * time.Second)
	b.own = bundle{after}
	sync(after) // a has waited long enough

	require.NoError(t, b.sync(t.Context(), bundleOnly))
	writes(cluster)
	sync(after)
	require.Zero(t, writes(cluster))
}

func TestBundleOfOthers(t *testing.T) {
	now := time.Now()
	ours, theirs := newCA(t), newCA(t)
	stale := parseBundle(must(newPair(now.Add(-2*time.Hour), time.Hour, nil)).ca)[0]
	tr := newTrust(nil, false, func() time.Time { return now })
	require.Equal(t, bundle{theirs, ours}, tr.bundleFor(bundle{theirs, stale, "no certificate"}, bundle{ours}))
	require.Equal(t, bundle{theirs, stale}, tr.bundleFor(bundle{theirs, stale}, nil), "we do not know the CA: cert-manager may")
	tr.alone = true
	require.Equal(t, bundle{ours}, tr.bundleFor(bundle{theirs}, bundle{ours}), "who makes a CA at each start leaves none behind")
}

func TestDue(t *testing.T) {
	now := time.Now()
	own := bundle{newCA(t)}
	tr := newTrust(func() bundle { return own }, false, func() time.Time { return now })
	require.True(t, tr.due())
	tr.notePublished(tr.noteOwn())
	require.False(t, tr.due())
	own = append(own, newCA(t))
	require.True(t, tr.due())
	tr.notePublished(tr.noteOwn())
	now = now.Add(lookThere)
	require.True(t, tr.due())
}

// TestConflicts lets another replica be faster in both ways.
func TestConflicts(t *testing.T) {
	cluster := fake.NewClientset()
	resource := schema.GroupResource{Group: arv1.GroupName, Resource: "mutatingwebhookconfigurations"}
	var created, updated bool
	ca := newCA(t)
	cluster.PrependReactor("create", "mutatingwebhookconfigurations", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if created {
			return false, nil, nil
		}
		created = true
		other := a.(k8stesting.CreateAction).GetObject().DeepCopyObject().(*arv1.MutatingWebhookConfiguration)
		other.Webhooks[0].ClientConfig.CABundle = nil
		require.NoError(t, cluster.Tracker().Add(other))
		return true, nil, apierrors.NewAlreadyExists(resource, configName)
	})
	cluster.PrependReactor("update", "mutatingwebhookconfigurations", func(k8stesting.Action) (bool, runtime.Object, error) {
		if updated {
			return false, nil, nil
		}
		updated = true
		return true, nil, apierrors.NewConflict(resource, configName, errors.New("another was faster"))
	})
	require.NoError(t, newReplica(t, cluster, string(defaultConfig), ca).sync(t.Context(), everything))
	require.True(t, created && updated)
	require.Equal(t, bundle{ca}, installedBundle(t, cluster))
}

func TestInstallFails(t *testing.T) {
	cluster := fake.NewClientset()
	r := newReplica(t, cluster, string(defaultConfig), newCA(t))
	r.reachable = func(context.Context) error { return errors.New("no route to host") }
	require.ErrorContains(t, r.sync(t.Context(), everything), "no route to host")
	require.Zero(t, writes(cluster), "a configuration that points to nowhere is worse than none")

	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "validatingwebhookconfigurations"}, configName, errors.New("no"))
	cluster.PrependReactor("get", "validatingwebhookconfigurations", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, forbidden
	})
	r.reachable = func(context.Context) error { return nil }
	require.ErrorContains(t, r.sync(t.Context(), everything), "forbidden")
	require.False(t, r.trust.has(r.own.pem()), "half is not enough")
	r.announce(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	r.failed = func() { // it ends behind the first attempt
		r.failures++
		cancel()
	}
	r.run(ctx)
	require.Equal(t, 2, r.failures)
	require.Contains(t, r.log.String(), "webhook configurations are not up to date")
	require.Contains(t, r.log.String(), "retryIn=1s")
}
