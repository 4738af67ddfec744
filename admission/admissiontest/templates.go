package admissiontest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// carrier is a kind of workload and where it has its Pod template.
type carrier struct {
	apiVersion string
	kind       string
	path       string
}

func (c carrier) gvk() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(c.apiVersion, c.kind)
}

func carriers() []carrier {
	return []carrier{
		{"v1", "PodTemplate", "template"},
		{"v1", "ReplicationController", "spec.template"},
		{"apps/v1", "Deployment", "spec.template"},
		{"apps/v1", "StatefulSet", "spec.template"},
		{"apps/v1", "DaemonSet", "spec.template"},
		{"apps/v1", "ReplicaSet", "spec.template"},
		{"batch/v1", "Job", "spec.template"},
		{"batch/v1", "CronJob", "spec.jobTemplate.spec.template"},
	}
}

// templatesAgree creates each served workload that would make this Pod.
func (tr *trial) templatesAgree() error {
	isPod := schema.GroupVersionKind(tr.req.Kind) == corev1.SchemeGroupVersion.WithKind("Pod")
	if !isPod || tr.req.Operation != admissionv1.Create || tr.req.SubResource != "" {
		return nil
	}
	pod, ok := decodeTree(tr.req.Object.Raw).(map[string]any)
	if !ok {
		return nil
	}
	var errs []error
	var differences []string
	differs := map[string][]string{} // the kinds with each difference
	for _, c := range carriers() {
		d, err := tr.templateDiffers(c, pod)
		if err != nil {
			errs = append(errs, err)
		}
		if d != "" && differs[d] == nil {
			differences = append(differences, d)
		}
		differs[d] = append(differs[d], c.kind)
	}
	for _, d := range differences {
		errs = append(errs, fmt.Errorf("findings (- of the Pod, + of its %s):\n%s", strings.Join(differs[d], ", "), d))
	}
	if len(errs) > 0 {
		errs = append(errs, errors.New("register the rule for both, as a Check with policy.Register, or say in Case.TemplatesDiffer (templatesDiffer of request.yaml) why it means to differ"))
	}
	return errors.Join(errs...)
}

// templateDiffers returns the difference between the findings of the Pod and those of a workload that would make it.
func (tr *trial) templateDiffers(c carrier, pod map[string]any) (string, error) {
	resp, err := tr.reviewWorkload(c, pod)
	if err != nil {
		return "", fmt.Errorf("the %s of this Pod can't be reviewed: %w", c.kind, err)
	}
	if resp == nil {
		return "", nil
	}
	return diffLines(tr.places(tr.findings, ""), tr.places(findingsOf(resp), c.path+".")), nil
}

// places are the findings that should agree, without their messages, which may speak of the kind, and without the way
// to the template.
func (tr *trial) places(found []finding, prefix string) []string {
	var out []string
	for _, f := range found {
		if tr.templatesDiffer[f.rule] != "" {
			continue
		}
		f.field = strings.TrimPrefix(f.field, prefix)
		out = append(out, string(f.action)+" "+f.place())
	}
	slices.Sort(out)
	return out
}

// reviewWorkload returns nil for a kind that the handler does not serve.
func (tr *trial) reviewWorkload(c carrier, pod map[string]any) (*admissionv1.AdmissionResponse, error) {
	if !tr.mayServe(c.gvk()) {
		return nil, nil
	}
	like := Case{
		Object:    encodeTree(c.wrap(pod)),
		Namespace: tr.req.Namespace,
		User:      tr.req.UserInfo.Username,
		Groups:    tr.req.UserInfo.Groups,
		DryRun:    tr.req.DryRun != nil && *tr.req.DryRun,
	}
	req, err := like.request(tr.kinds)
	if err != nil {
		return nil, err
	}
	resp, err := tr.review(req)
	if err != nil && tr.kinds.own == nil && tr.post(tr.t, envelope(versionV1, req)).Code == http.StatusBadRequest {
		tr.foreign[c.gvk()] = true
		return nil, nil
	}
	return resp, err
}

func (tr *trial) mayServe(gvk schema.GroupVersionKind) bool {
	if tr.kinds.own != nil {
		return tr.kinds.own[gvk] != nil
	}
	return !tr.foreign[gvk]
}

// wrap makes the workload. It carries the Pod's labels and annotations itself too, as people write them, so that
// rules about those are met or broken alike.
func (c carrier) wrap(pod map[string]any) map[string]any {
	meta, _ := pod["metadata"].(map[string]any)
	own, template := map[string]any{}, map[string]any{}
	for _, name := range []string{"name", "generateName", "namespace", "labels", "annotations"} {
		if v, ok := meta[name]; ok {
			own[name] = v
		}
	}
	for _, name := range []string{"labels", "annotations"} {
		if v, ok := meta[name]; ok {
			template[name] = v
		}
	}
	var value any = map[string]any{"metadata": template, "spec": pod["spec"]}
	steps := strings.Split(c.path, ".")
	for _, step := range slices.Backward(steps) {
		value = map[string]any{step: value}
	}
	workload := value.(map[string]any)
	workload["apiVersion"], workload["kind"], workload["metadata"] = c.apiVersion, c.kind, own
	if spec, ok := workload["spec"].(map[string]any); ok && c.apiVersion == "apps/v1" {
		spec["selector"] = map[string]any{"matchLabels": meta["labels"]}
	}
	return workload
}
