package binaries

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// stampFile records what the binaries beside it were built from. It is written last: a build
// that was cut short leaves none and is done again.
const stampFile = "built-from"

// build makes the tools of the module in source and keeps them in dir.
type build struct {
	source   string
	dir      string
	ldflags  string
	progress func(string) // may be nil
}

func (b build) ensure(ctx context.Context) error {
	want, err := b.stamp()
	if err != nil {
		return err
	}
	if b.current(want) {
		return nil
	}
	unlock, err := lock(b.dir)
	if err != nil {
		return err
	}
	defer unlock()
	if b.current(want) { // another test binary built them while this one waited
		return nil
	}
	if err := b.download(ctx); err != nil {
		return err
	}
	if err := b.compile(ctx); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, stampFile), []byte(want), 0o644)
}

// stamp digests everything that decides what the binaries contain, but for the Go toolchain:
// a patch release of Go is no reason to spend another twelve minutes.
func (b build) stamp() (string, error) {
	var from strings.Builder
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(b.source, name))
		if err != nil && (name != "go.sum" || !errors.Is(err, fs.ErrNotExist)) {
			return "", err
		}
		fmt.Fprintf(&from, "%s %d\n%s", name, len(data), data)
	}
	fmt.Fprintf(&from, "ldflags %s\n", b.ldflags)
	return fmt.Sprintf("%x\n", sha256.Sum256([]byte(from.String()))), nil
}

func (b build) current(want string) bool {
	have, err := os.ReadFile(filepath.Join(b.dir, stampFile))
	return err == nil && string(have) == want
}

// download fetches the modules that the tools need, and only those. Listing the packages does
// that without compiling anything, so what fails here is a download or a broken go.mod.
func (b build) download(ctx context.Context) error {
	stderr, err := b.run(ctx, "list", "-deps", "tool")
	if err == nil {
		return nil
	}
	if reason, ok := downloadFailure(stderr); ok {
		return &DownloadError{Reason: reason}
	}
	return fmt.Errorf("list the packages of the tools: %w\n%s", err, stderr)
}

// compile builds into a directory of its own and moves the programs into place, so that a
// test binary never starts a half-written one.
func (b build) compile(ctx context.Context) error {
	if b.progress != nil {
		b.progress("building into " + b.dir)
	}
	tmp := filepath.Join(b.dir, "building")
	if err := os.RemoveAll(tmp); err != nil { // of a build that was cut short
		return err
	}
	stderr, err := b.run(ctx, "build", "-ldflags", b.ldflags, "-o", tmp+string(os.PathSeparator), "tool")
	if err != nil {
		return fmt.Errorf("build: %w\n%s", err, stderr)
	}
	if err := install(tmp, b.dir); err != nil {
		return err
	}
	return os.Remove(tmp)
}

// install moves the programs from tmp to dir. The etcd module calls its main package "server";
// in a process list and in our logs it should be called etcd.
func install(tmp, dir string) error {
	programs, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	for _, p := range programs {
		name := p.Name()
		if name == "server" {
			name = "etcd"
		}
		if err := os.Rename(filepath.Join(tmp, p.Name()), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// run runs a go command in the source module and returns what it complains about. A workspace, cgo
// or a -mod flag in the caller's environment must not change what is built.
func (b build) run(ctx context.Context, verb string, args ...string) (stderr string, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{verb, "-mod=readonly"}, args...)...)
	cmd.Dir = b.source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "PWD="+b.source)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	err = cmd.Run()
	return strings.TrimSpace(errs.String()), err
}

// lock creates dir and holds an exclusive lock on it until unlock is called. The kernel drops the
// lock of a process that dies, so there are no stale locks to clean up.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
