package cluster

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestPortIsHeld(t *testing.T) {
	p, err := reservePort()
	require.NoError(t, err)

	_, err = net.Listen("tcp", p.address())
	require.ErrorIs(t, err, syscall.EADDRINUSE, "a stranger cannot have it")
	_, err = net.Dial("tcp", p.address())
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "the reservation itself answers nobody")

	for range 2 { // as for a component that is started twice
		l, err := listenBeside(t.Context(), p)
		require.NoError(t, err)
		for range 20 {
			conn, err := net.Dial("tcp", p.address())
			require.NoError(t, err, "every connection goes to the socket that listens")
			require.NoError(t, conn.Close())
		}
		require.NoError(t, l.Close())
	}

	require.NoError(t, p.release())
	l, err := net.Listen("tcp", p.address())
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// listenBeside binds to a reserved port as the components do.
func listenBeside(ctx context.Context, p port) (net.Listener, error) {
	var failed error
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err != nil {
			return err
		}
		return failed
	}}
	return config.Listen(ctx, "tcp", p.address())
}

func TestPortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		p, err := reservePort()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.release()) })
		require.False(t, seen[p.number], "port %d was given out twice", p.number)
		seen[p.number] = true
	}
}

func TestTail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(file, []byte("one\ntwo\nthree\nW0101 logging.go:55] [core] [Channel #1 SubChannel #2] grpc: again\nfour\n"), 0o600))
	cases := []struct {
		name   string
		offset int64
		lines  int
		want   string
	}{
		{"the last lines, but for gRPC's", 0, 2, "three\nfour"},
		{"all, if there are fewer", 0, 9, "one\ntwo\nthree\nfour"},
		{"only what came after the offset", 8, 9, "three\nfour"},
		{"nothing new", 1000, 9, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, tail(file, c.offset, c.lines))
		})
	}
}
