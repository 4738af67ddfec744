package ipwhitelist

import (
	"encoding/hex"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// Another implementation of the profile, in a shell with openssl, signs with the clock that libfaketime gives it: within
// the skew it is admitted, beyond it is not.
func TestAnotherSignerWithAnotherClock(t *testing.T) {
	faketime := components.Program(t, "faketime", "faketime")
	curl, openssl := components.Program(t, "curl", "curl"), components.Program(t, "openssl", "openssl")
	s := newSetup(t, ipwhitelist.ModeSignature)
	provider := s.serve()
	_, secret, err := httpsig.DecodeText(httpsig.KeyPrefix, s.keys[0])
	require.NoError(t, err)
	script, err := filepath.Abs("testdata/sign.sh")
	require.NoError(t, err)
	for _, c := range []struct{ offset, status string }{
		{"+0s", "201"}, {"+25s", "201"}, {"-25s", "201"}, {"-80s", "201"}, {"+40s", "401"}, {"-100s", "401"}, {"+300s", "401"}, {"-1d", "401"},
	} {
		// Go reads the clock without libc, so that faketime would not change it: hence a signer that is not ours.
		cmd := exec.Command(faketime, "-f", c.offset, "/bin/sh", script)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "CURL=" + curl, "OPENSSL=" + openssl, "KEYID=billing.1", "SECRET=" + hex.EncodeToString(secret[:]), "ADDR=" + provider.api, "AUTHORITY=" + authority}
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, c.status, strings.TrimSpace(string(out)), "%s\n%s", c.offset, tail(provider.log()))
	}
	require.Equal(t, 4, provider.reasons()["time"])
}
