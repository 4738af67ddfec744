package e2e

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// mark is a member that no Go type knows. Its value is the place where it was put.
const mark = "unknownToGo"

// mergeKeys tells the elements of lists apart, by the list's name in JSON: what patchMergeKey says in k8s.io/api.
var mergeKeys = map[string]string{
	"containers": "name", "initContainers": "name", "ephemeralContainers": "name",
	"env": "name", "volumes": "name", "volumeMounts": "mountPath", "imagePullSecrets": "name",
	"hostAliases": "ip", "topologySpreadConstraints": "topologyKey",
}

// free are the maps with keys of the user's: there is no unknown member in them, only one key more.
var free = map[string]bool{
	"labels": true, "annotations": true, "nodeSelector": true, "overhead": true, "limits": true, "requests": true,
	"matchLabels": true, "volumeAttributes": true,
}

// plantMarks puts a mark into the object, into every struct below it, and into every element that a key names.
func plantMarks(object *unstructured.Unstructured) {
	for place, at := range places(object.Object) {
		at[mark] = place
	}
}

// lostMarks lists the marks that are not where they should be: in every place that there was before and, in the typed
// object, is there after. It also counts those that are.
func lostMarks(before, after, stored map[string]any) (lost []string, kept int) {
	was, want, is := places(before), places(after), places(stored)
	for _, place := range slices.Sorted(maps.Keys(want)) {
		if was[place] == nil {
			continue
		}
		if at := is[place]; at == nil || at[mark] != place {
			lost = append(lost, fmt.Sprintf("%s has %v", place, at[mark]))
			continue
		}
		kept++
	}
	return lost, kept
}

// places finds the structs of an object by paths such as spec.containers[app].env[HOME]. Elements without a key of
// their own, alone or in the list, are left out with all that is below them.
func places(object map[string]any) map[string]map[string]any {
	found := map[string]map[string]any{}
	visit(found, "", object)
	return found
}

func visit(found map[string]map[string]any, path string, at map[string]any) {
	found[path] = at
	for member, value := range at {
		switch below := value.(type) {
		case map[string]any:
			if !free[member] {
				visit(found, path+"."+member, below)
			}
		case []any:
			visitList(found, path+"."+member, mergeKeys[member], below)
		}
	}
}

func visitList(found map[string]map[string]any, path, key string, list []any) {
	if key == "" || !distinct(list, key) {
		return
	}
	for _, element := range list {
		at := element.(map[string]any)
		visit(found, fmt.Sprintf("%s[%v]", path, at[key]), at)
	}
}

// distinct reports whether every element has a key that no other has.
func distinct(list []any, key string) bool {
	seen := map[string]bool{}
	for _, element := range list {
		at, ok := element.(map[string]any)
		if !ok {
			return false
		}
		value, _ := at[key].(string)
		if value == "" || seen[value] {
			return false
		}
		seen[value] = true
	}
	return true
}
