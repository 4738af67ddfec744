package cgroupview

import (
	"io/fs"
	"syscall"
)

// readInto opens, reads and closes without an os.File: no finalizer, no poller, no allocation for the file.
func (d dirFS) readInto(name string, buf []byte) ([]byte, error) {
	p, err := d.path(name)
	if err != nil {
		return buf[:0], &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return readPath(p, buf)
}

// readPath reads a file to its end, by the name the operating system knows it by.
func readPath(p string, buf []byte) ([]byte, error) { return readFD(p, buf, false) }

// readRecord reads a file that the kernel writes as one record, as it does all control files of cgroups, /proc/meminfo
// and /proc/<pid>/status: what fits is there with the first read, and no second one needs to ask for the end.
func readRecord(p string, buf []byte) ([]byte, error) { return readFD(p, buf, true) }

func readFD(p string, buf []byte, record bool) ([]byte, error) {
	fd, err := openRetry(p)
	if err != nil {
		return buf[:0], err
	}
	defer func() { _ = syscall.Close(fd) }() // was opened to read: nothing is lost
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, max(4096, cap(buf)))...)[:len(buf)]
		}
		n, err := syscall.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == syscall.EINTR: // never wrapped here
			continue
		case err != nil:
			return buf, err
		case n <= 0:
			return buf, nil
		case len(buf)+n > maxFile:
			return buf, errTooLarge
		}
		if buf = buf[:len(buf)+n]; record && len(buf) < cap(buf) {
			return buf, nil
		}
	}
}

// kept is a file that stays open: its number alone, since an os.File would read twice to find the end.
type kept int

// openKept opens a file to be read again and again.
func (d dirFS) openKept(name string) (handle, error) {
	p, err := d.path(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	fd, err := openRetry(p)
	return kept(fd), err
}

// ReadAt reads once, which is a whole record of the kernel's.
func (k kept) ReadAt(buf []byte, off int64) (int, error) {
	for {
		n, err := syscall.Pread(int(k), buf, off)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// Close closes the file.
func (k kept) Close() error { return syscall.Close(int(k)) }

func openRetry(p string) (int, error) {
	for {
		fd, err := syscall.Open(p, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}
