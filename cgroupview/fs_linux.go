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

// readPath reads a file by the name the operating system knows it by.
func readPath(p string, buf []byte) ([]byte, error) {
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
		case err != nil:
			return buf, err
		case n <= 0:
			return buf, nil
		case len(buf)+n > maxFile:
			return buf, errTooLarge
		default:
			buf = buf[:len(buf)+n]
		}
	}
}

func openRetry(p string) (int, error) {
	for {
		fd, err := syscall.Open(p, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}
