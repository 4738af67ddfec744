package admissiontest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/kubewright/kubewright/admission"
)

// variants is how many changed objects a seed adds to the corpus, so that go test without -fuzz tries some too.
const variants = 16

// Fuzz reviews what can be made of the seeds: the object changed in its structure or its bytes, created, updated and
// deleted, and broken AdmissionReviews. No function may panic, every answer must keep the protocol, and all laws hold.
// An internal error is an answer. What the seeds want is not looked at.
//
// Changed objects may be such as an API server refuses afterwards: with two containers of one name, say, or a null in a
// list. Webhooks get to see them all the same.
//
// Internal errors are logged, so the handler's Logger had better be silent. With -fuzz, also give -fuzzminimizetime=10x:
// the default is a minute for each object that reaches new code, without any visible progress.
func Fuzz(f *testing.F, h Handler, seeds ...Case) {
	f.Helper()
	b := newBench(h)
	if len(seeds) == 0 {
		f.Fatal("admissiontest.Fuzz has no seed: it would test nothing")
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the corpus is the same each time
	for i := range seeds {
		req, err := seeds[i].request(b.kinds)
		if err != nil {
			f.Fatalf("seed %d: %v", i, err)
		}
		f.Add(uint(i), subject(req), []byte{})
		for range variants {
			program := make([]byte, 1+random.IntN(5*editSize))
			for at := range program {
				program[at] = byte(random.Uint32())
			}
			f.Add(uint(i), subject(req), program)
		}
	}
	f.Fuzz(func(t *testing.T, seed uint, object, program []byte) {
		b.fuzz(t, seeds[seed%uint(len(seeds))], object, program)
	})
}

// subject is the object that a request is about.
func subject(req *admissionv1.AdmissionRequest) []byte {
	if req.Operation == admissionv1.Delete {
		return req.OldObject.Raw
	}
	return req.Object.Raw
}

// fuzz makes one request of a seed. The program's first byte says of which kind, the others how the object is changed.
func (b *bench) fuzz(t testing.TB, seed Case, object, program []byte) {
	t.Helper()
	req, err := seed.request(b.kinds)
	if err != nil {
		t.Errorf("seed: %v", err)
		return
	}
	edits := newEdits(program)
	shape := edits.next() % 8
	tree, err := parseTree(object)
	root, ok := tree.(map[string]any)
	if err != nil || !ok || shape == 7 {
		b.fuzzBody(t, req, object, edits)
		return
	}
	for i := 0; i < maxEdits && edits.more(); i++ {
		edits.change(root)
	}
	apiVersion, kind := req.Kind.Group+"/"+req.Kind.Version, req.Kind.Kind
	if req.Kind.Group == "" {
		apiVersion = req.Kind.Version
	}
	root["apiVersion"], root["kind"] = apiVersion, kind // other kinds are refused before any function sees them
	b.fuzzObject(t, seed.as(shape, subject(req), encodeTree(root)))
}

// as is the case with another object and, for some shapes of a CREATE, another operation.
func (c Case) as(shape byte, original, object []byte) Case {
	c.Want = Want{}
	switch {
	case c.operation() == admissionv1.Delete:
		c.Object, c.Old = nil, object
		return c
	case c.operation() == admissionv1.Create && shape == 5:
		c.Operation, c.Old = admissionv1.Update, original
	case c.operation() == admissionv1.Create && shape == 6:
		c.Operation = admissionv1.Delete
	}
	c.Object = object
	return c
}

func (b *bench) fuzzObject(t testing.TB, c Case) {
	t.Helper()
	tr, err := b.try(t, c)
	if err != nil {
		return // the change left no Kubernetes object, which an API server would not have sent
	}
	if _, ok := errors.AsType[*admission.PanicError](tr.err); ok {
		t.Errorf("panic: %s\n%s", explain(tr.err), subject(tr.req))
	}
	tr.obey()
	if t.Failed() {
		t.Logf("object: %s", subject(tr.req))
	}
}

// fuzzBody sends a broken review.
func (b *bench) fuzzBody(t testing.TB, req *admissionv1.AdmissionRequest, object []byte, edits *edits) {
	t.Helper()
	const place = `"object goes here"`
	req = req.DeepCopy()
	req.Object.Raw = []byte(place)
	body := bytes.Replace(envelope(versionV1, req), []byte(place), object, 1)
	for i := 0; i < maxEdits && edits.more(); i++ {
		body = edits.changeBytes(body)
	}
	if err := conforms(b.post(t, body)); err != nil {
		t.Errorf("answer to a broken review: %v\n%s", err, body)
	}
}

// maxEdits keeps objects recognisable.
const (
	maxEdits = 8
	editSize = 4
)

// edits reads changes from a program, which is what the fuzzing engine varies. Each change takes editSize bytes.
type edits struct{ rest []byte }

func newEdits(program []byte) *edits { return &edits{program} }

func (e *edits) more() bool { return len(e.rest) > 0 }

// next is zero behind the end.
func (e *edits) next() byte {
	if len(e.rest) == 0 {
		return 0
	}
	b := e.rest[0]
	e.rest = e.rest[1:]
	return b
}

// below is a number from 0 to n-1.
func (e *edits) below(n int) int {
	return int(binary.BigEndian.Uint16([]byte{e.next(), e.next()})) % n
}

func (e *edits) changeBytes(body []byte) []byte {
	if len(body) == 0 {
		return body
	}
	at, how, b := e.below(len(body)), e.next(), e.next()
	switch how % 4 {
	case 0:
		return body[:at]
	case 1:
		return append(body[:at:at], body[at+1:]...)
	case 2:
		return append(append(body[:at:at], b), body[at:]...)
	}
	body = bytes.Clone(body)
	body[at] = b
	return body
}
