package cluster

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/kubewright/kubewright/internal/e2e/service"
)

const webhookConfiguration = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: label}
webhooks:
- name: label.kubewright.example
  clientConfig: {url: "https://%s/mutate", caBundle: %s}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  objectSelector: {matchLabels: {ask: webhook}}
  sideEffects: None
  admissionReviewVersions: [v1]
`

// testWebhook goes the whole way that webhook tests go: API server, service, webhook, audit log.
func testWebhook(t *testing.T, c *Cluster) {
	webhook := httptest.NewUnstartedServer(http.HandlerFunc(addLabel))
	webhook.TLS = &tls.Config{Certificates: []tls.Certificate{c.ServingCertificate(t)}}
	webhook.StartTLS()
	t.Cleanup(webhook.Close)
	front, err := service.Start(service.Options{Lag: 10 * time.Millisecond, Interval: 10 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, front.Close()) })
	front.Add(webhook.Listener.Addr().String())

	bundle := base64.StdEncoding.EncodeToString(c.CABundle())
	c.Apply(t, fmt.Sprintf(webhookConfiguration, front.Addr(), bundle))
	t.Cleanup(func() { c.MustKubectl(t, "delete", "mutatingwebhookconfiguration", "label") })

	const asking = "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: asking-, labels: {ask: webhook}}}"
	Eventually(t, 10*time.Second, func() error { // the API server watches webhook configurations
		out, _, err := c.WithStdin(asking).Kubectl(t, "create", "-f", "-", "--output=jsonpath={.metadata.labels.answer}")
		if err == nil && out != "yes" {
			err = fmt.Errorf("created without the webhook: answer is %q", out)
		}
		return err
	})
	Eventually(t, 10*time.Second, func() error {
		patched := c.AuditEvents(t, func(e auditv1.Event) bool {
			return e.Annotations["patch.webhook.admission.k8s.io/round_0_index_0"] != ""
		})
		if len(patched) == 0 {
			return fmt.Errorf("no patch in %s", c.AuditLog)
		}
		return nil
	})
	require.NotZero(t, front.Counts().Forwarded[webhook.Listener.Addr().String()])
}

// addLabel answers a review with one label more, and a probe with 200.
func addLabel(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" {
		return
	}
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{
		UID:       review.Request.UID,
		Allowed:   true,
		PatchType: new(admissionv1.PatchTypeJSONPatch),
		Patch:     []byte(`[{"op":"add","path":"/metadata/labels/answer","value":"yes"}]`),
	}
	review.Request = nil
	_ = json.NewEncoder(w).Encode(review)
}
