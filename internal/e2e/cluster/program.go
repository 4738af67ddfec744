package cluster

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// Program runs a program beside the control plane, such as a webhook that the API server calls, and
// returns once ready does so without an error. It ends with the test, or before if the test stops
// it. Its log is kept with the others under the name, which should be unique; if the test fails, the
// end of it is shown.
func (c *Cluster) Program(t testing.TB, name, path string, args []string, ready func(context.Context, *Component) error) *Component {
	t.Helper()
	program := c.component(name, path, args, nil)
	program.ready = func(ctx context.Context) error { return ready(ctx, program) }
	t.Cleanup(func() {
		if err := program.Stop(); err != nil {
			t.Errorf("%v", err)
		}
		if t.Failed() {
			t.Logf("end of %s:\n%s", program.LogFile, tail(program.LogFile, 0, tailLines))
		}
	})
	require.NoError(t, program.Start(t.Context()))
	return program
}
