package cgroupview

import (
	"context"
	"fmt"
	"io/fs"
	"os"
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
	limited := map[string]string{"sys/fs/cgroup/a/cpu.max": "150000 100000\n", "sys/fs/cgroup/a/b/memory.max": "1000000\n", "sys/fs/cgroup/a/b/memory.high": "800000\n"}
	require.NoError(t, run(v2(limited)))
	require.Equal(t, 2, procs)
	require.Equal(t, int64(720000), memory)
	require.Equal(t, []string{
		"GOMAXPROCS=2: /sys/fs/cgroup/a/cpu.max = 150000 100000, ceil",
		"GOMEMLIMIT=720000: /sys/fs/cgroup/a/b/memory.high = 800000, less 10 %",
	}, said)

	env["GOMAXPROCS"] = "7"
	require.NoError(t, run(v2(limited)))
	require.Zero(t, procs)
	require.Equal(t, int64(720000), memory)
	require.Contains(t, said, "GOMAXPROCS=7 is set in the environment and stays")
	env["GOMEMLIMIT"] = "1GiB"
	require.NoError(t, run(v2(limited)))
	require.Zero(t, memory)
	clear(env)

	require.NoError(t, run(v2(nil)))
	require.Equal(t, 8, procs)
	require.Zero(t, memory)
	require.NoError(t, run(v2(map[string]string{"sys/fs/cgroup/a/b/cpu.max": "?\n", "sys/fs/cgroup/a/b/memory.max": "?\n"})))
	require.Contains(t, strings.Join(said, "\n"), `the CPU quota is unreadable: /sys/fs/cgroup/a/b/cpu.max: malformed: "?"`)
	require.Contains(t, strings.Join(said, "\n"), "GOMEMLIMIT is left alone, the memory limit is unreadable")
	require.Error(t, run(v2(map[string]string{"proc/self/cgroup": ""})))
	require.Zero(t, procs)
	require.Error(t, run(with(nil, map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": rootMount})))
}

// A resize in place is followed, a limit that goes away too, and the follower ends with its context.
func TestSetFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, _ := onDisk(t, map[string]string{"sys/fs/cgroup/a/b/memory.max": "1000000\n"})
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
		require.Equal(t, []set{{8, 800000}, {3, 0}, {0, noMemLimit}}, sets)
	})
}

func TestApplyToProcess(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	applyToProcess(0, 0)
	require.Equal(t, before, runtime.GOMAXPROCS(0))
	applyToProcess(before, noMemLimit)
	require.Equal(t, int64(1), goMemLimit(0, 10))
	require.Equal(t, int64(noMemLimit), goMemLimit(1<<64-1, 1))
}
