package admissiontest

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
)

func TestServer(t *testing.T) {
	h := newHandler(t)
	var url string
	t.Run("serves", func(t *testing.T) {
		s := Server(t, h.Routes())
		url = s.URL
		req, err := Case{Object: podYAML}.request(kindsOf(h))
		require.NoError(t, err)
		resp, err := s.Client.Post(s.URL+"/mutate", "application/json", bytes.NewReader(envelope(versionV1, req)))
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, 1, resp.ProtoMajor)
		var review admissionv1.AdmissionReview
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&review))
		require.NotEmpty(t, review.Response.Patch)

		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(s.CABundle))
		block, _ := pem.Decode(s.CABundle)
		ca, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		require.True(t, ca.IsCA)
		_, err = resp.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost"})
		require.NoError(t, err)
		require.NotEqual(t, ca.Raw, resp.TLS.PeerCertificates[0].Raw)
	})
	_, err := http.Get(url) //nolint:noctx,bodyclose // nothing listens there any more
	require.Error(t, err)
}

func TestServersDoNotTrustEachOther(t *testing.T) {
	one, other := Server(t, http.NotFoundHandler()), Server(t, http.NotFoundHandler())
	resp, err := one.Client.Get(other.URL)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	require.ErrorContains(t, err, "certificate")
}
