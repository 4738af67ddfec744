// Package admission answers Kubernetes admission reviews with pure functions over Go types. A platform engineer writes
// a function that changes a Pod, or one that says what is wrong with it; the package decodes, copies, chains, makes the
// patch, proves it, and serves.
//
//	h, err := admission.NewHandler(admission.Options{},
//		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
//			Mutate("cost-center", addCostCenter).
//			Validate("no-host-network", noHostNetwork))
//	…
//	server := admission.Server{Addr: ":8443", Certificate: cert, Handler: h.Routes()}
//	err = server.Start(ctx)
//
// The types of k8s.io/api, those of custom resources and unstructured objects work alike, and no Scheme is needed.
// Ready-made checks are in package policy, the harness for unit tests in package admissiontest, and the patch between
// two values, for other uses, in package patch.
//
// # Functions
//
// A [MutateFunc] changes an object in place and sees what the mutators before it did. A [ValidateFunc] returns all its
// findings; all of all validators are reported, each with rule, field, message and action: deny, warn or audit, which
// configuration can change by rule ([Options.Actions]). By default mutators run on CREATE, validators on CREATE and
// UPDATE, both for the object itself and not for subresources, and neither for objects that are being deleted,
// which is for the old object to say: server-side apply lets authors write a deletionTimestamp into a new one.
//
// # Outcomes
//
// A review ends in one of three ways, which never mix. Allowed, perhaps with a patch and warnings. Denied: HTTP 200
// with status 403 (or 422) and every finding as a cause. An internal error (a function failed, panicked or ran out of
// time, or made a change that is no valid patch): HTTP 500, so that the webhook's failurePolicy decides, as its owner
// wanted. With [FailOpen] such a mutator loses its own changes and nothing else.
//
// # Laws
//
// Each is a test, on every kind of k8s.io/api and under fuzzing:
//
//  1. Every patch that leaves a handler applies under the library that the API server uses, and the result decodes
//     strictly into the type.
//  2. A member that no mutator touched is the same before and after, also when the Go type does not know it, and also
//     when list elements move.
//  3. The same review gives the same bytes.
//  4. Reviewing the patched object again yields no patch, if the mutators are idempotent.
//  5. An internal error, panic or deadline is HTTP 500; a refusal is HTTP 200 with every finding.
//  6. There is never a patch on DELETE.
//
// # Limits
//
// Bodies are read up to 7 MiB, of admission.k8s.io/v1 and v1beta1. metadata.managedFields is not decoded: functions see
// none, and what the object has stays. Mirror Pods are not mutated. Policies that CEL can express (ValidatingAdmissionPolicy,
// MutatingAdmissionPolicy) need no webhook and are the better choice; webhooks are for what needs Go: several fields at
// once, lists that are built, data from elsewhere, and unit tests.
package admission
