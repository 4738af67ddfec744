package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubewright/kubewright/internal/e2e/binaries"
)

// Client acts on a cluster as one user. It is safe for concurrent use.
type Client struct {
	User       string
	Kubeconfig string // a file, with the CA in it

	kubectl string
	home    string // kubectl's cache and configuration
	stdin   string
	host    string
	http    *http.Client
}

// RESTConfig is for a test that needs a client-go client: a watch, an informer, many requests.
// For the rest, kubectl shows better what goes in and out.
func (c *Client) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the client's own rate limit would only make tests wait
	return config, nil
}

// KubectlPath is the kubectl of the cluster's version.
func (c *Client) KubectlPath() string { return c.kubectl }

// As returns a client for another user, known by a client certificate. The name and the groups mean
// what RBAC says about them: nothing, unless they are built in or a test binds a role to them.
func (c *Cluster) As(t testing.TB, user string, groups ...string) *Client {
	t.Helper()
	client, err := c.clientFor(binaries.Set{Kubectl: c.kubectl}, user, groups)
	require.NoError(t, err)
	return client
}

// WithToken returns a client that presents a bearer token, such as a service account's.
func (c *Cluster) WithToken(t testing.TB, user, token string) *Client {
	t.Helper()
	client, err := c.newClient(binaries.Set{Kubectl: c.kubectl}, user, tokenAuth(token))
	require.NoError(t, err)
	return client
}

// ServiceAccountToken has the API server issue a token for a service account that exists.
func (c *Cluster) ServiceAccountToken(t testing.TB, namespace, name string) string {
	t.Helper()
	return strings.TrimSpace(c.MustKubectl(t, "create", "token", name, "--namespace", namespace))
}

func (c *Cluster) clientFor(bin binaries.Set, user string, groups []string) (*Client, error) {
	signed, err := c.ca.client(user, groups)
	if err != nil {
		return nil, err
	}
	auth := &clientcmdapi.AuthInfo{ClientCertificateData: signed.cert, ClientKeyData: signed.key}
	return c.newClient(bin, user, auth)
}

func tokenAuth(token string) *clientcmdapi.AuthInfo { return &clientcmdapi.AuthInfo{Token: token} }

// newClient writes a kubeconfig file and makes the client that uses it.
func (c *Cluster) newClient(bin binaries.Set, user string, auth *clientcmdapi.AuthInfo) (*Client, error) {
	file, err := c.writeKubeconfig(user, auth)
	if err != nil {
		return nil, err
	}
	client := &Client{
		User:       user,
		Kubeconfig: file,
		kubectl:    bin.Kubectl,
		home:       filepath.Join(c.Dir, "home"),
		host:       c.apiURL,
	}
	config, err := client.RESTConfig()
	if err != nil {
		return nil, err
	}
	client.http, err = rest.HTTPClientFor(config)
	return client, err
}

// writeKubeconfig gives every client a file of its own: the same user may come back in other groups.
func (c *Cluster) writeKubeconfig(user string, auth *clientcmdapi.AuthInfo) (string, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters["e2e"] = &clientcmdapi.Cluster{Server: c.apiURL, CertificateAuthorityData: c.ca.pem}
	config.AuthInfos[user] = auth
	config.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e", AuthInfo: user}
	config.CurrentContext = "e2e"
	data, err := clientcmd.Write(*config)
	if err != nil {
		return "", err
	}
	name := strings.ReplaceAll(user, ":", "-")
	f, err := os.CreateTemp(filepath.Join(c.Dir, "kubeconfig"), name+"-*.yaml")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	return f.Name(), errors.Join(err, f.Close())
}

// get asks the API server for a path and drops the answer.
func (c *Client) get(ctx context.Context, path string) error {
	return expectOK(ctx, c.http, c.host+path)
}

// expectOK is an error, with the answer in it, unless the answer is 200.
func expectOK(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return nil
}
