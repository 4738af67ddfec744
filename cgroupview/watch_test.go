package cgroupview

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A write is seen at once through inotify, long before the next poll.
func TestWatchSeesWrites(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("inotify is Linux's")
	}
	dir, fsys := onDisk(t, nil)
	g, err := Locate(fsys, 0)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	changes, done := make(chan Limits), make(chan error)
	go func() {
		done <- g.Watch(ctx, time.Hour, func(_, after Limits) { changes <- after })
	}()
	// The watch may begin before or after the write, so it is repeated with other values until it is seen.
	for i := 1; ; i++ {
		write(t, dir, map[string]string{"sys/fs/cgroup/a/b/cpu.max": fmt.Sprintf("%d 100000\n", 1000+i)})
		select {
		case l := <-changes:
			require.Equal(t, Limited, l.Quota.State)
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Other file systems are polled.
func TestWatchPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, _ := onDisk(t, nil)
		g, err := Locate(os.DirFS(dir), 0)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var seen []string
		done := make(chan error, 1)
		go func() {
			done <- g.Watch(ctx, time.Minute, func(before, after Limits) {
				seen = append(seen, before.Quota.Ratio.String()+" -> "+after.Quota.Ratio.String())
			})
		}()
		time.Sleep(90 * time.Second)
		synctest.Wait()
		write(t, dir, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "30000 100000\n"})
		time.Sleep(3 * time.Minute)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Equal(t, []string{"max -> 30000 100000"}, seen)
	})
	g, err := Locate(v2(nil), 0)
	require.NoError(t, err)
	require.ErrorContains(t, g.Watch(t.Context(), 0, nil), "want a duration above 0")
	require.ErrorIs(t, poll{}.wait(canceled(t), time.Hour), context.Canceled)
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestSet(t *testing.T) {
	env := map[string]string{}
	var said []string
	var procs int
	var memory int64
	run := func(fsys fs.FS) error {
		procs, memory, said = 0, 0, nil
		return Set(t.Context(), SetOptions{
			FS: fsys, Every: -1, Log: func(why string) { said = append(said, why) },
			LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
			Apply:     func(p int, m int64) { procs, memory = p, m },
		})
	}
	limited := map[string]string{"sys/fs/cgroup/a/cpu.max": "150000 100000\n", "sys/fs/cgroup/a/b/memory.max": "1000000000\n", "sys/fs/cgroup/a/b/memory.high": "800000000\n"}
	require.NoError(t, run(v2(limited)))
	require.Equal(t, 2, procs)
	require.Equal(t, int64(720000000), memory)
	require.Equal(t, []string{
		"GOMAXPROCS=2: /sys/fs/cgroup/a/cpu.max = 150000 100000, ceil",
		"GOMEMLIMIT=720000000: /sys/fs/cgroup/a/b/memory.high = 800000000, less 10 %",
	}, said)

	env["GOMAXPROCS"] = "7"
	require.NoError(t, run(v2(limited)))
	require.Zero(t, procs)
	require.Equal(t, int64(720000000), memory)
	require.Contains(t, said, "GOMAXPROCS=7 is set in the environment and stays")
	env["GOMEMLIMIT"] = "1GiB"
	require.NoError(t, run(v2(limited)))
	require.Zero(t, memory)
	clear(env)

	require.NoError(t, run(v2(nil)))
	require.Equal(t, 8, procs)
	require.Zero(t, memory)
	require.NoError(t, run(v2(map[string]string{"sys/fs/cgroup/a/b/cpu.max": "?\n", "sys/fs/cgroup/a/b/memory.max": "?\n"})))
	if runtime.GOMAXPROCS(0) <= 8 { // more would be lowered to the 8 that there are
		require.Zero(t, procs)
		require.Contains(t, strings.Join(said, "\n"), `stays, not all that limits the CPUs can be read: /sys/fs/cgroup/a/b/cpu.max: malformed: "?"`)
	}
	require.Contains(t, strings.Join(said, "\n"), "GOMEMLIMIT is left alone, the memory limit is unreadable")
	require.Error(t, run(v2(map[string]string{"proc/self/cgroup": ""})))
	require.Zero(t, procs)
	require.Error(t, run(with(nil, map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": rootMount})))
}

// A resize in place is followed, a limit that goes away too, and the follower ends with its context.
func TestSetFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, _ := onDisk(t, map[string]string{"sys/fs/cgroup/a/b/memory.max": "1000000000\n"})
		ctx, cancel := context.WithCancel(t.Context())
		type set struct {
			procs  int
			memory int64
		}
		var sets []set
		none := func(string) (string, bool) { return "", false }
		require.NoError(t, Set(ctx, SetOptions{FS: os.DirFS(dir), LookupEnv: none, Headroom: 20, Apply: func(p int, m int64) { sets = append(sets, set{p, m}) }}))
		synctest.Wait() // the follower waits
		write(t, dir, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "300000 100000\n"})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		write(t, dir, map[string]string{"sys/fs/cgroup/a/b/memory.max": "max\n"})
		time.Sleep(2 * time.Minute)
		cancel()
		synctest.Wait()
		require.Equal(t, []set{{8, 800000000}, {3, 0}, {0, noMemLimit}}, sets)
	})
}

// Files that appear with a controller, a process that is moved and a cgroup that goes away for a while are followed too.
func TestSetFollowsTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, _ := onDisk(t, nil)
		file := func(name string) string { return filepath.Join(dir, name) }
		for _, name := range []string{"sys/fs/cgroup/a/cpu.max", "sys/fs/cgroup/a/b/cpu.max"} {
			require.NoError(t, os.Remove(file(name))) // the controller is off
		}
		ctx, cancel := context.WithCancel(t.Context())
		var procs []int
		var said []string
		none := func(string) (string, bool) { return "", false }
		require.NoError(t, Set(ctx, SetOptions{
			FS: os.DirFS(dir), LookupEnv: none, Apply: func(p int, _ int64) { procs = append(procs, p) }, Log: func(why string) { said = append(said, why) },
		}))
		later := func() {
			time.Sleep(3 * time.Minute)
			synctest.Wait()
		}
		later()
		write(t, dir, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "300000 100000\n"})
		later()
		write(t, dir, map[string]string{"proc/self/cgroup": "0::/c\n", "sys/fs/cgroup/c/cpu.max": "200000 100000\n"})
		later()
		require.Equal(t, []int{8, 3, 2}, procs)
		require.NoError(t, os.Rename(file("proc/self/cgroup"), file("elsewhere")))
		later()
		require.NoError(t, os.Rename(file("elsewhere"), file("proc/self/cgroup")))
		write(t, dir, map[string]string{"sys/fs/cgroup/c/cpu.max": "100000 100000\n"})
		later()
		write(t, dir, map[string]string{"sys/fs/cgroup/c/cpu.max": "?\n"})
		later()
		cancel()
		synctest.Wait()
		require.Equal(t, []int{8, 3, 2, 1}, procs)
		require.Len(t, said, 6, said)
		require.Contains(t, said[5], "GOMAXPROCS=1 stays", "once, however often it is read again")
		require.Contains(t, said[3], "limits cannot be read, and stay as they are: ")
	})
}

// What cannot be read gives nobody more than there was, and what can gives less.
func TestSetKeepsWhatIsCertain(t *testing.T) {
	const quota, above, memory, high = "sys/fs/cgroup/a/b/cpu.max", "sys/fs/cgroup/a/cpu.max", "sys/fs/cgroup/a/b/memory.max", "sys/fs/cgroup/a/b/memory.high"
	hidden := "2 1 0:2 /other /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	type step struct {
		files  map[string]string
		procs  int
		memory int64
		says   string
	}
	for name, steps := range map[string][]step{
		"a quota becomes unreadable": {
			{map[string]string{quota: "150000 100000\n"}, 2, 0, "GOMAXPROCS=2"},
			{map[string]string{quota: "?\n"}, 0, 0, "GOMAXPROCS=2 stays"},
			{map[string]string{quota: "?\n", above: "100000 100000\n"}, 1, 0, "GOMAXPROCS=1: /" + above},
			{map[string]string{quota: "?\n", above: "500000 100000\n"}, 0, 0, "GOMAXPROCS=1 stays"},
			{map[string]string{quota: "max 100000\n"}, 8, 0, "GOMAXPROCS=8"},
		},
		"a cpuset becomes unreadable": {
			{map[string]string{"sys/fs/cgroup/a/b/cpuset.cpus.effective": "0-1\n"}, 2, 0, "GOMAXPROCS=2"},
			{map[string]string{"sys/fs/cgroup/a/b/cpuset.cpus.effective": "x\n"}, 0, 0, "GOMAXPROCS=2 stays"},
		},
		"nothing was known before": {{map[string]string{quota: "?\n"}, 0, 0, "GOMAXPROCS=4 stays"}},
		"not visible":              {{map[string]string{"proc/self/mountinfo": hidden}, 0, 0, "GOMAXPROCS=4 stays"}},
		"a memory limit becomes unreadable": {
			{map[string]string{memory: "100000000\n"}, 8, 90000000, "GOMEMLIMIT=90000000"},
			{map[string]string{memory: "?\n", "sys/fs/cgroup/a/memory.max": "200000000\n"}, 0, 0, "GOMEMLIMIT=90000000 stays"},
			{map[string]string{memory: "?\n"}, 0, 0, "GOMEMLIMIT is left alone, the memory limit is unreadable"},
			{map[string]string{memory: "?\n", high: "50000000\n"}, 0, 45000000, "GOMEMLIMIT=45000000"},
		},
		"memory.high becomes unreadable": {
			{map[string]string{high: "50000000\n"}, 8, 45000000, "GOMEMLIMIT=45000000"},
			{map[string]string{high: "?\n"}, 0, 0, "GOMEMLIMIT=45000000 stays"},
			{map[string]string{high: "max\n"}, 0, noMemLimit, "GOMEMLIMIT=off"},
		},
		"no room at all": {
			{map[string]string{memory: "100000000\n", high: "0\n"}, 8, leastMemLimit, "GOMEMLIMIT=16777216: /" + high + " = 0, which is less than the least"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var procs int
			var memory int64
			var said []string
			s := newSetter(SetOptions{
				Log: func(why string) { said = append(said, why) }, LookupEnv: func(string) (string, bool) { return "", false },
				Apply: func(p int, m int64) { procs, memory = p, m },
			})
			s.before = 4
			for _, step := range steps {
				procs, memory, said = 0, 0, nil
				s.apply(limitsOf(t, v2(step.files)))
				require.Equal(t, []any{step.procs, step.memory}, []any{procs, memory}, "%v: %q", step.files, said)
				require.Contains(t, strings.Join(said, "\n"), step.says)
			}
		})
	}
}

func TestApplyToProcess(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	applyToProcess(0, 0)
	require.Equal(t, before, runtime.GOMAXPROCS(0))
	applyToProcess(before, noMemLimit)
	require.Equal(t, int64(leastMemLimit), goMemLimit(0, 10))
	require.Equal(t, int64(noMemLimit), goMemLimit(1<<64-1, 1))
}
