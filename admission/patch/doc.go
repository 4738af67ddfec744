// Package patch computes the JSON Patch (RFC 6902) between two values of a Go type, for a document that may hold more
// than the type knows.
//
// Encoding both values and comparing the texts is not enough: members that the type does not know would be removed or,
// where lists shift, end up in another element; zero values and quantities in another form would be changed for nothing.
// A [Differ] compares the values themselves, aligns list elements by their merge key, moves elements instead of
// rewriting them, and so touches nothing that was not changed:
//
//	pods := patch.For[corev1.Pod]()
//	doc, err := patch.Parse(raw)
//	before, err := pods.Decode(doc)
//	after := before.DeepCopy()
//	after.Spec.Containers = append([]corev1.Container{shipper}, after.Spec.Containers...)
//	p, err := pods.Diff(doc, before, after) // one operation
//	err = pods.Verify(doc, p, after)        // and the proof
//
// # Laws
//
// For every type that encoding/json can marshal (inline and embedded structs, pointers, maps, recursive types, values
// that encode themselves, decoded JSON):
//
//   - the patch applies to the document and the result decodes to the second value;
//   - members that the type does not know stay, in the element in which they were;
//   - equal values, and values that JSON cannot tell apart, give no operation;
//   - the same values give the same operations in the same order;
//   - what [Differ.Check] accepts applies and decodes strictly;
//   - what [Differ.Decode] decodes is what sigs.k8s.io/json decodes.
package patch
