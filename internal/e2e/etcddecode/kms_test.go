package etcddecode

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	kmsv1 "k8s.io/kms/apis/v1beta1"
	kmsv2 "k8s.io/kms/apis/v2"
)

// plugin is a KMS whose cipher turns each byte over: what is tested is the API server's use of it, not its strength.
type plugin struct {
	kmsv1.UnimplementedKeyManagementServiceServer
}

type pluginV2 struct {
	kmsv2.UnimplementedKeyManagementServiceServer
}

// startPlugin serves both versions of the KMS API on a unix socket and returns its endpoint.
func startPlugin(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "kms.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := grpc.NewServer()
	kmsv1.RegisterKeyManagementServiceServer(server, plugin{})
	kmsv2.RegisterKeyManagementServiceServer(server, pluginV2{})
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return "unix://" + socket
}

func turn(b []byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] ^= 0x5a
	}
	return out
}

//nolint:staticcheck // version 1 is what old clusters have
func (plugin) Version(context.Context, *kmsv1.VersionRequest) (*kmsv1.VersionResponse, error) {
	return &kmsv1.VersionResponse{Version: "v1beta1", RuntimeName: "turn", RuntimeVersion: "1"}, nil
}

//nolint:staticcheck // version 1 is what old clusters have
func (plugin) Encrypt(_ context.Context, r *kmsv1.EncryptRequest) (*kmsv1.EncryptResponse, error) {
	return &kmsv1.EncryptResponse{Cipher: turn(r.Plain)}, nil
}

//nolint:staticcheck // version 1 is what old clusters have
func (plugin) Decrypt(_ context.Context, r *kmsv1.DecryptRequest) (*kmsv1.DecryptResponse, error) {
	return &kmsv1.DecryptResponse{Plain: turn(r.Cipher)}, nil
}

func (pluginV2) Status(context.Context, *kmsv2.StatusRequest) (*kmsv2.StatusResponse, error) {
	return &kmsv2.StatusResponse{Version: "v2", Healthz: "ok", KeyId: "turn-1"}, nil
}

func (pluginV2) Encrypt(_ context.Context, r *kmsv2.EncryptRequest) (*kmsv2.EncryptResponse, error) {
	return &kmsv2.EncryptResponse{Ciphertext: turn(r.Plaintext), KeyId: "turn-1", Annotations: map[string][]byte{"how.example.com": []byte("xor")}}, nil
}

func (pluginV2) Decrypt(_ context.Context, r *kmsv2.DecryptRequest) (*kmsv2.DecryptResponse, error) {
	if r.KeyId != "turn-1" || string(r.Annotations["how.example.com"]) != "xor" {
		return nil, errors.New("not what was encrypted")
	}
	return &kmsv2.DecryptResponse{Plaintext: turn(r.Ciphertext)}, nil
}
