package main

import (
	"context"
	"errors"
	"path"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/kubewright/kubewright/cgroupview"
)

// tree is the root directory, with a file for each view.
type tree struct {
	fs.Inode
	views *views
}

// OnAdd makes the directories and files, which never change.
func (t *tree) OnAdd(ctx context.Context) {
	for _, name := range cgroupview.ViewFiles() {
		dir := &t.Inode
		for element := range strings.SplitSeq(path.Dir(name), "/") {
			child := dir.GetChild(element)
			if child == nil {
				child = dir.NewPersistentInode(ctx, &fs.Inode{}, fs.StableAttr{Mode: fuse.S_IFDIR})
				dir.AddChild(element, child, false)
			}
			dir = child
		}
		dir.AddChild(path.Base(name), dir.NewPersistentInode(ctx, &file{name: name, views: t.views}, fs.StableAttr{Mode: fuse.S_IFREG}), false)
	}
}

// file renders its content when it is opened, for the process that opens it.
type file struct {
	fs.Inode
	name  string
	views *views
}

var (
	_ fs.NodeOpener    = (*file)(nil)
	_ fs.NodeGetattrer = (*file)(nil)
	_ fs.NodeOnAdder   = (*tree)(nil)
	_ fs.FileReader    = (*content)(nil)
	_ fs.FileReleaser  = (*content)(nil)
	_ fs.FileFlusher   = (*content)(nil)
)

// Getattr shows a size of 0, as files of /proc have.
func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = fuse.S_IFREG | 0o444
	return fs.OK
}

// Open renders.
func (f *file) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EACCES
	}
	caller, ok := fuse.FromContext(ctx)
	if !ok {
		return nil, 0, syscall.EIO
	}
	text, release, err := f.views.handle(int(caller.Pid), f.name)
	if errors.Is(err, syscall.ENFILE) {
		return nil, 0, syscall.ENFILE
	}
	if err != nil {
		f.views.failed(f.name, int(caller.Pid), err)
		return nil, 0, syscall.EIO
	}
	return &content{text, release}, fuse.FOPEN_DIRECT_IO, fs.OK
}

// content is what one open file says, to all reads of it.
type content struct {
	text    []byte
	release func()
}

// Release is called once, when the last descriptor is closed.
func (c *content) Release(context.Context) syscall.Errno {
	c.release()
	return fs.OK
}

// Flush has nothing to do: the kernel does not ask again, which saves a round trip for each close.
func (c *content) Flush(context.Context) syscall.Errno { return syscall.ENOSYS }

// Read returns a part.
func (c *content) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if off >= int64(len(c.text)) {
		return fuse.ReadResultData(nil), fs.OK
	}
	return fuse.ReadResultData(c.text[off:min(off+int64(len(dest)), int64(len(c.text)))]), fs.OK
}
