package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// TestWebhookIsDown stops the example. Its failurePolicy decides what can still be created, and the way out that its
// README names is one.
func TestWebhookIsDown(t *testing.T) {
	c := shared.Get(t)
	in := "--namespace=" + c.Namespace(t)
	front := newFront(t, atOnce)
	webhook := installBehind(t, c, front)
	create := func(name string) (string, error) {
		_, stderr, err := c.WithStdin(pod(name, hostPath)).Kubectl(t, "create", "-f", "-", in)
		return stderr, err
	}
	require.NoError(t, webhook.Stop())

	t.Run("Fail refuses", func(t *testing.T) {
		stderr, err := create("refused")
		require.Error(t, err)
		require.Contains(t, stderr, `failed calling webhook "mutate.policies.example.com"`)
	})

	t.Run("Ignore admits, unseen", func(t *testing.T) {
		for _, kind := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
			c.MustKubectl(t, "patch", kind, exampleName, "--type=json",
				`--patch=[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]`)
		}
		cluster.Eventually(t, 30*time.Second, func() error {
			_, err := create("admitted")
			return err
		})
		require.Empty(t, c.MustKubectl(t, "get", "pod", "admitted", "--output="+reviewed, in))
	})

	t.Run("a restart restores both", func(t *testing.T) {
		require.NoError(t, webhook.Start(t.Context()))
		front.Add(webhook.Address)
		awaitExample(t, c)
		cluster.Eventually(t, 30*time.Second, func() error {
			policy := c.MustKubectl(t, "get", "validatingwebhookconfiguration", exampleName, "--output=jsonpath={.webhooks[*].failurePolicy}")
			if policy != "Fail" {
				return fmt.Errorf("the failurePolicy is %s", policy)
			}
			return nil
		})
	})
}

// Label "fail" of a Pod says how the function that sees it fails.
const failing = "fail"

// TestHandlerFails shows that what goes wrong inside of a handler is left to the failurePolicy, as if the webhook were
// not there: with Ignore, not even the changes of the mutators that worked are made.
func TestHandlerFails(t *testing.T) {
	c := shared.Get(t)
	seen := &reviews{}
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	h, err := admission.NewHandler(seen.options(), admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
		Namespaced().
		Mutate("works", addLabel).
		Mutate("fails", func(_ context.Context, _ *admissionv1.AdmissionRequest, p *corev1.Pod) error { return fail(p, forever) }).
		Validate("judges", func(_ context.Context, _ *admissionv1.AdmissionRequest, p, _ *corev1.Pod) []admission.Finding {
			if p.Labels[failing] == "late" {
				panic("no opinion")
			}
			return nil
		}))
	require.NoError(t, err)
	url := serve(t, c, h.Routes())
	open, closed := c.Namespace(t), c.Namespace(t)
	register(t, c, h, open, admission.ManifestOptions{Name: "open.e2e.example", URL: url, TimeoutSeconds: 1, FailurePolicy: admissionregistrationv1.Ignore})
	register(t, c, h, closed, admission.ManifestOptions{Name: "closed.e2e.example", URL: url, TimeoutSeconds: 1})
	awaitReviews(t, c, seen, open)
	awaitReviews(t, c, seen, closed)

	cases := []struct {
		fail, name string
		label      string // what the mutator that works has done to a Pod that Ignore admits
		message    string
	}{
		{"panic", "a mutator panics", "", "mutator fails panicked: boom"},
		{"error", "a mutator can't do its work", "", "mutator fails: out of order"},
		// In 900 ms of the API server's 1 s. Later, it would be the API server to say that time is up.
		{"hang", "a mutator does not return", "", "mutator fails did not finish within 900ms: context deadline exceeded"},
		{"late", "a validator panics", "yes", "validator judges panicked: no opinion"},
	}
	for _, f := range cases {
		t.Run(f.name, func(t *testing.T) {
			client := c.WithStdin(labelled(f.fail))
			_, stderr, err := client.Kubectl(t, "create", "-f", "-", "--namespace="+closed)
			require.Error(t, err)
			require.Contains(t, stderr, `failed to call webhook: `+f.message)

			_, stderr, err = client.Kubectl(t, "create", "-f", "-", "--namespace="+open)
			require.NoError(t, err)
			require.Empty(t, stderr)
			label := c.MustKubectl(t, "get", "pod", f.fail, "--output=jsonpath={.metadata.labels.mutated}", "--namespace="+open)
			require.Equal(t, f.label, label)
			cluster.Eventually(t, 10*time.Second, func() error { return wantFailure(seen, open, f.fail) })
		})
	}
}

func labelled(fail string) string {
	return `{apiVersion: v1, kind: Pod, metadata: {name: ` + fail + `, labels: {fail: ` + fail + `}}, spec: ` + good + `}`
}

func addLabel(_ context.Context, _ *admissionv1.AdmissionRequest, p *corev1.Pod) error {
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	p.Labels["mutated"] = "yes"
	return nil
}

func fail(p *corev1.Pod, forever <-chan struct{}) error {
	switch p.Labels[failing] {
	case "panic":
		panic("boom")
	case "error":
		return errors.New("out of order")
	case "hang":
		<-forever // whatever its context says
	}
	return nil
}

// wantFailure makes sure that an object was admitted because of the failurePolicy, and not because nobody was asked.
func wantFailure(seen *reviews, namespace, name string) error {
	for _, o := range seen.of(namespace, name) {
		if o.Outcome == admission.OutcomeError {
			return nil
		}
	}
	return errors.New("no failed review was observed")
}
