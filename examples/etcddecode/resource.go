package main

import "strings"

// shortNames are those that kubectl knows of built-in resources: in an outage, fingers type what they always type.
var shortNames = map[string]string{
	"cm": "configmaps", "csr": "certificatesigningrequests", "cj": "cronjobs", "crd": "customresourcedefinitions", "crds": "customresourcedefinitions",
	"deploy": "deployments", "ds": "daemonsets", "ep": "endpoints", "ev": "events", "hpa": "horizontalpodautoscalers",
	"ing": "ingresses", "limits": "limitranges", "netpol": "networkpolicies", "no": "nodes", "ns": "namespaces",
	"pc": "priorityclasses", "pdb": "poddisruptionbudgets", "po": "pods", "pv": "persistentvolumes",
	"pvc": "persistentvolumeclaims", "quota": "resourcequotas", "rc": "replicationcontrollers", "rs": "replicasets",
	"sa": "serviceaccounts", "sc": "storageclasses", "sts": "statefulsets", "svc": "services",
}

// plural is the resource that a short or a singular name means, most likely: keys hold the plural alone.
func plural(name string) string {
	if long, ok := shortNames[name]; ok {
		return long
	}
	switch {
	case strings.HasSuffix(name, "cy"), strings.HasSuffix(name, "ty"):
		return strings.TrimSuffix(name, "y") + "ies"
	case strings.HasSuffix(name, "ss"), strings.HasSuffix(name, "x"), strings.HasSuffix(name, "ch"):
		return name + "es"
	case strings.HasSuffix(name, "s"):
		return name
	}
	return name + "s"
}
