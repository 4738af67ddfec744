package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

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

// Server is a [Component] that says where it serves.
type Server struct {
	*Component
	Address string // of the present run
	Metrics string // the same, of a server that has a second port for them
}

// Server runs a program that logs JSON and says "serving" with its address once it serves, as the examples do. See
// [Cluster.Program].
func (c *Cluster) Server(t testing.TB, name, path string, args []string) *Server {
	t.Helper()
	s, starts := &Server{}, 0
	s.Component = c.Program(t, name, path, args, func(_ context.Context, program *Component) error {
		serving := program.Logged("serving") // once for each start
		if len(serving) == starts {
			return errors.New("it does not say that it serves")
		}
		starts = len(serving)
		s.Address, _ = serving[starts-1]["address"].(string)
		s.Metrics, _ = serving[starts-1]["metrics"].(string)
		return nil
	})
	return s
}

// Page returns what the server answers to a GET of a path of its metrics' port, unless that is not 200.
func (s *Server) Page(path string) (string, error) {
	host := orDefault(s.Metrics, s.Address)
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + host + path)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", path, response.StatusCode, text)
	}
	return string(text), err
}

// Logged returns the lines with a message that the component, which logs JSON, has logged in all its runs.
func (c *Component) Logged(message string) []map[string]any {
	data, err := os.ReadFile(c.LogFile)
	if err != nil {
		return nil // it has not started
	}
	var found []map[string]any
	for text := range bytes.Lines(data) {
		var line map[string]any
		if json.Unmarshal(text, &line) == nil && line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}
