package bench

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	bolt "go.etcd.io/bbolt"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

// storedPod is the value that an API server would have stored for one of the Pods of a large cluster, about 5 KB.
func storedPod(r *rand.Rand, i int) (key, value []byte, err error) {
	pod := newPod(r, i)
	serializer := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme)
	var out writer
	if err := serializer.Encode(pod, &out); err != nil {
		return nil, nil, err
	}
	return []byte("/registry/pods/" + pod.Namespace + "/" + pod.Name), out, nil
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func newPod(r *rand.Rand, i int) *corev1.Pod {
	now := metav1.NewTime(time.Unix(1_700_000_000+int64(i), 0))
	app := fmt.Sprintf("service-%d", i%400)
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%08x-%05d", app, r.Uint32(), i), Namespace: fmt.Sprintf("team-%d", i%40), GenerateName: app + "-",
			UID: types.UID(fmt.Sprintf("%08x-%04x-4%03x-9%03x-%012x", r.Uint32(), r.Uint32()&0xffff, i&0xfff, i&0xfff, r.Uint64()&0xffffffffffff)), CreationTimestamp: now,
			Labels:          map[string]string{"app": app, "pod-template-hash": fmt.Sprintf("%08x", r.Uint32()), "app.kubernetes.io/version": "1.4.2", "tier": "backend"},
			Annotations:     map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "example.com/description": "Answers requests of the checkout: see the runbook, section 3, before you restart it, since the caches take twenty minutes to fill"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app, UID: "6ad3a1a4-3f9a-4a4e-9b3e-2f1d3c5b7a90", Controller: new(bool)}},
		},
		Spec: corev1.PodSpec{
			NodeName: fmt.Sprintf("node-%03d", i%500), ServiceAccountName: app, DNSPolicy: corev1.DNSClusterFirst, RestartPolicy: corev1.RestartPolicyAlways,
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: app}}}},
				{Name: "cache", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
			Tolerations: []corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, HostIP: "10.1.2.3", PodIP: fmt.Sprintf("10.244.%d.%d", i/250%250, i%250), StartTime: &now, QOSClass: corev1.PodQOSBurstable},
	}
	for _, name := range []string{"app", "proxy"} {
		pod.Spec.Containers = append(pod.Spec.Containers, container(r, name, app))
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: name, Ready: true, Image: "registry.example.com/" + app + ":1.4.2", ImageID: fmt.Sprintf("registry.example.com/%s@sha256:%016x%016x%016x%016x", app, r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()),
			ContainerID: fmt.Sprintf("containerd://%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		})
	}
	for _, c := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	pod.ManagedFields = []metav1.ManagedFieldsEntry{managed("kube-controller-manager", pod.Spec, now), managed("kubelet", pod.Status, now)}
	return pod
}

func container(r *rand.Rand, name, app string) corev1.Container {
	c := corev1.Container{
		Name: name, Image: "registry.example.com/" + app + ":1.4.2", Args: []string{"--listen=:8080", "--log-format=json", "--upstream=http://" + app + ".svc.cluster.local:80/"},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("512Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
		},
		VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/etc/app", ReadOnly: true}, {Name: "cache", MountPath: "/var/cache"}},
		ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP}}, PeriodSeconds: 10, FailureThreshold: 3},
	}
	for v := range 10 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", v), Value: fmt.Sprintf("value-%d-%x", v, r.Uint32())})
	}
	return c
}

// managed owns every field of v, as a controller that applies all of it does.
func managed(manager string, v any, now metav1.Time) metav1.ManagedFieldsEntry {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var fields any
	if err := json.Unmarshal(text, &fields); err != nil {
		panic(err)
	}
	raw, err := json.Marshal(owned(fields))
	if err != nil {
		panic(err)
	}
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &now, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(string(raw))}
}

func owned(v any) map[string]any {
	out := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			out["f:"+k] = owned(inner)
		}
	case []any:
		for _, inner := range v {
			if m, ok := inner.(map[string]any); ok {
				out[fmt.Sprintf(`k:{"name":%q}`, m["name"])] = owned(inner)
			}
		}
	}
	return out
}

// writeDatabase makes a database as etcd has it after n Pods were created: bucket key, with a revision for each.
func writeDatabase(file string, n int) error {
	db, err := bolt.Open(file, 0o600, &bolt.Options{NoSync: true, PageSize: 4096})
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, 2))
	for from := 0; from < n; from += 1000 {
		err := db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("key"))
			if err != nil {
				return err
			}
			if _, err := tx.CreateBucketIfNotExists([]byte("meta")); err != nil {
				return err
			}
			bucket.FillPercent = 0.9
			for i := from; i < min(from+1000, n); i++ {
				if err := putPod(bucket, r, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return db.Close()
}

// putPod stores a revision: mvccpb.KeyValue with key, create_revision, mod_revision, version and value.
func putPod(bucket *bolt.Bucket, r *rand.Rand, i int) error {
	key, value, err := storedPod(r, i)
	if err != nil {
		return err
	}
	rev := uint64(i + 2)
	name := binary.BigEndian.AppendUint64(nil, rev)
	name = append(name, '_')
	name = binary.BigEndian.AppendUint64(name, 0)
	kv := binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(key)))
	kv = append(kv, key...)
	kv = binary.AppendUvarint(append(kv, 2<<3), rev)
	kv = binary.AppendUvarint(append(kv, 3<<3), rev)
	kv = append(kv, 4<<3, 1, 5<<3|2)
	kv = binary.AppendUvarint(kv, uint64(len(value)))
	return bucket.Put(name, append(kv, value...))
}
