package main

import (
	"maps"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/staticip"
)

// occupants are the Pods that have an address, and those that ask for one and have none yet, since they wait for a node
// or for whoever has it. The zero value is empty.
type occupants struct{ has, asks map[netip.Addr]string }

// add notes a Pod. Those that are done have given their addresses back, and those of the host network have that of
// their node.
func (o *occupants) add(namespace string, pod *corev1.Pod, opts staticip.Options) {
	if pod.Spec.HostNetwork || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	if o.has == nil {
		o.has, o.asks = map[netip.Addr]string{}, map[netip.Addr]string{}
	}
	name := namespace + "/" + pod.Name
	for _, ip := range append([]corev1.PodIP{{IP: pod.Status.PodIP}}, pod.Status.PodIPs...) {
		if addr, err := netip.ParseAddr(ip.IP); err == nil && opts.PrimaryNetwork() {
			noteFirst(o.has, addr, name)
		}
	}
	for _, addr := range staticip.Requested(podOf(namespace, pod), opts) {
		noteFirst(o.asks, addr, name)
	}
}

// noteFirst keeps the first name in alphabetical order, so that the order of Pods does not matter.
func noteFirst(m map[netip.Addr]string, addr netip.Addr, name string) {
	if other, taken := m[addr]; !taken || name < other {
		m[addr] = name
	}
}

// inUse is who has each address, or else who asks for it.
func (o *occupants) inUse() map[netip.Addr]string {
	all := maps.Clone(o.asks)
	maps.Copy(all, o.has)
	return all
}
