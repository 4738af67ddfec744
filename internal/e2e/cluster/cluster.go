package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubewright/kubewright/internal/e2e/binaries"
)

// Options says what to start and how. The zero value is an API server with its etcd.
type Options struct {
	// ControllerManager also starts kube-controller-manager: ReplicaSets make Pods, namespaces get
	// their service account and deleted namespaces go away.
	ControllerManager bool

	// EtcdArgs, APIServerArgs and ControllerManagerArgs are appended to the arguments that the
	// harness chooses; where a flag is given twice, the later one wins.
	EtcdArgs, APIServerArgs, ControllerManagerArgs []string

	// EncryptionConfig is the YAML of an EncryptionConfiguration. Empty means that etcd holds
	// plain protobuf. See also [Cluster.SetEncryptionConfig].
	EncryptionConfig string

	// AuditPolicy is the YAML of an audit Policy. Empty means that writes are logged with the
	// object sent, and reads without.
	AuditPolicy string
}

// Cluster is a control plane. The embedded [Client] acts as an administrator.
type Cluster struct {
	*Client

	Etcd              *Component
	APIServer         *Component
	ControllerManager *Component // nil if not asked for

	Dir                  string // everything below is in here, and goes with it
	CAFile               string // verifies the API server
	EtcdEndpoint         string // http://127.0.0.1:port
	EtcdDataDir          string // the --data-dir, safe to read while etcd is stopped
	AuditLog             string // JSON lines
	EncryptionConfigFile string

	options Options
	ca      *authority
	files   files
	ports   []port
	apiURL  string // https://127.0.0.1:port
}

// Start runs a control plane in a new temporary directory and returns when it is ready. Tests call
// [New] or [Shared.Get], which also stop it.
func Start(ctx context.Context, bin binaries.Set, o Options) (*Cluster, error) {
	c, err := prepare(bin, o)
	if err != nil {
		return nil, fmt.Errorf("prepare the control plane: %w", err)
	}
	for _, component := range c.Components() {
		if err := component.Start(ctx); err != nil {
			return nil, errors.Join(err, c.finish(true))
		}
	}
	return c, nil
}

// Components lists what there is, in the order in which it is started.
func (c *Cluster) Components() []*Component {
	all := []*Component{c.Etcd, c.APIServer}
	if c.ControllerManager != nil {
		all = append(all, c.ControllerManager)
	}
	return all
}

// Stop ends all components, the last one started first, and returns when they are gone. The
// directory stays.
func (c *Cluster) Stop() error {
	var errs []error
	for _, component := range slices.Backward(c.Components()) {
		errs = append(errs, component.Stop())
	}
	for _, p := range c.ports {
		errs = append(errs, p.release())
	}
	c.ports = nil
	return errors.Join(errs...)
}

// SetEncryptionConfig replaces the EncryptionConfiguration. The API server reads it when it starts,
// so [Component.Restart] has to follow. It works only on a cluster that was started with one.
func (c *Cluster) SetEncryptionConfig(yaml string) error {
	if c.EncryptionConfigFile == "" {
		return errors.New("the cluster was started without Options.EncryptionConfig")
	}
	return os.WriteFile(c.EncryptionConfigFile, []byte(yaml), 0o600)
}

// prepare lays out the directory and decides every argument, but starts nothing.
func prepare(bin binaries.Set, o Options) (c *Cluster, err error) {
	dir, err := os.MkdirTemp("", "kubewright-e2e-")
	if err != nil {
		return nil, err
	}
	c = &Cluster{
		Dir:         dir,
		EtcdDataDir: filepath.Join(dir, "etcd"),
		AuditLog:    filepath.Join(dir, "audit.log"),
		options:     o,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.discard())
		}
	}()
	for _, step := range []func(binaries.Set) error{
		c.prepareFiles, c.prepareEtcd, c.prepareAPIServer, c.prepareControllerManager,
	} {
		if err := step(bin); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// discard undoes prepare.
func (c *Cluster) discard() error {
	var errs []error
	for _, p := range c.ports {
		errs = append(errs, p.release())
	}
	return errors.Join(append(errs, os.RemoveAll(c.Dir))...)
}

// prepareFiles writes what more than one component reads.
func (c *Cluster) prepareFiles(binaries.Set) error {
	for _, sub := range []string{"log", "pki", "home", "kubeconfig"} {
		if err := os.Mkdir(filepath.Join(c.Dir, sub), 0o700); err != nil {
			return err
		}
	}
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	c.ca = ca
	c.files, err = ca.writePKI(filepath.Join(c.Dir, "pki"))
	c.CAFile = c.files.ca
	return err
}

func (c *Cluster) reserve() (port, error) {
	p, err := reservePort()
	if err != nil {
		return port{}, fmt.Errorf("reserve a port: %w", err)
	}
	c.ports = append(c.ports, p)
	return p, nil
}

// write puts a file into the cluster's directory and returns its path.
func (c *Cluster) write(name, content string) (string, error) {
	path := filepath.Join(c.Dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}
