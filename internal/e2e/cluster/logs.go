package cluster

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// tailLines is what a failed test shows of each component. The whole log stays in the directory.
const tailLines = 40

// reportOnFailure has t print, if it fails, what the components logged while it ran.
func (c *Cluster) reportOnFailure(t testing.TB) {
	from := map[string]int64{}
	for _, component := range c.Components() {
		if info, err := os.Stat(component.LogFile); err == nil {
			from[component.Name] = info.Size()
		}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, component := range c.Components() {
			if end := tail(component.LogFile, from[component.Name], tailLines); end != "" {
				t.Logf("end of %s:\n%s", component.LogFile, end)
			}
		}
	})
}

// tail returns the last n lines that a file has after an offset, without the reconnects of gRPC:
// while etcd is away, the API server logs hundreds a second.
func tail(file string, offset int64, n int) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	data = data[min(offset, int64(len(data))):]
	lines := slices.Collect(strings.Lines(string(data)))
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "] [core] [Channel #") })
	return strings.TrimSuffix(strings.Join(lines[max(0, len(lines)-n):], ""), "\n")
}

// VersionLine returns the line in which the API server logs its version when it starts.
func (c *Cluster) VersionLine() (string, error) {
	data, err := os.ReadFile(c.APIServer.LogFile)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, "] Version: ") {
			return strings.TrimSpace(line), nil
		}
	}
	return "", fmt.Errorf("%s tells no version", c.APIServer.LogFile)
}
