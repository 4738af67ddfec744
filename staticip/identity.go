package staticip

import (
	"strconv"
	"strings"
)

// Owner is an owner reference.
type Owner struct {
	APIVersion, Kind, Name, UID string
	// Controller is set on the one owner that manages the object.
	Controller bool
}

// group is the API group, whatever the version.
func (o Owner) group() string {
	group, _, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// Pod is what this package reads of a Pod.
type Pod struct {
	// Namespace is that of the request: at admission the Pod itself may not have it yet.
	Namespace, Name     string
	Labels, Annotations map[string]string
	Owners              []Owner
	// HostNetwork is spec.hostNetwork.
	HostNetwork bool
}

// String is "Pod namespace/name".
func (p Pod) String() string { return "Pod " + p.Namespace + "/" + p.Name }

// controller is the owner that manages the Pod, or the zero Owner.
func (p Pod) controller() Owner {
	for _, o := range p.Owners {
		if o.Controller {
			return o
		}
	}
	return Owner{}
}

// indexLabel repeats the ordinal since Kubernetes 1.28. It may be missing, so it proves nothing, but it must not lie.
const indexLabel = "apps.kubernetes.io/pod-index"

// Identify returns the StatefulSet that controls a Pod and the Pod's ordinal. The proof is the controller reference
// together with the exact name <owner>-<ordinal>; a name that looks right is not enough, since one ReplicaSet Pod in
// a thousand has a suffix of digits only.
//
// The error, of type [Problems], names the real owner and why its Pods have no ordinals. A webhook that meets it on a
// Pod without the annotation [Options.PoolKey] has an ordinary Pod before it and lets it pass.
func Identify(pod Pod, opts Options) (owner Owner, ordinal int32, err error) {
	owner = pod.controller()
	var p *Problem
	switch {
	case owner == Owner{}:
		p = refuse(CodeNoOwner, "has no controller: a fixed address needs a stable ordinal, which only StatefulSets give; use a StatefulSet or remove the annotation %s", opts.PoolKey())
	case !opts.allows(owner.group(), owner.Kind):
		p = notStateful("is owned by "+describe(owner, pod.Labels["pod-template-hash"])+", ", owner, opts)
	default:
		ordinal, p = ordinalOf(pod, owner)
	}
	if p != nil {
		return Owner{}, 0, p.err(pod.String())
	}
	return owner, ordinal, nil
}

// ordinalOf reads the ordinal from the name. It accepts only the decimal that the controller itself writes: "web-01"
// was made by someone else.
func ordinalOf(pod Pod, owner Owner) (int32, *Problem) {
	suffix, found := strings.CutPrefix(pod.Name, owner.Name+"-")
	n, canonical := parseOrdinal(suffix)
	if !found || !canonical {
		return 0, refuse(CodeNameMismatch, "name is not %s-<ordinal>, as that of every Pod of %s %s is; let the controller create the Pod", owner.Name, owner.Kind, owner.Name)
	}
	if label, ok := pod.Labels[indexLabel]; ok && label != suffix {
		p := refuse(CodeLabelMismatch, "label %s is %q but the name says %s; remove the label, the controller sets it", indexLabel, shorten(label), suffix)
		return 0, p.about([]Span{{n, n}}, p.Addr)
	}
	return n, nil
}

// parseOrdinal reads the decimal that the controller writes.
func parseOrdinal(s string) (int32, bool) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}

// describe names an owner, and the Deployment behind a ReplicaSet, which is what the user knows.
func describe(o Owner, hash string) string {
	s := o.Kind + " " + o.Name
	if deployment, ok := strings.CutSuffix(o.Name, "-"+hash); ok && o.Kind == "ReplicaSet" && hash != "" {
		s += " (Deployment " + deployment + ")"
	}
	return s
}

// notStateful says why the Pods of an owner have no ordinals.
func notStateful(prefix string, o Owner, opts Options) *Problem {
	code, why := CodeNotStatefulSet, "whose Pods have random names"
	switch o.group() + "/" + o.Kind {
	case "apps/ReplicaSet", "apps/Deployment", "/ReplicationController":
	case "apps/DaemonSet":
		why = "whose Pods have random names, one for each node"
	case "batch/Job", "batch/CronJob":
		why = "whose Pods have random names, also with an index"
	case "/Node":
		why = "so it is a static Pod"
	case "apps.kruise.io/CloneSet":
		code = CodeForeignOwner
	default:
		code, why = CodeForeignOwner, "of API version "+shorten(o.APIVersion)+", which is not known to give its Pods ordinals here"
	}
	return refuse(code, "%s%s: a fixed address needs a stable ordinal, which only StatefulSets give; use a StatefulSet or remove the annotation %s", prefix, why, opts.PoolKey())
}

// CheckOther refuses a pool on a workload whose Pods have no ordinals (a Deployment, DaemonSet, Job …), before it
// creates Pods that would be refused one by one. The object is named by object's APIVersion, Kind and Name;
// annotations are those of its metadata and of its Pod template. Nothing is said about StatefulSets.
func CheckOther(namespace string, object Owner, opts Options, annotations ...map[string]string) Problems {
	if opts.allows(object.group(), object.Kind) {
		return nil
	}
	for _, set := range annotations {
		if opts.Asks(set) {
			p := notStateful("is a "+object.Kind+", ", object, opts)
			p.Value = shorten(set[opts.PoolKey()])
			return Problems{*p}.on(object.Kind+" "+namespace+"/"+object.Name, opts.PoolKey())
		}
	}
	return nil
}
