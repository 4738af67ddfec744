// Command fuse mounts the files of /proc as each container should see them: whoever reads
// MOUNT/proc/meminfo gets that of its own container, told by the number of the process that reads. Bind-mounted over
// /proc/meminfo and others in a container, it makes free, top and uptime right there.
//
//	mkdir -p /run/views && go run . -mount /run/views
//
// When this program dies, reads of mounts that containers have made fail until they are made again; that is the nature
// of FUSE. For cpuinfo and cpu/online, the plain files of "nodeagent views" have no such problem.
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
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fuse:", err)
		os.Exit(1) //nolint:gocritic // the mount is gone by now
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fuse", flag.ContinueOnError)
	flags.SetOutput(out)
	root := flags.String("root", "/", "where the machine's root `directory` is mounted; the process numbers of readers must be those of its /proc")
	mount := flags.String("mount", "", "`directory` to mount on; it must exist")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *mount == "" || flags.NArg() > 0 {
		return errors.New("want -mount DIRECTORY and no arguments; -h lists the flags")
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	views := newViews(*root)
	server, err := serve(*mount, views)
	if err != nil {
		return err
	}
	log.Info("mounted", "directory", *mount)
	stopped := context.AfterFunc(ctx, func() {
		if err := server.Unmount(); err != nil { // somebody is reading: detach, they finish
			log.Warn("busy, detached", "error", err)
			_ = syscall.Unmount(*mount, syscall.MNT_DETACH) // there is nothing left to try
		}
	})
	defer stopped()
	go ticking(ctx, views)
	server.Wait()
	return nil
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

// serve mounts. A mount that a killed predecessor has left is taken away first.
func serve(dir string, v *views) (*fuse.Server, error) {
	if _, err := os.Stat(dir); errors.Is(err, syscall.ENOTCONN) {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			return nil, fmt.Errorf("%s: a dead mount that cannot be taken away: %w", dir, err)
		}
	}
	second := time.Second
	return fs.Mount(dir, &tree{views: v}, &fs.Options{
		EntryTimeout: &second, AttrTimeout: &second,
		MountOptions: fuse.MountOptions{AllowOther: true, DirectMount: true, FsName: "nodeagent", Name: "nodeagent"},
	})
}
