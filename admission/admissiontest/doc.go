// Package admissiontest tests admission functions in plain go test: it reviews objects with a handler, compares what the
// handler says with what a test expects, and checks on every case what no test should have to ask for.
//
// A test names an object, as YAML, JSON or a Go value, and what it wants:
//
//	func TestNoLatest(t *testing.T) {
//		admissiontest.Run(t, newHandler(t),
//			admissiontest.Case{Name: "pinned", Object: pinnedYAML, Want: admissiontest.Allowed().Unpatched()},
//			admissiontest.Case{Name: "latest", Object: latestYAML,
//				Want: admissiontest.Denied("no-latest spec.containers[app].image").Warns("no-exec-probe")},
//			admissiontest.Case{Name: "injected", Object: &corev1.Pod{Spec: spec}, User: "alice",
//				Want: admissiontest.Allowed().Patched("testdata/injected.golden.yaml")},
//		)
//	}
//
// [Dir] reads cases from txtar archives, [Fuzz] derives them from seeds, [Server] lets a real API server call the handler.
//
// # Laws
//
// Each case, whatever it wants, is also a case for these laws. What breaks one is reported with the difference:
//
//   - The response keeps the protocol. [VerifyResponse] has the rules.
//   - The patch applies under the library that the API server uses, and its result decodes strictly into the type of
//     k8s.io/api or of the handler. Members that were unknown before are not the patch's fault.
//   - A second review changes nothing: reviewing the patched object again yields no patch and no finding that the first
//     review did not have. The API server may call again (reinvocation), and a patch that is not all that the mutators
//     did shows here too, as the rest of it.
//   - Unknown fields survive: a member that no type knows is put into every object of the input that stands for a Go
//     struct, and after the patch it is on the same list element, which is known by its merge key or, where that is not
//     unique, by its content. Only members of what the mutators removed may go.
//   - The same request gets the same bytes.
//   - The request is not changed.
//   - There is no patch on DELETE, also when the case is a CREATE: its object is deleted once.
//   - A template gets the verdict of its Pods: the findings of a created Pod are those of each workload that carries it
//     as a template, by action, rule and field, below another path, for the workloads that the handler serves. Where a
//     policy means to differ by some rule, Case.TemplatesDiffer says why.
//   - HTTP gives the same answer, in AdmissionReviews of v1 and of v1beta1.
//
// A review that ends with an internal error, as [Fails] wants it, must end with an error status over HTTP too.
//
// Unknown fields and strict decoding need the object's Go type. It is known for the kinds of k8s.io/api, for objects that
// are given as Go values, and for handlers that have a method Kinds, see [Handler]. Of other kinds only the root, the
// metadata and the spec get unknown members, and only JSON is required of the patched object.
//
// # Archives
//
// [Dir] runs one case for each txtar archive (golang.org/x/tools/txtar has the format). Lines before the first file are
// a comment. Other files than these fail the test:
//
//	Exec probes are announced, not yet refused.
//	-- input.yaml --         required: the object, one YAML or JSON document; on DELETE the deleted one
//	apiVersion: v1
//	kind: Pod
//	-- old.yaml --           the old object, on UPDATE
//	-- request.yaml --       the rest of the request: operation, resource, subresource, namespace, user, groups, dryRun,
//	                         options and templatesDiffer, as in Case
//	-- patched.yaml --       golden: the object as patched; no file, no patch
//	-- findings.txt --       golden: one line a finding, "ACTION RULE FIELD: MESSAGE"; no file, no findings
//
// An internal error fails the test.
//
// # Golden files
//
// go test -update writes golden files and the golden part of archives from what the handler says. They are compared
// as values, so that comments and another order of members do no harm; an update keeps a file that is right as it is.
//
// The flag is defined when this package is initialised, unless an imported package has defined it before. A test package
// with golden files of its own asks [Update] instead of defining it a second time, which would panic.
//
// # Limits
//
// Findings are read off the response, as a client of the API server would: those that deny from status.details.causes,
// warnings from their "field: message (rule)", audit findings from annotations, of which there is one a rule, with
// all its findings in one value.
//
// An [github.com/kubewright/kubewright/admission.Handler] is tested as by its method WithFullVerification, which also shows
// validators that change their object. Into other handlers the harness cannot look.
package admissiontest
