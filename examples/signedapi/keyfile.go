package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// keyFile is the caller's side of a rotation: a file with one key, read again at most once a second, of which the last
// good one is kept. In a Pod it is the entry "active" of the mounted Secret.
type keyFile struct {
	path string

	mu      sync.Mutex
	checked time.Time
	text    []byte
	key     *httpsig.Key
}

func openKey(path string) (*keyFile, error) {
	k := &keyFile{path: path}
	if path == "" {
		return nil, cli.Usagef("-key-file is missing: signedapi keygen -out makes one")
	}
	if err := k.read(); err != nil {
		return nil, cli.Usage(err)
	}
	return k, nil
}

func (k *keyFile) read() error {
	text, err := os.ReadFile(k.path)
	if err != nil {
		return err
	}
	if bytes.Equal(text, k.text) {
		return nil
	}
	lines := strings.Fields(string(text))
	if len(lines) == 0 {
		return fmt.Errorf("%s: is empty", k.path)
	}
	key, err := httpsig.ParseKey(lines[len(lines)-1]) // of several, the newest
	if err != nil {
		return fmt.Errorf("%s: %w", k.path, err)
	}
	k.text, k.key = text, key
	return nil
}

// active is for httpsig.TransportOptions.Key.
func (k *keyFile) active() (*httpsig.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.checked) > time.Second {
		k.checked = now
		_ = k.read() // the last good key stays; a server that refuses it says so
	}
	return k.key, nil
}
