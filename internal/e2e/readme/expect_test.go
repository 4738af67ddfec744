package readme

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// expectation is for commands that do something else than end with exit status 0.
type expectation struct {
	prefix string // of the command, in any file
	exit   int    // its exit status
	serves string // it goes on until it gets SIGTERM, and this is in what it prints before
	stays  bool   // it is needed by the commands after it, so it is stopped at the end of the file
	skip   string // it is not run here, for this reason

	after func(t *testing.T, tree, output string) // what the text tells the reader to do then
}

// expectations are tried in order. One that fits no command is a mistake.
var expectations = []expectation{
	{prefix: "go test ./...", skip: "CI's first step"},
	{prefix: "docker build", skip: "there is no container engine; e2e tests build and run the same binaries"},

	{prefix: "go run ./examples/webhook -h"},
	{prefix: "go run ./examples/webhook -print-config"},
	{prefix: "go run ./examples/webhook -config", serves: "curl"},
	{prefix: "go run ./examples/webhook -url", skip: "the address is an example; internal/e2e installs the webhook by -url"},
	{prefix: "go run ./examples/webhook review -f examples/webhook/testdata/pod-hostport.yaml", exit: 1},
	{prefix: "bin/webhook review -f examples/webhook/testdata/pod-hostport.yaml", exit: 1},
	{prefix: "bin/webhook plan -f examples/webhook/testdata/plan/conflict.yaml", exit: 1},
	{prefix: "go run ./examples/webhook certs"},
	{prefix: "go run ./examples/webhook plan"},
	{prefix: "go run ./examples/webhook review"},
	{prefix: "go run ./examples/webhook", serves: "curl"},

	{prefix: "go run ./examples/collector -kubeconfig ~/.kube/config -cluster", skip: "needs a search engine; internal/e2e/eventsink has one"},
	{prefix: "go run ./examples/collector -kubeconfig", serves: "serving"},
	{prefix: "go run ./examples/collector -from", serves: `"kubernetes":{"event":`},
	{prefix: "kubectl get events -A -o json", skip: "needs a search engine; internal/e2e/eventsink has one"},
	{prefix: "kubectl -n kubewright-collector create secret", skip: "FILE stands for a file of the reader's"},

	{prefix: "go run ./examples/etcddecode list -l -f examples/etcddecode/testdata/shop.db.gz", exit: 1}, // go run's; a Secret is encrypted

	{prefix: "go run ./examples/nodeagent explain 3f2a91c0", exit: 1}, // no such container here
	{prefix: "go run ./examples/nodeagent serve", serves: "serving"},
	{prefix: "go run ./examples/nodeagent reap -apply", skip: "ends processes; internal/e2e/cgroupview does that to its own"},

	{prefix: "bin/signedapi keygen", after: writeCallers},
	{prefix: "bin/signedapi serve", serves: "serving", stays: true},
	{prefix: "bin/signedapi readiness", exit: 1},
}

// writeCallers writes the callers.json of examples/signedapi/README.md, with the entry that keygen prints.
func writeCallers(t *testing.T, tree, entry string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, "examples", "signedapi", "README.md"))
	require.NoError(t, err)
	_, callers, _ := strings.Cut(string(text), "\n    {\"version\": 1,")
	callers, _, _ = strings.Cut(callers, "\n\n")
	callers = strings.Replace("{\"version\": 1,"+callers, "HERE", entry, 1)
	require.NoError(t, os.WriteFile(filepath.Join(tree, "callers.json"), []byte(callers), 0o600))
}
