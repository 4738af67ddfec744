package cli_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// logOf returns what a program with these arguments logs.
func logOf(t *testing.T, args ...string) (string, error) {
	t.Helper()
	flags := cli.NewFlags("program", "serve", cli.Streams{}, "")
	logs := flags.Log()
	if err := flags.ParseOnly(args); err != nil {
		return "", err
	}
	var out bytes.Buffer
	log := logs.New(&out)
	log.Info("serving", "address", "here")
	log.Debug("detail")
	return out.String(), nil
}

func TestLog(t *testing.T) {
	text, err := logOf(t)
	require.NoError(t, err)
	require.Regexp(t, `^time=\S+ level=INFO msg=serving address=here\n$`, text)

	text, err = logOf(t, "-log-format=json", "-log-level=debug")
	require.NoError(t, err)
	require.Regexp(t, `(?s)^{"time":"\S+","level":"INFO","msg":"serving","address":"here"}\n{.*"msg":"detail"}\n$`, text)

	_, err = logOf(t, "-log-format=xml")
	require.EqualError(t, err, `invalid value "xml" for flag -log-format: write text or json (program serve -h lists the flags)`)
	_, err = logOf(t, "-log-level=loud")
	require.ErrorContains(t, err, `invalid value "loud" for flag -log-level`)
}
