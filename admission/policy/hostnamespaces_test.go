package policy

import "testing"

func TestHostNamespaces(t *testing.T) {
	const all = `{hostNetwork: true, hostPID: true, hostIPC: true}`
	const (
		network = "spec.hostNetwork: hostNetwork true shares the node's network: remove it and use a Service"
		pid     = "spec.hostPID: hostPID true shows all processes of the node: remove it, or use shareProcessNamespace"
		ipc     = "spec.hostIPC: hostIPC true shares the node's memory segments: remove it, or use an emptyDir with medium Memory"
	)
	runCases(t, []specCase{
		{"none", HostNamespaces{}, `{hostNetwork: false}`, nil},
		{"all", HostNamespaces{}, all, []string{network, pid, ipc}},
		{"network allowed", HostNamespaces{AllowHostNetwork: true}, all, []string{pid, ipc}},
		{"pid allowed", HostNamespaces{AllowHostPID: true}, all, []string{network, ipc}},
		{"ipc allowed", HostNamespaces{AllowHostIPC: true}, all, []string{network, pid}},
	})
}

func TestHostNamespacesFields(t *testing.T) {
	requireFields(t, HostNamespaces{}, `{hostNetwork: true, hostPID: true, hostIPC: true}`, "hostNetwork", "hostPID", "hostIPC")
}
