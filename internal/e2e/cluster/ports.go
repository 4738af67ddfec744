package cluster

import (
	"errors"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// port is a TCP port on loopback that is ours until released.
//
// Asking the kernel for a free port, closing the socket and telling a component to use the number
// loses the port now and then to somebody else, and always risks it while a component is stopped.
// So the socket stays bound, without listening, and the components bind beside it: they all can set
// SO_REUSEPORT, and the kernel hands connections only to sockets that listen.
type port struct {
	fd     int
	number int
}

func reservePort() (port, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return port{}, err
	}
	number, err := bindLoopback(fd)
	if err != nil {
		return port{}, errors.Join(err, unix.Close(fd))
	}
	return port{fd: fd, number: number}, nil
}

func bindLoopback(fd int) (number int, err error) {
	unix.CloseOnExec(fd)
	// Not SO_REUSEADDR as well: with that, a stranger could bind here until somebody listens.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return name.(*unix.SockaddrInet4).Port, nil
}

func (p port) release() error { return unix.Close(p.fd) }

func (p port) String() string { return strconv.Itoa(p.number) }

// address is host:port.
func (p port) address() string { return net.JoinHostPort("127.0.0.1", p.String()) }
