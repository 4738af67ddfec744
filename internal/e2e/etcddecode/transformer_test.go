package etcddecode

import (
	"crypto/aes"
	"crypto/rand"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
	"k8s.io/apiserver/pkg/storage/value/encrypt/secretbox"

	"github.com/kubewright/kubewright/etcddecode"
)

// TestLawTransformers compares with the API server's own: what either seals, the other opens.
func TestLawTransformers(t *testing.T) {
	key := []byte("thirty-two byte key for the test")
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	gcm, err := aestransformer.NewGCMTransformer(block)
	require.NoError(t, err)
	for provider, theirs := range map[string]value.Transformer{
		"aescbc": aestransformer.NewCBCTransformer(block), "aesgcm": gcm, "secretbox": secretbox.NewSecretboxTransformer([32]byte(key)),
	} {
		t.Run(provider, func(t *testing.T) {
			ring, err := etcddecode.ParseKeyring([]byte(`{"kind":"EncryptionConfiguration","resources":[{"resources":["*.*"],"providers":[{"`+provider+
				`":{"keys":[{"name":"k","secret":"`+base64.StdEncoding.EncodeToString(key)+`"}]}}]}]}`), nil)
			require.NoError(t, err)
			prefix := "k8s:enc:" + provider + ":v1:k:"
			path := value.DefaultContext("/registry/secrets/a/b")
			for size := range 70 {
				plain := append([]byte("{}"), make([]byte, size)...)
				sealed, err := ring.Seal(t.Context(), rand.Reader, "secrets", string(path), plain)
				require.NoError(t, err)
				opened, _, err := theirs.TransformFromStorage(t.Context(), sealed[len(prefix):], path)
				require.NoError(t, err)
				require.Equal(t, plain, opened)
				body, err := theirs.TransformToStorage(t.Context(), plain, path)
				require.NoError(t, err)
				ours, err := ring.Open(t.Context(), string(path), append([]byte(prefix), body...))
				require.NoError(t, err)
				require.Equal(t, plain, ours.Plaintext)
			}
		})
	}
}
