package cgroupview_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/internal/e2e/components"
)

// programsEnv is the directory of programs that were built before: in the guest there is no Go.
const programsEnv = "KUBEWRIGHT_CGROUPVIEW_PROGRAMS"

// guestInit runs this test program as the only one of a machine whose hierarchy is unified. Its root is this machine's,
// which it does not write to.
const guestInit = `#!/bin/sh
echo "guest begins"
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs none '$WORK' && export TMPDIR='$WORK' PATH='$PATH' HOME=/ ` + programsEnv + `='$PROGRAMS'
ip link set lo up || ifconfig lo up
cd '$HERE' && '$TEST' -test.v -test.timeout 4m -test.run '$RUN'
echo "guest ended with $?"
echo o >/proc/sysrq-trigger
sleep 10
`

// Everything that this package's tests judge on v1 is judged on v2 as well: where the machine has a v1 hierarchy, in a
// Linux of its own that runs as a program (User Mode Linux), with cgroup v2 alone.
func TestUnifiedHierarchy(t *testing.T) {
	const run = "Policies|Heaps|Nested|Resize|Namespace|TestAgent|StaleShells"
	switch m, err := cgroupview.ReadMounts(cgroupview.FS("/"), 0); {
	case os.Getenv(programsEnv) != "":
		t.Skip("this is the guest")
	case os.Geteuid() != 0:
		t.Skip("making cgroups needs root")
	case err == nil && m.Group("/").Place(cgroupview.CPU).Version == cgroupview.V2:
		t.Skip("this machine has v2 itself: the other tests were judged by it")
	}
	linux := components.Program(t, "linux.uml", "user-mode-linux")
	work, programs := t.TempDir(), t.TempDir()
	_, err := components.BuildExample(programs, "nodeagent")
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	file := filepath.Join(programs, "init")
	text := strings.NewReplacer("$WORK", work, "$PATH", os.Getenv("PATH"), "$PROGRAMS", programs, "$HERE", here, "$TEST", os.Args[0], "$RUN", run).Replace(guestInit)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o700)) //nolint:gosec // it is run
	log := guest(t, linux, file, work)
	if failed := regexp.MustCompile(`(?m)^ *--- FAIL`).MatchString(log); !failed && !strings.Contains(log, guestPassed) {
		log = guest(t, linux, file, work) // no test has failed: the machine has, once
	}
	if !strings.Contains(log, "guest begins") {
		t.Skip("User Mode Linux does not start on this machine; the captured hosts alone judge v2")
	}
	ended := regexp.MustCompile(`guest ended with .*`).FindString(log)
	require.Equal(t, guestPassed, ended, "the tests in the guest")
	for _, test := range []string{"TestPoliciesAgreeWithPrograms", "TestHeapsAgreeWithPrograms", "TestNestedQuotaIsExplained", "TestResizeIsSeenAtOnce", "TestExplainFromInsideANamespace", "TestAgent", "TestStaleShells"} { // TestAgent skips what takes two CPUs
		require.True(t, regexp.MustCompile(`(?m)^--- (PASS|SKIP): `+test+` `).MatchString(log), test)
	}
}

const guestPassed = "guest ended with 0"

// guest runs a machine with a program as its init, and returns what that has printed.
func guest(t *testing.T, linux, program, work string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // it powers itself off before
	defer cancel()
	cmd := exec.CommandContext(ctx, linux, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "mem=1500M", "init="+program, "con=null", "con0=null,fd:1", "quiet") //nolint:gosec // the guest's command line
	cmd.Env = append(os.Environ(), "HOME="+work, "TMPDIR="+work)
	cmd.WaitDelay = 10 * time.Second
	out, _ := cmd.CombinedOutput() // how it ends says nothing: the log does
	log := strings.ReplaceAll(string(out), "\r", "")
	t.Log(log)
	return log
}
