package admissiontest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission"
)

// Run reviews each case with the handler, checks what the case wants, and checks the laws. A case with a name is a subtest.
// A failure ends nothing: everything that is wrong with a case is reported.
func Run(t testing.TB, h Handler, cases ...Case) {
	t.Helper()
	if len(cases) == 0 {
		t.Errorf("admissiontest.Run has no case: it would test nothing")
	}
	b := newBench(h)
	for _, c := range cases {
		subtest(t, c.Name, func(t testing.TB) {
			t.Helper()
			b.run(t, c)
		})
	}
}

// subtest runs fn as a subtest where there is a name and t can.
func subtest(t testing.TB, name string, fn func(testing.TB)) {
	t.Helper()
	r, ok := t.(interface {
		Run(name string, fn func(*testing.T)) bool
	})
	if !ok || name == "" {
		fn(t)
		return
	}
	r.Run(name, func(t *testing.T) {
		t.Helper()
		fn(t)
	})
}

// bench is a handler and what is known of it.
type bench struct {
	Handler
	kinds   kinds
	foreign map[schema.GroupVersionKind]bool // kinds that the handler was found not to serve
}

// newBench makes a handler prove its patches in full, which is also what shows validators that change objects.
func newBench(h Handler) *bench {
	if own, ok := h.(*admission.Handler); ok {
		h = own.WithFullVerification()
	}
	return &bench{h, kindsOf(h), map[schema.GroupVersionKind]bool{}}
}

func (b *bench) run(t testing.TB, c Case) {
	t.Helper()
	tr, err := b.try(t, c)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	c.Want.check(t, tr)
	tr.obey()
}

// trial is a request and its review.
type trial struct {
	*bench
	t               testing.TB
	templatesDiffer map[string]string
	req             *admissionv1.AdmissionRequest
	typ             reflect.Type // of the object, nil if it is not known

	resp     *admissionv1.AdmissionResponse
	err      error // of the review
	findings []finding
	patched  []byte // the object with the patch applied, nil without a patch
	patchErr error  // of applying it
}

// try reviews a case. The error says what is wrong with the case itself.
func (b *bench) try(t testing.TB, c Case) (*trial, error) {
	req, err := c.request(b.kinds)
	if err != nil {
		return nil, err
	}
	given := c.Object
	if given == nil {
		given = c.Old
	}
	tr := &trial{
		bench:           b,
		t:               t,
		templatesDiffer: c.TemplatesDiffer,
		req:             req,
		typ:             b.kinds.typeOf(schema.GroupVersionKind(req.Kind), given),
	}
	tr.resp, tr.err = tr.review(req)
	if tr.err != nil {
		return tr, nil
	}
	tr.findings = findingsOf(tr.resp)
	if len(tr.resp.Patch) > 0 {
		tr.patched, tr.patchErr = applied(req.Object.Raw, tr.resp.Patch)
	}
	return tr, nil
}

// review asks the handler with a copy of a request, which the handler can't spoil for those who ask later.
func (tr *trial) review(req *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	resp, err := tr.Review(tr.t.Context(), req.DeepCopy())
	if err == nil && resp == nil {
		return nil, errors.New("the handler returned neither a response nor an error")
	}
	return resp, err
}

func (tr *trial) verdict() string {
	if tr.resp.Allowed {
		return "allowed"
	}
	return "denied"
}

// law is a property of every review. Its check returns what breaks it.
type law struct {
	name  string
	check func(*trial) error
}

// laws of reviews that did not fail; the last holds for others too.
func laws() []law {
	return []law{
		{"the response keeps the protocol", (*trial).keepsProtocol},
		{"the patch applies and its result decodes strictly", (*trial).decodes},
		{"a second review changes nothing", (*trial).settles},
		{"unknown fields survive", (*trial).keepsUnknown},
		{"the same request gets the same bytes", (*trial).repeats},
		{"the request is not changed", (*trial).keepsRequest},
		{"there is no patch on DELETE", (*trial).deletes},
		{"a template gets the verdict of its Pods", (*trial).templatesAgree},
		{"HTTP gives the same answer", (*trial).serves},
	}
}

// obey reports each law that the review breaks.
func (tr *trial) obey() {
	tr.t.Helper()
	all := laws()
	if tr.err != nil {
		all = all[len(all)-1:]
	}
	for _, l := range all {
		if err := l.check(tr); err != nil {
			tr.t.Errorf("law broken: %s:\n%v", l.name, err)
		}
	}
}

// explain adds the stack to the message of a panic.
func explain(err error) string {
	if p, ok := errors.AsType[*admission.PanicError](err); ok {
		return fmt.Sprintf("%v\n%s", err, p.Stack)
	}
	return err.Error()
}
