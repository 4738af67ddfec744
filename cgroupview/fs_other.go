//go:build !linux

package cgroupview

func readRecord(p string, buf []byte) ([]byte, error) { return FS("/").(dirFS).readInto(p[1:], buf) }

func (d dirFS) openKept(name string) (handle, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	return f.(handle), nil // an *os.File
}

// readInto is for trees that were copied from a Linux machine.
func (d dirFS) readInto(name string, buf []byte) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return buf[:0], err
	}
	buf, err = readAll(f, buf[:0])
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return buf, err
}
