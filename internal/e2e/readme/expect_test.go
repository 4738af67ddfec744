package readme

// expectation is for commands that do something else than end with exit status 0.
type expectation struct {
	prefix string // of the command, in any file
	exit   int    // its exit status
	serves string // it goes on until it gets SIGTERM, and this is in what it prints before
	skip   string // it is not run here, for this reason
}

// expectations are tried in order. One that fits no command is a mistake.
var expectations = []expectation{
	{prefix: "go test ./...", skip: "CI's first step"},
	{prefix: "docker build", skip: "there is no container engine; the e2e test of the manifests builds the same binary"},
	{prefix: "go run ./examples/webhook -h"},
	{prefix: "go run ./examples/webhook -print-config"},
	{prefix: "go run ./examples/webhook -config", serves: "curl"},
	{prefix: "go run ./examples/webhook -url", skip: "the address is an example; internal/e2e installs the webhook by -url"},
	{prefix: "go run ./examples/webhook review -f examples/webhook/testdata/pod-hostport.yaml", exit: 1},
	{prefix: "bin/webhook review -f examples/webhook/testdata/pod-hostport.yaml", exit: 1},
	{prefix: "bin/webhook plan -f examples/webhook/testdata/plan/conflict.yaml", exit: 1},
	{prefix: "go run ./examples/webhook certs"},
	{prefix: "go run ./examples/webhook plan"},
	{prefix: "go run ./examples/webhook", serves: "curl"},
}
