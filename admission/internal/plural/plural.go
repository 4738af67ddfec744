// Package plural guesses the resource of a kind, as the tools guess it that make custom resources of Go types.
package plural

import "strings"

// Of is the lower-case English plural of a kind: pods, networkpolicies, gateways, ingresses, meshes.
func Of(kind string) string {
	s := strings.ToLower(kind)
	switch {
	case s == "" || strings.HasSuffix(s, "endpoints"): // a plural already
		return s
	case endsInAny(s, "s", "x", "ch", "sh"):
		return s + "es"
	case strings.HasSuffix(s, "y") && !endsInAny(s, "ay", "ey", "oy", "uy"):
		return strings.TrimSuffix(s, "y") + "ies"
	}
	return s + "s"
}

func endsInAny(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}
