package oracle

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/warning"
)

// attributes are a request's, with the audit annotations readable: the API server keeps them to its
// own packages.
type attributes struct {
	admission.Attributes
	noted map[string]string
}

func newAttributes(inner admission.Attributes) *attributes {
	return &attributes{Attributes: inner, noted: map[string]string{}}
}

// AddAnnotation overrides, to remember what the API server accepted.
func (a *attributes) AddAnnotation(key, value string) error {
	return a.AddAnnotationWithLevel(key, value, auditinternal.LevelMetadata)
}

// AddAnnotationWithLevel overrides, to remember what the API server accepted.
func (a *attributes) AddAnnotationWithLevel(key, value string, level auditinternal.Level) error {
	err := a.Attributes.AddAnnotationWithLevel(key, value, level)
	if err == nil {
		a.noted[key] = value
	}
	return err
}

func (a *attributes) annotations() map[string]string { return maps.Clone(a.noted) }

// appliedPatch finds the patch in the audit annotation that the plugin writes for each it applied.
func appliedPatch(annotations map[string]string) (json.RawMessage, error) {
	for key, value := range annotations {
		if !strings.HasPrefix(key, mutating.PatchAuditAnnotationPrefix) {
			continue
		}
		var applied struct{ Patch json.RawMessage }
		err := json.Unmarshal([]byte(value), &applied)
		return applied.Patch, err
	}
	return nil, nil
}

// optionsFor is the options object that a review of an operation carries.
func optionsFor(operation admission.Operation) runtime.Object {
	switch operation {
	case admission.Update:
		return &metav1.UpdateOptions{}
	case admission.Delete:
		return &metav1.DeleteOptions{}
	case admission.Create:
		return &metav1.CreateOptions{}
	default:
		return nil
	}
}

// recorder gathers what the client would get as Warning headers. The plugin calls webhooks one after
// the other, so nothing needs a lock.
type recorder struct{ texts []string }

// AddWarning is the API server's interface for this.
func (r *recorder) AddWarning(_, text string) { r.texts = append(r.texts, text) }

func (r *recorder) in(ctx context.Context) context.Context {
	return warning.WithWarningRecorder(ctx, r)
}
