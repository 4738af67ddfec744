package cgroupview

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// FS returns the files below root, "/" or where a node's root is mounted, such as "/host". Unlike os.DirFS it reads
// small kernel files with three system calls, opens names that are not UTF-8, which cgroups may have, and lets
// [Group.Watch] use inotify. It opens no name with an element "..".
func FS(root string) fs.FS { return dirFS{strings.TrimSuffix(root, "/")} }

type dirFS struct{ root string }

// path returns the name as the operating system knows it.
func (d dirFS) path(name string) (string, error) {
	if name == "" || name[0] == '/' || hasDotDot(name) {
		return "", fs.ErrInvalid
	}
	return d.root + "/" + name, nil
}

// Open opens a file for reading.
func (d dirFS) Open(name string) (fs.File, error) {
	p, err := d.path(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// ReadDir lists a directory in the order of names.
func (d dirFS) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := d.path(name)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return os.ReadDir(p)
}

// Stat follows symbolic links.
func (d dirFS) Stat(name string) (fs.FileInfo, error) {
	p, err := d.path(name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return os.Stat(p)
}

// ReadLink returns the target of a symbolic link.
func (d dirFS) ReadLink(name string) (string, error) {
	p, err := d.path(name)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return os.Readlink(p)
}

// Lstat does not follow a symbolic link that is the last element.
func (d dirFS) Lstat(name string) (fs.FileInfo, error) {
	p, err := d.path(name)
	if err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return os.Lstat(p)
}

// maxFile bounds what is read of any file: /proc/self/mountinfo and /proc/stat of very large nodes stay below.
const maxFile = 16 << 20

var errTooLarge = errors.New("file is larger than 16 MiB")

// readInto reads a whole file into buf, which grows as needed, and returns what was read. Kernel files have no size
// worth asking for: they are read to their end.
func readInto(fsys fs.FS, name string, buf []byte) ([]byte, error) {
	if d, ok := fsys.(dirFS); ok {
		return d.readInto(name, buf)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return buf[:0], err
	}
	buf, err = readAll(f, buf[:0])
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return buf, err
}

func readAll(r io.Reader, buf []byte) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, max(4096, cap(buf)))...)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return buf, err
		case len(buf) > maxFile:
			return buf, errTooLarge
		}
	}
}

// hasDotDot reports whether an element of name is "..".
func hasDotDot(name string) bool {
	for more := true; more; {
		var element string
		element, name, more = strings.Cut(name, "/")
		if element == ".." {
			return true
		}
	}
	return false
}

// exists reports whether a directory or file is there; an error other than its absence counts as there.
func exists(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return !errors.Is(err, fs.ErrNotExist)
}

// join is path.Join for parts that are clean.
func join(dir, name string) string {
	if dir == "" || dir == "." {
		return name
	}
	return dir + "/" + name
}

// parent is the directory above dir, and "." above the first element.
func parent(dir string) string { return path.Dir(dir) }
