package sidecar

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/sidecar"
)

// fakeTime is the injector with Debian's library, which this machine's glibc loads.
func fakeTime(t *testing.T) sidecar.FakeTime {
	t.Helper()
	components.Program(t, "faketime", "faketime")
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return sidecar.FakeTime{Library: sidecar.Library{Image: "registry.example.com/faketime:1", Paths: map[string]string{"glibc": found[0]}}}
}

func faked(t *testing.T, value string, more ...string) *node {
	wishes := map[string]string{"faketime": value, "faketime.libc": "glibc"}
	for _, name := range more {
		wishes[name] = "true"
	}
	return newNode(t, wishes, fakeTime(t))
}

func numbers(t *testing.T, text string) (out []int64) {
	t.Helper()
	for field := range strings.FieldsSeq(text) {
		n, err := strconv.ParseInt(field, 10, 64)
		require.NoError(t, err, text)
		out = append(out, n)
	}
	return out
}

func TestFakeTimeRuns(t *testing.T) {
	start, err := time.Parse(time.DateTime, "2030-01-01 00:00:00")
	require.NoError(t, err)

	const day = 24 * 60 * 60
	before := time.Now().Unix()
	got := numbers(t, faked(t, "+15d").app(t, "date", "+%s"))[0]
	require.GreaterOrEqual(t, got, before+15*day)
	require.LessOrEqual(t, got, time.Now().Unix()+15*day)

	// A clock that starts goes on, also in children.
	clock := numbers(t, faked(t, "@2030-01-01 00:00:00").app(t, "sh", "-c", "date +%s; sleep 2; date +%s; sh -c 'sleep 1; date +%s'"))
	require.GreaterOrEqual(t, clock[0], start.Unix())
	require.Less(t, clock[0], start.Unix()+60)
	require.GreaterOrEqual(t, clock[1]-clock[0], int64(2))
	require.GreaterOrEqual(t, clock[2]-clock[1], int64(1))

	frozen := numbers(t, faked(t, "2030-01-01 00:00:00", "faketime.frozen").app(t, "sh", "-c", "date +%s; sleep 1; date +%s"))
	require.Equal(t, []int64{start.Unix(), start.Unix()}, frozen)

	// Ten times as fast: the kernel's /proc/uptime, in hundredths, is not faked.
	fast := numbers(t, faked(t, "+1d x10").app(t, "sh", "-c", "up() { cut -d ' ' -f 1 /proc/uptime | tr -d .; }; up; date +%s; sleep 20; date +%s; up"))
	require.GreaterOrEqual(t, fast[2]-fast[1], int64(20))
	require.Greater(t, 100*(fast[2]-fast[1]), fast[3]-fast[0], "the clock is faster than the true one")
}

// waits is a program that waits in all the ways in which a JVM does, and says what time it is and how long the shortest
// wait took of each kind, in ms of its own clock.
const waits = `
import java.util.concurrent.*;
public class Waits {
	interface Wait { void run() throws Exception; }
	static void least(Wait w) throws Exception {
		long least = Long.MAX_VALUE;
		for (int i = 0; i < 5; i++) {
			long start = System.nanoTime();
			w.run();
			least = Math.min(least, System.nanoTime() - start);
		}
		System.out.println(least / 1_000_000);
	}
	public static void main(String[] args) throws Exception {
		System.out.println(System.currentTimeMillis() / 1000);
		Object lock = new Object();
		BlockingQueue<Integer> queue = new LinkedBlockingQueue<>();
		least(() -> Thread.sleep(100));
		least(() -> { synchronized (lock) { lock.wait(100); } });
		least(() -> queue.poll(100, TimeUnit.MILLISECONDS));
	}
}
`

// Java has the time that is asked for, and its timed waits end when they should: neither never, which is what a faked
// monotonic clock can lead to, nor at once, which keeps a CPU busy.
func TestFakeTimeInJava(t *testing.T) {
	program := javaProgram(t, "Waits", waits)
	for _, value := range []string{"+15d", "@2030-01-01 00:00:00", "-30d", "+15d x3"} {
		t.Run(value, func(t *testing.T) {
			n := faked(t, value, "faketime.java")
			now := numbers(t, n.app(t, "date", "+%s"))[0]
			got := numbers(t, n.app(t, program...))
			require.Len(t, got, 4)
			require.InDelta(t, now, got[0], 24*60*60, "the day is right")
			for _, ms := range got[1:] {
				require.GreaterOrEqual(t, ms, int64(95), "a wait ended early: %v", got)
			}
		})
	}
}

// javaProgram compiles a class and returns the command that runs it.
func javaProgram(t *testing.T, name, source string) []string {
	t.Helper()
	javac := components.Program(t, "javac", "openjdk-17-jdk-headless")
	dir := t.TempDir()
	file := filepath.Join(dir, name+".java")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	out, err := exec.Command(javac, "-d", dir, file).CombinedOutput() //nolint:gosec // the test's own program
	require.NoError(t, err, "%s", out)
	return []string{components.Program(t, "java", "openjdk-17-jdk-headless"), "-cp", dir, name}
}

// compile makes a program or a library of C, for a C library.
func compile(t *testing.T, compiler, debianPackage, source string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command(components.Program(t, compiler, debianPackage), append(flags, "-x", "c", "-o", out, "-")...) //nolint:gosec // the test's own program
	cmd.Stdin = strings.NewReader(source)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	return out
}

// shimSource is such a library as a platform has for JVMs that do not know -XX:ActiveProcessorCount.
const shimSource = `
#include <stdlib.h>
int JVM_ActiveProcessorCount(void) { const char *n = getenv("NUM_CPUS"); return n ? atoi(n) : 1; }
`

func TestCPUCountRuns(t *testing.T) {
	const cpus = `public class CPUs { public static void main(String[] args) { System.out.println(Runtime.getRuntime().availableProcessors()); } }`
	program := javaProgram(t, "CPUs", cpus)
	n := newNode(t, map[string]string{"cpus": "7", "cpus.java": "true", "cpus.go": "true"}, sidecar.CPUCount{Variables: []string{"NUM_CPUS", "CPU_LIMIT"}})
	require.Equal(t, "7 7", n.app(t, "sh", "-c", "echo $NUM_CPUS $CPU_LIMIT"))
	require.Equal(t, "7", n.app(t, program...), "by -XX:ActiveProcessorCount")

	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(file, []byte("package main\nimport \"runtime\"\nfunc main() { println(runtime.GOMAXPROCS(0)) }\n"), 0o600))
	binary := filepath.Join(dir, "procs")
	out, err := exec.Command("go", "build", "-o", binary, file).CombinedOutput() //nolint:gosec // the test's own program
	require.NoError(t, err, "%s", out)
	require.Equal(t, "7", n.app(t, "sh", "-c", binary+" 2>&1"))

	shim := sidecar.Library{Image: "registry.example.com/cpus:1", Paths: map[string]string{"glibc": compile(t, "gcc", "gcc", shimSource, "-shared", "-fPIC")}}
	n = newNode(t, map[string]string{"cpus": "7", "cpus.shim": "glibc"}, sidecar.CPUCount{Shim: &shim})
	require.Equal(t, "7", n.app(t, program...), "by a library")
}

// muslProgram asks a library for the number of CPUs, as a JVM does.
const muslProgram = `
#include <stdio.h>
extern int JVM_ActiveProcessorCount(void) __attribute__((weak));
int main(void) { printf("%d\n", JVM_ActiveProcessorCount ? JVM_ActiveProcessorCount() : 0); return 0; }
`

// A program of musl loads the library that was made for it, beside another one in the list, and does not start with that
// for glibc: this is why Pods have to say which they have. Debian has no libfaketime for musl.
func TestMuslLoadsItsOwnLibrary(t *testing.T) {
	program := compile(t, "musl-gcc", "musl-tools", muslProgram)
	shim := sidecar.Library{Image: "registry.example.com/cpus:1", Paths: map[string]string{"musl": compile(t, "musl-gcc", "musl-tools", shimSource, "-shared", "-fPIC")}}
	n := newNode(t, map[string]string{"cpus": "7", "cpus.shim": "musl"}, sidecar.CPUCount{Shim: &shim})
	require.Equal(t, "7", n.app(t, program))

	both := newNode(t, map[string]string{"cpus": "7", "cpus.shim": "musl", "faketime": "+1d", "faketime.libc": "glibc"}, sidecar.CPUCount{Shim: &shim}, fakeTime(t))
	cmd := both.command(t.Context(), t, both.pod.Spec.Containers[0], program)
	out, err := cmd.Output()
	require.Error(t, err, "%s", out)
}

func TestTimeZoneRuns(t *testing.T) {
	wishes := map[string]string{"timezone": "Asia/Shanghai"}
	date := []string{"date", "-d", "@0", "+%H:%M %Z"}
	require.Equal(t, "08:00 CST", newNode(t, wishes, sidecar.TimeZone{}).app(t, date...))

	// In an image without the database, TZ alone is UTC under another name, until the database is brought along.
	without := newNode(t, wishes, sidecar.TimeZone{})
	without.before = "mount -t tmpfs tmpfs /usr/share/zoneinfo"
	require.Contains(t, without.app(t, date...), "00:00 ")
	wishes["timezone.data"] = "true"
	with := newNode(t, wishes, sidecar.TimeZone{Image: "registry.example.com/tzdata:1"})
	with.before = without.before
	require.Equal(t, "08:00 CST", with.app(t, date...))
}
