package oracle

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/testcerts"
	webhooktesting "k8s.io/apiserver/pkg/admission/plugin/webhook/testing"
)

// webhookName is the name in refusals and audit annotations.
const webhookName = "oracle.kubewright.example"

// webhook is what a MutatingWebhookConfiguration would hold, with the API server's defaults, which
// nothing else fills in here.
func (o Options) webhook(server string) admissionregistrationv1.MutatingWebhook {
	address := server + o.Path
	everything := admissionregistrationv1.RuleWithOperations{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"},
		},
	}
	policy := o.FailurePolicy
	if policy == "" {
		policy = admissionregistrationv1.Fail
	}
	timeout := o.TimeoutSeconds
	if timeout == 0 {
		timeout = 10
	}
	return admissionregistrationv1.MutatingWebhook{
		Name:                    webhookName,
		ClientConfig:            admissionregistrationv1.WebhookClientConfig{URL: &address, CABundle: testcerts.CACert},
		Rules:                   []admissionregistrationv1.RuleWithOperations{everything},
		FailurePolicy:           &policy,
		MatchPolicy:             new(admissionregistrationv1.Equivalent),
		NamespaceSelector:       &metav1.LabelSelector{},
		ObjectSelector:          &metav1.LabelSelector{},
		SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
		TimeoutSeconds:          &timeout,
		AdmissionReviewVersions: []string{"v1", "v1beta1"},
		ReinvocationPolicy:      new(admissionregistrationv1.NeverReinvocationPolicy),
	}
}

// connect gives the plugin an API server to read its configuration from: a fake one.
func connect(t testing.TB, plugin *mutating.Plugin, webhooks []admissionregistrationv1.MutatingWebhook) {
	t.Helper()
	stop := make(chan struct{})
	client, informers := webhooktesting.NewFakeMutatingDataSource("default", webhooks, stop)
	plugin.SetExternalKubeClientSet(client)
	plugin.SetExternalKubeInformerFactory(informers)
	informers.Start(stop)
	t.Cleanup(func() {
		close(stop)
		informers.Shutdown()
	})
	informers.WaitForCacheSync(stop)
}

func serverURL(t testing.TB, address string) url.URL {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return *u
}
