package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kubectlTimeout is there so that a kubectl that hangs is named by the test that called it.
const kubectlTimeout = 2 * time.Minute

// WithStdin returns a client whose kubectl reads stdin, as for "apply -f -".
func (c *Client) WithStdin(stdin string) *Client {
	with := *c
	with.stdin = stdin
	return &with
}

// Kubectl runs kubectl. The error, if there is one, holds the command and what it complained about.
func (c *Client) Kubectl(t testing.TB, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	// t.Context ends before the cleanups run, and they use kubectl too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), kubectlTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.kubectl, args...)
	cmd.Env = []string{"KUBECONFIG=" + c.Kubeconfig, "HOME=" + c.home, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(c.stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), errs.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String(), nil
}

// MustKubectl runs kubectl, fails the test if kubectl fails, and returns what it printed.
func (c *Client) MustKubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, _, err := c.Kubectl(t, args...)
	require.NoError(t, err)
	return out
}

// Apply creates or updates the objects of some YAML documents.
func (c *Client) Apply(t testing.TB, yaml string) {
	t.Helper()
	c.WithStdin(yaml).MustKubectl(t, "apply", "-f", "-")
}
