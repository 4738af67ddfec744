package cluster

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/kubewright/kubewright/internal/e2e/binaries"
)

// defaultAuditPolicy logs at Request level what carries an object. The API server's own requests to
// itself say nothing about a test.
const defaultAuditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:apiserver"]
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: Request
  verbs: [create, update, patch, delete, deletecollection]
- level: Metadata
`

func (c *Cluster) prepareAPIServer(bin binaries.Set) error {
	listen, err := c.reserve()
	if err != nil {
		return err
	}
	c.apiURL = "https://" + listen.address()

	token := rand.Text()
	tokens, err := c.write("tokens.csv", fmt.Sprintf("%s,kubernetes-admin,1,system:masters\n", token))
	if err != nil {
		return err
	}
	if c.Client, err = c.newClient(bin, "kubernetes-admin", tokenAuth(token)); err != nil {
		return err
	}
	policy, err := c.write("audit-policy.yaml", orDefault(c.options.AuditPolicy, defaultAuditPolicy))
	if err != nil {
		return err
	}
	args := []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + listen.String(),
		"--permit-port-sharing", // see port
		"--permit-address-sharing",
		"--etcd-servers=" + c.EtcdEndpoint,
		"--tls-cert-file=" + c.files.cert,
		"--tls-private-key-file=" + c.files.key,
		"--client-ca-file=" + c.files.ca,
		"--token-auth-file=" + tokens,
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.files.serviceAccountPub,
		"--service-account-signing-key-file=" + c.files.serviceAccountKey,
		"--service-cluster-ip-range=10.96.0.0/16",
		// An Endpoints object may not hold a loopback address, so there is none to keep up.
		"--endpoint-reconciler-type=none",
		"--allow-privileged",
		// Without it, watches of others hold up a stop for a minute.
		"--shutdown-watch-termination-grace-period=5s",
		"--audit-policy-file=" + policy,
		"--audit-log-path=" + c.AuditLog,
		"--audit-log-mode=blocking", // what a test did is in the log soon after it was answered
	}
	encryption, err := c.encryptionArgs()
	if err != nil {
		return err
	}
	args = append(append(args, encryption...), c.options.APIServerArgs...)
	c.APIServer = c.component("kube-apiserver", bin.APIServer, args, c.apiServerReady)
	return nil
}

func (c *Cluster) encryptionArgs() ([]string, error) {
	if c.options.EncryptionConfig == "" {
		return nil, nil
	}
	file, err := c.write("encryption.yaml", c.options.EncryptionConfig)
	c.EncryptionConfigFile = file
	return []string{"--encryption-provider-config=" + file}, err
}

// apiServerReady also waits for the default namespace, which the API server makes only after it has
// called itself ready.
func (c *Cluster) apiServerReady(ctx context.Context) error {
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default"} {
		if err := c.get(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
