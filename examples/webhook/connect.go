package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"time"

	arclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubewright/kubewright/admission"
)

// addInstaller connects to the cluster.
func (s *service) addInstaller(m admission.Manifests) error {
	restConfig, err := s.options.restConfig()
	if err != nil {
		return fmt.Errorf("-install: %w", err)
	}
	client, err := arclient.NewForConfig(restConfig)
	if err != nil {
		return fmt.Errorf("-install: %w", err)
	}
	s.setInstaller(m, client)
	return nil
}

func (s *service) setInstaller(m admission.Manifests, client arclient.AdmissionregistrationV1Interface) {
	s.installer = &installer{
		client:    client,
		name:      s.config.Name,
		manifests: m,
		trust:     newTrust(s.pairs.bundle, s.made, time.Now),
		reachable: func(ctx context.Context) error { return frontDoor(ctx, s.options.target.base(), s.pairs.bundle()) },
		failed:    s.metrics.installFailures.Inc,
		log:       s.log,
	}
	s.pairs.trusted = s.installer.trust.has
}

func (o *serveOptions) restConfig() (*rest.Config, error) {
	if o.kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: o.context},
	).ClientConfig()
}

// frontDoor asks the webhook whether it is ready in the way in which API servers will call it: by name, through the
// Service, with the CA bundle.
func frontDoor(ctx context.Context, base string, roots bundle) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(roots) > 0 {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(roots.pem())
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("nothing is installed while the webhook can't be reached as API servers will: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("nothing is installed while %s/readyz answers %s: %.200s", base, resp.Status, text)
	}
	return nil
}
