package etcddecode

import "slices"

// Manifest returns a copy of the object as one would write it to create it anew, in this cluster or another: without
// status, what the API server assigns, owners, whose UIDs are no longer those of anything, and the fields that tie a Pod
// to its node, a volume to the claim it was bound to, and a Job to its Pods. ok is false if something is redacted.
func (o *Object) Manifest() (manifest *Object, ok bool) {
	m := *o
	m.tree.nodes = slices.Clone(o.tree.nodes)
	m.tree.limit = len(m.tree.nodes)
	if len(m.tree.nodes) == 0 || m.tree.nodes[0].kind != kindMap {
		return &m, !o.Redacted
	}
	m.tree.remove(0, "status")
	m.tree.removeAt("metadata",
		"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink",
		"deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences")
	switch o.APIVersion + "/" + o.Kind {
	case "v1/Pod":
		m.tree.removeAt("spec", "nodeName")
	case "v1/PersistentVolume":
		if claim, ok := m.tree.find("spec", "claimRef"); ok {
			m.tree.remove(claim, "uid")
			m.tree.remove(claim, "resourceVersion")
		}
	case "batch/v1/Job":
		m.tree.untieJob()
	}
	return &m, !o.Redacted
}

func (t *tree) removeAt(key string, fields ...string) {
	if i, ok := t.get(0, key); ok && t.nodes[i].kind == kindMap {
		for _, f := range fields {
			t.remove(i, f)
		}
	}
}

// untieJob drops the selector and the labels that the API server generates from the UID of a Job.
func (t *tree) untieJob() {
	if i, ok := t.find("spec", "manualSelector"); ok && t.nodes[i].num != 0 {
		return
	}
	t.removeAt("spec", "selector")
	for _, path := range [][]string{{"metadata", "labels"}, {"spec", "template", "metadata", "labels"}} {
		if labels, ok := t.find(path...); ok && t.nodes[labels].kind == kindMap {
			for _, l := range []string{"controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"} {
				t.remove(labels, l)
			}
		}
	}
}
