package cluster

import (
	"context"

	"github.com/kubewright/kubewright/internal/e2e/binaries"
)

func (c *Cluster) prepareControllerManager(bin binaries.Set) error {
	if !c.options.ControllerManager {
		return nil
	}
	listen, err := c.reserve()
	if err != nil {
		return err
	}
	// RBAC knows this user: it may do what starting the controllers takes, and each controller then
	// uses its own service account, whose name is what a webhook sees in a review.
	self, err := c.clientFor(bin, "system:kube-controller-manager", nil)
	if err != nil {
		return err
	}
	args := []string{
		"--kubeconfig=" + self.Kubeconfig,
		"--authentication-kubeconfig=" + self.Kubeconfig,
		"--authentication-skip-lookup", // of an aggregator's CA; there is no aggregator
		"--authorization-kubeconfig=" + self.Kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + listen.String(),
		"--permit-port-sharing", // see port
		"--permit-address-sharing",
		"--tls-cert-file=" + c.files.cert,
		"--tls-private-key-file=" + c.files.key,
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + c.files.serviceAccountKey,
		"--root-ca-file=" + c.files.ca,
		"--cluster-signing-cert-file=" + c.files.ca,
		"--cluster-signing-key-file=" + c.files.caKey,
		"--leader-elect=false",
		// The defaults protect a shared API server; here they would only make tests wait.
		"--kube-api-qps=300",
		"--kube-api-burst=600",
	}
	args = append(args, c.options.ControllerManagerArgs...)
	ready := func(ctx context.Context) error { return c.controllersReady(ctx, "https://"+listen.address()) }
	c.ControllerManager = c.component("kube-controller-manager", bin.ControllerManager, args, ready)
	return nil
}

// controllersReady also waits for a controller to have done something that every Pod needs: the
// controller manager calls itself healthy before its caches are filled.
func (c *Cluster) controllersReady(ctx context.Context, host string) error {
	if err := expectOK(ctx, c.http, host+"/healthz"); err != nil {
		return err
	}
	return c.get(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
}
