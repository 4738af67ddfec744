package e2e

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The elements that changes put into lists.

func newContainer(r *rand.Rand) corev1.Container {
	c := corev1.Container{Name: name(r), Image: "registry.example/" + name(r) + ":1"}
	for range r.IntN(3) {
		c.Env = append(c.Env, newEnv(r))
	}
	for range r.IntN(2) {
		c.VolumeMounts = append(c.VolumeMounts, newMount(r))
	}
	if r.IntN(2) == 0 {
		c.Resources.Requests = changeResources(r, nil)
	}
	return c
}

func newEphemeralContainer(r *rand.Rand) corev1.EphemeralContainer {
	return corev1.EphemeralContainer{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon(newContainer(r)),
		TargetContainerName:      pick(r, "", "app"),
	}
}

func newEnv(r *rand.Rand) corev1.EnvVar {
	e := corev1.EnvVar{Name: name(r)}
	switch r.IntN(4) {
	case 0:
		e.ValueFrom = &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}
	case 1:
		e.ValueFrom = &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: oddText(r), Optional: maybe(r, true, false)}}
	case 2:
		e.ValueFrom = &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{
			Resource: "limits.cpu", Divisor: resource.MustParse(pick(r, "0", "1m", "1000m")),
		}}
	default:
		e.Value = oddText(r)
	}
	return e
}

// newPort repeats numbers: the merge key of ports is their number, and one number may stand there for TCP and UDP.
func newPort(r *rand.Rand) corev1.ContainerPort {
	return corev1.ContainerPort{
		ContainerPort: 80 + r.Int32N(3),
		Protocol:      pick(r, "", corev1.ProtocolTCP, corev1.ProtocolUDP),
		HostPort:      pick[int32](r, 0, 0, 8080),
	}
}

func newMount(r *rand.Rand) corev1.VolumeMount {
	return corev1.VolumeMount{Name: name(r), MountPath: "/" + name(r), ReadOnly: r.IntN(2) == 0}
}

func newVolume(r *rand.Rand) corev1.Volume {
	v := corev1.Volume{Name: name(r)}
	switch r.IntN(5) {
	case 0:
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
		if r.IntN(2) == 0 {
			v.EmptyDir.SizeLimit = resource.NewQuantity(1<<30, resource.BinarySI)
		}
	case 1:
		v.ConfigMap = &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: name(r)}, // inlined in JSON
			Items: changeList(r, nil, func(r *rand.Rand) corev1.KeyToPath {
				return corev1.KeyToPath{Key: oddText(r), Mode: maybe[int32](r, 0, 0o600)}
			}),
		}
	case 2:
		v.HostPath = &corev1.HostPathVolumeSource{Path: "/var/log", Type: maybe(r, corev1.HostPathUnset, corev1.HostPathDirectory)}
	case 3:
		v.CSI = &corev1.CSIVolumeSource{Driver: name(r), VolumeAttributes: changeMap(r, nil)}
	default:
		v.Projected = &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: maybe[int64](r, 0, 3607)}},
			{DownwardAPI: &corev1.DownwardAPIProjection{}},
		}}
	}
	return v
}

func newToleration(r *rand.Rand) corev1.Toleration {
	return corev1.Toleration{
		Key: oddText(r), Operator: pick(r, "", corev1.TolerationOpExists), TolerationSeconds: maybe[int64](r, 0, 300),
	}
}

func newSpread(r *rand.Rand) corev1.TopologySpreadConstraint {
	return corev1.TopologySpreadConstraint{
		MaxSkew:           1 + r.Int32N(2),
		TopologyKey:       "example.com/" + fmt.Sprint(r.IntN(4)),
		WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector:     maybe(r, metav1.LabelSelector{}, metav1.LabelSelector{MatchLabels: changeMap(r, nil)}),
		MinDomains:        maybe[int32](r, 1),
	}
}

func newProbe(r *rand.Rand) *corev1.Probe {
	p := &corev1.Probe{PeriodSeconds: r.Int32N(3), TerminationGracePeriodSeconds: maybe[int64](r, 0, 5)}
	switch r.IntN(4) {
	case 0:
		return nil
	case 1:
		p.Exec = &corev1.ExecAction{Command: changeList(r, nil, oddText)}
	case 2:
		p.GRPC = &corev1.GRPCAction{Port: 1, Service: maybe(r, "", "health")}
	default:
		p.HTTPGet = &corev1.HTTPGetAction{
			Port:        pick(r, intstr.FromInt32(80), intstr.FromString("http"), intstr.FromString("80")),
			HTTPHeaders: changeList(r, nil, func(r *rand.Rand) corev1.HTTPHeader { return corev1.HTTPHeader{Name: oddText(r)} }),
		}
	}
	return p
}
