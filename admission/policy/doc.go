// Package policy has ready-made checks for Pods and for every workload that carries a Pod template, to be registered
// with an admission handler or called on objects in memory.
//
// A [Check] is data: a name and a pure function from a [Subject] to findings. Each of the package's checks is made by
// the Check method of its options, whose zero value works, or by name with [New] for checks that are chosen in a
// configuration file:
//
//	name               options            forbids or requires
//	host-port          HostPort           ports of the node
//	host-path          HostPath           directories of the node
//	host-namespaces    HostNamespaces     the node's network, process and IPC namespaces
//	privileged         Privileged         privileged and HostProcess containers, an unmasked /proc, privilege escalation
//	capabilities       Capabilities       added Linux capabilities
//	probe-required     ProbeRequired      liveness and readiness probes where a Pod runs for long
//	probe-handler      ProbeHandler       no exec probes, no handlers of unknown kind
//	probe-timing       ProbeTiming        probes that neither hurry nor wait for ever
//	probe-host         ProbeHost          probes and hooks that ask the Pod itself
//	image              Image              versions, registries, digests
//	resources          Resources          requests and limits
//	termination-grace  TerminationGrace   bounds of the termination grace period
//
// [Register] registers checks for all kinds, each under its name, so that the handler's configuration chooses for each
// whether it denies, warns or records. Findings name the field (spec.containers[app].ports[0].hostPort), the value, and
// what to write instead.
//
// # Laws
//
//   - A template gets the verdict that its Pods will get, with the same findings below another path. The one exception
//     is probe-required: the Pods of Jobs and CronJobs end, and need no probes.
//   - Without options, host-port, host-path, host-namespaces, privileged, capabilities and probe-host agree with the
//     evaluator of k8s.io/pod-security-admission; the comment of each names the check it agrees with.
//   - Checks look at init, sidecar, app and ephemeral containers alike, unless their comment says which they leave out.
//   - A check never changes its subject, and gives the same findings in the same order every time.
//   - Nothing is allocated while nothing is found.
//
// # Limits
//
// Checks see what an object says, not what a node or a volume makes of it: hostPath behind a PersistentVolumeClaim,
// symbolic links below an allowed path, and ports that a process with hostNetwork binds without declaring them stay out of
// sight. Nor do they see what other admission plugins will add to the Pods of a template, such as a LimitRange's
// defaults or an injected sidecar; where that matters, a check is for Pods only.
//
// Of fields that its version of k8s.io/api does not know a check knows nothing. Where that could hide what it looks for,
// as with new kinds of probe handlers, it says so in a finding.
package policy
