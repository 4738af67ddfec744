// Package sidecar computes, from a Pod and its annotations, the Pod with a log shipper beside it, its own /proc, another
// time, the number of its CPUs, a time zone, host names, or a sidecar of a team's own.
//
// A platform team configures injectors once, and projects ask for them with an annotation. An admission webhook calls
// [Set.Apply]; so can CI, which needs no cluster for it: a wrong annotation is an error there already, and
// [Set.ParseLog] with [Filebeat.Render] prints the file that Filebeat will read.
//
//	set, err := sidecar.New("sidecar.example.com",
//		sidecar.Filebeat{Image: image, Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Topic: "logs"}}},
//		sidecar.LXCFS{}, sidecar.CPUCount{}, sidecar.TimeZone{})
//	…
//	out, outcome, err := set.Apply(pod, sidecar.Namespace{Level: sidecar.LevelRestricted})
//	// sidecar.example.com/log.paths: /var/log/app/*.log
//
// ANNOTATIONS.md beside this file lists all annotations; [Set.Keys] returns them.
//
// # Laws
//
// Each is a test on the Pods and templates of k8s.io/api and on generated Pods, whose names, volumes, paths and variables
// collide with those of this package on purpose. Validity, quality of service and Pod Security are judged by a real API
// server and by Kubernetes' own evaluator.
//
//   - Apply(Apply(p)) is Apply(p), also after the API server's defaults and other webhooks were at work in between:
//     what they added stays.
//   - Eject(Apply(p)) is p, byte for byte in JSON.
//   - A Pod without an annotation of the domain is not changed.
//   - A valid Pod stays valid, or Apply says which annotation can't be done and why.
//   - The quality of service stays. So does the Pod Security level, but for [LXCFS] and for sidecars that ask for more;
//     both are skipped where [Namespace].Level forbids them.
//   - The order of the injectors does not matter, and the same Pod gives the same bytes.
//   - What the user wrote is neither reordered nor overwritten: a variable that a container sets stays, a path or name that
//     is taken is an error. Words are only ever appended to LD_PRELOAD and JAVA_TOOL_OPTIONS, and probes taken away only by
//     [Debug].
//
// They rest on one annotation, <prefix>/injected: a record of what was added. It tells what is ours from what is the
// user's when the API server calls a webhook again, and undoes it. What is no longer as it was left belongs to
// whoever changed it. A record that was written by hand takes away only what the Set could have added: not the container
// of another webhook, which a user would like to be without.
//
// # No lost tail
//
// Filebeat stops reading when it gets SIGTERM, and the Pod's files go with it. So the first process of the log shipper's
// container is a shell program of 25 lines, which lets Filebeat read on for a while before it passes the signal on, and
// which starts it again after a crash: a container that ends would make the Pod unready. As a native sidecar (KEP-753) it
// gets SIGTERM when the application has ended. The Pod's termination grace period is raised by what that takes, once.
// An application that does not end on SIGTERM gets the longer period too, and leaves the drain none of it.
//
// For images without a shell, [Filebeat].Wrapper names a program that does the same. There is no mode without any: a
// preStop hook of a native sidecar (also the sleep action of KEP-3960) begins when the Pod is deleted, beside the
// application and not behind it, so it would have to last for the whole grace period on every deletion; and nothing would
// start the shipper again.
//
// # Limits
//
// An annotation can't say what is in an image, and admission does not see it. An empty volume at the directory of the
// logs hides what the image has there. The log shipper runs as the user that the Pod gives the application; where it
// gives none, as that of its own image, or as 1000 if root is forbidden. Files that this user and group 0 may not read are
// not shipped. LD_PRELOAD of an image is overruled when a library is injected; a [Set] warns of it. Variables from envFrom
// are overruled by injected ones. glibc and musl can't be told apart, so Pods have to say.
//
// Pods for Windows are skipped, and ephemeral containers are not touched. The log shipper serves one container of a Pod.
// It reads files, not what containers print.
//
// Functions are pure: no clock, no network, no state; and safe for concurrent use. They do not modify their arguments,
// and what they return shares nothing with them.
package sidecar
