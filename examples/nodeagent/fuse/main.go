// Command fuse mounts the files of /proc as each container should see them: whoever reads
// MOUNT/proc/meminfo gets that of its own container, told by the number of the process that reads. Bind-mounted over
// /proc/meminfo and others in a container, it makes free, top and uptime right there.
//
//	mkdir -p /run/fuseviews && go run . -mount /run/fuseviews
//
// When this program ends, reads of mounts that containers have made fail until they are made again; that is the nature
// of FUSE. Told to end by SIGTERM, it serves them for -grace longer, then says so and ends. For cpuinfo and cpu/online, the
// plain files of "nodeagent views" have no such problem.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal drains, the second one kills
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fuse:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fuse", flag.ContinueOnError)
	flags.SetOutput(out)
	root := flags.String("root", "/", "where the machine's root `directory` is mounted; the process numbers of readers must be those of its /proc")
	mount := flags.String("mount", "", "`directory` to mount on; it must exist, and be empty")
	grace := flags.Duration("grace", 5*time.Second, "how long after SIGTERM containers that have mounted files are served")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *mount == "" || flags.NArg() > 0 {
		return errors.New("want -mount DIRECTORY and no arguments; -h lists the flags")
	}
	if _, err := os.Stat(*root + "/proc/self/cgroup"); err != nil {
		return fmt.Errorf("-root %s: %w (want the root of a Linux machine, with its /proc, and in a container hostPID)", *root, err)
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	views := newViews(*root)
	views.failed = sometimes(log, time.Minute)
	server, err := serve(*mount, views)
	if err != nil {
		return err
	}
	log.Info("mounted", "directory", *mount)
	go ticking(ctx, views)
	served := make(chan struct{})
	go func() {
		server.Wait()
		close(served)
	}()
	select {
	case <-served: // somebody else has unmounted it
		return nil
	case <-ctx.Done():
	}
	// Whoever is reading finishes. What root has not mounted takes fusermount, which waits for them.
	if err := syscall.Unmount(*mount, syscall.MNT_DETACH); err != nil {
		go func() {
			if err := server.Unmount(); err != nil {
				log.Warn("cannot be unmounted", "error", err)
			}
		}()
	}
	select {
	case <-served:
	case <-time.After(*grace):
		log.Warn("containers still have files mounted, and cannot read them any more", "grace", *grace)
	}
	return nil
}

// sometimes returns a function that logs an error, but not more than one at a time: a program that cannot read a file
// tries again at once.
func sometimes(log *slog.Logger, every time.Duration) func(file string, pid int, err error) {
	var last atomic.Int64
	return func(file string, pid int, err error) {
		now := time.Now().UnixNano()
		if before := last.Load(); (before == 0 || now-before >= int64(every)) && last.CompareAndSwap(before, now) {
			log.Warn("a file cannot be read; further ones are not logged for a while", "file", file, "process", pid, "error", err)
		}
	}
}

// ticking updates the load averages of all containers that were asked for, until ctx ends.
func ticking(ctx context.Context, v *views) {
	t := time.NewTicker(5 * time.Second) // as [cgroupview.Load] wants it
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			v.tick()
		}
	}
}

// serve mounts. A mount that a killed predecessor has left is taken away first. What is not an empty directory is not
// mounted on: the kernel would hide what is there, and even cover a plain file, and leave that dead.
func serve(dir string, v *views) (*fuse.Server, error) {
	if _, err := os.Stat(dir); errors.Is(err, syscall.ENOTCONN) {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			return nil, fmt.Errorf("%s: a dead mount that cannot be taken away: %w", dir, err)
		}
	}
	switch there, err := os.ReadDir(dir); {
	case err != nil:
		return nil, fmt.Errorf("-mount: %w (want an empty directory)", err)
	case len(there) > 0:
		return nil, fmt.Errorf("-mount %s: the directory is not empty, it has %q: mounting would hide that", dir, there[0].Name())
	}
	second := time.Second
	return fs.Mount(dir, &tree{views: v}, &fs.Options{
		EntryTimeout: &second, AttrTimeout: &second,
		MountOptions: fuse.MountOptions{AllowOther: true, DirectMount: true, FsName: "nodeagent", Name: "nodeagent"},
	})
}
