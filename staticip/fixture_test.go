package staticip

import (
	"maps"
	"strconv"
)

// redis is the StatefulSet of most tests.
func redis(replicas int32, pool string) Workload {
	return Workload{
		Namespace: "shop", Name: "redis", UID: "a1", Replicas: replicas,
		Annotations: map[string]string{Options{}.PoolKey(): pool},
	}
}

// redisPod is a Pod of it, as the controller submits it.
func redisPod(ordinal int) Pod {
	return Pod{
		Namespace: "shop", Name: "redis-" + strconv.Itoa(ordinal),
		Labels: map[string]string{indexLabel: strconv.Itoa(ordinal)},
		Owners: []Owner{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "redis", UID: "a1", Controller: true}},
	}
}

// copyOf returns annotations with more of them set.
func copyOf(have, more map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{have, more} {
		maps.Copy(out, m)
	}
	return out
}
