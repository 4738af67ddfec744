package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	kmsv1 "k8s.io/kms/apis/v1beta1"
	kmsv2 "k8s.io/kms/apis/v2"

	"github.com/kubewright/kubewright/etcddecode"
)

// kmsTimeout is how long a plugin may take for one key.
const kmsTimeout = 10 * time.Second

// dialKMS makes the client for a plugin. It connects when it is first asked.
func dialKMS(p etcddecode.KMSPlugin) (etcddecode.KMS, error) {
	if !strings.HasPrefix(p.Endpoint, "unix:") {
		return nil, fmt.Errorf("endpoint %q: only unix sockets, such as unix:///var/run/kms.sock", p.Endpoint)
	}
	conn, err := grpc.NewClient(p.Endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	if p.APIVersion == "v1" {
		return pluginV1{kmsv1.NewKeyManagementServiceClient(conn)}, nil
	}
	return pluginV2{kmsv2.NewKeyManagementServiceClient(conn)}, nil
}

type pluginV1 struct {
	client kmsv1.KeyManagementServiceClient
}

func (p pluginV1) Decrypt(ctx context.Context, sealed etcddecode.Sealed) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	got, err := p.client.Decrypt(ctx, &kmsv1.DecryptRequest{Version: "v1beta1", Cipher: sealed.Ciphertext}) //nolint:staticcheck // old clusters have it
	if err != nil {
		return nil, err
	}
	return got.Plain, nil //nolint:staticcheck // old clusters have it
}

func (p pluginV1) Encrypt(ctx context.Context, plaintext []byte) (etcddecode.Sealed, error) {
	ctx, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	got, err := p.client.Encrypt(ctx, &kmsv1.EncryptRequest{Version: "v1beta1", Plain: plaintext}) //nolint:staticcheck // old clusters have it
	if err != nil {
		return etcddecode.Sealed{}, err
	}
	return etcddecode.Sealed{Ciphertext: got.Cipher}, nil //nolint:staticcheck // old clusters have it
}

type pluginV2 struct {
	client kmsv2.KeyManagementServiceClient
}

func (p pluginV2) Decrypt(ctx context.Context, sealed etcddecode.Sealed) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	got, err := p.client.Decrypt(ctx, &kmsv2.DecryptRequest{
		Ciphertext: sealed.Ciphertext, Uid: "etcddecode", KeyId: sealed.KeyID, Annotations: sealed.Annotations,
	})
	if err != nil {
		return nil, err
	}
	return got.Plaintext, nil
}

func (p pluginV2) Encrypt(ctx context.Context, plaintext []byte) (etcddecode.Sealed, error) {
	ctx, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	got, err := p.client.Encrypt(ctx, &kmsv2.EncryptRequest{Plaintext: plaintext, Uid: "etcddecode"})
	if err != nil {
		return etcddecode.Sealed{}, err
	}
	return etcddecode.Sealed{Ciphertext: got.Ciphertext, KeyID: got.KeyId, Annotations: got.Annotations}, nil
}
