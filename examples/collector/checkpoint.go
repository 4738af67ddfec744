package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubewright/kubewright/eventsink"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// store keeps a checkpoint for the process that comes next.
type store interface {
	load(ctx context.Context) (eventsink.Checkpoint, error)
	// save refuses a checkpoint that may not replace the stored one: its writer has lost the lease.
	save(ctx context.Context, c eventsink.Checkpoint) error
}

// newStore makes the store that -checkpoint describes: none, file:PATH or configmap:NAMESPACE/NAME.
func newStore(text, shard string, client kubernetes.Interface) (store, error) {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "none":
		if rest == "" {
			return noStore{}, nil
		}
	case "file":
		if rest != "" {
			return fileStore(rest), nil
		}
	case "configmap":
		namespace, name, ok := strings.Cut(rest, "/")
		if ok && namespace != "" && name != "" {
			return &configMapStore{client: client, namespace: namespace, name: name, key: checkpointKey(shard)}, nil
		}
	}
	return nil, cli.Usagef("-checkpoint %q: write none, file:PATH or configmap:NAMESPACE/NAME", text)
}

// checkpointKey is the key of a shard in the ConfigMap that all shards may share.
func checkpointKey(shard string) string {
	if shard == "" {
		return "checkpoint"
	}
	return "checkpoint-" + strings.ReplaceAll(shard, "/", "-of-")
}

// noStore forgets: every start lists the Events that there are, and delivers them again.
type noStore struct{}

func (noStore) load(context.Context) (eventsink.Checkpoint, error) {
	return eventsink.Checkpoint{}, nil
}
func (noStore) save(context.Context, eventsink.Checkpoint) error { return nil }

// fileStore is a file that is replaced as a whole.
type fileStore string

func (s fileStore) load(context.Context) (eventsink.Checkpoint, error) {
	text, err := os.ReadFile(string(s))
	if errors.Is(err, os.ErrNotExist) {
		return eventsink.Checkpoint{}, nil
	}
	if err != nil {
		return eventsink.Checkpoint{}, err
	}
	c, err := eventsink.ParseCheckpoint(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", string(s), err)
	}
	return c, err
}

func (s fileStore) save(ctx context.Context, c eventsink.Checkpoint) error {
	stored, err := s.load(ctx)
	if err != nil {
		return err
	}
	if err := c.Supersedes(stored); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(string(s)), filepath.Base(string(s))+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // renamed away when all went well
	_, err = f.Write(append(c.AppendJSON(nil), '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), string(s))
}

// configMapStore is a key of a ConfigMap. The resourceVersion of the ConfigMap makes each write a compare-and-swap.
type configMapStore struct {
	client               kubernetes.Interface
	namespace, name, key string
}

func (s *configMapStore) get(ctx context.Context) (*corev1.ConfigMap, eventsink.Checkpoint, error) {
	m, err := s.client.CoreV1().ConfigMaps(s.namespace).Get(ctx, s.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, eventsink.Checkpoint{}, nil
	}
	if err != nil {
		return nil, eventsink.Checkpoint{}, fmt.Errorf("ConfigMap %s/%s: %w", s.namespace, s.name, err)
	}
	c, err := eventsink.ParseCheckpoint([]byte(m.Data[s.key]))
	if err != nil {
		err = fmt.Errorf("ConfigMap %s/%s, key %s: %w", s.namespace, s.name, s.key, err)
	}
	return m, c, err
}

func (s *configMapStore) load(ctx context.Context) (eventsink.Checkpoint, error) {
	_, c, err := s.get(ctx)
	return c, err
}

func (s *configMapStore) save(ctx context.Context, c eventsink.Checkpoint) error {
	m, stored, err := s.get(ctx)
	if err != nil {
		return err
	}
	if err := c.Supersedes(stored); err != nil {
		return err
	}
	text := string(c.AppendJSON(nil))
	maps := s.client.CoreV1().ConfigMaps(s.namespace)
	if m == nil {
		_, err = maps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: s.name, Namespace: s.namespace, Labels: map[string]string{"app.kubernetes.io/name": "kubewright-collector"}},
			Data:       map[string]string{s.key: text},
		}, metav1.CreateOptions{})
		return err
	}
	if m.Data == nil {
		m.Data = map[string]string{}
	}
	m.Data[s.key] = text
	_, err = maps.Update(ctx, m, metav1.UpdateOptions{})
	return err
}
