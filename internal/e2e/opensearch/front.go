package opensearch

import (
	"errors"
	"io"
	"net"
	"sync"
)

// front forwards connections to wherever the node listens now. Java can't share a port that is kept for it, and a node
// that asks for any free port gets another one each time it starts.
type front struct {
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	backend string // empty while the node is down
	conns   map[net.Conn]bool
}

func newFront() (*front, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{listener: listener, conns: map[net.Conn]bool{}}
	f.running.Go(f.accept)
	return f, nil
}

func (f *front) address() string { return f.listener.Addr().String() }

// to forwards new connections to an address. With none, it cuts those that there are and closes new ones at once.
func (f *front) to(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backend = address
	if address == "" {
		for conn := range f.conns {
			_ = conn.Close()
		}
	}
}

func (f *front) close() {
	_ = f.listener.Close()
	f.to("")
	f.running.Wait()
}

func (f *front) accept() {
	for {
		conn, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			f.running.Go(func() { f.forward(conn) })
		}
	}
}

func (f *front) forward(client net.Conn) {
	defer client.Close() //nolint:errcheck // nothing is to be said to anybody
	node, ok := f.dial(client)
	if !ok {
		return
	}
	defer f.forget(client, node)
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{client, node}, {node, client}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
		})
	}
	both.Wait()
}

func (f *front) dial(client net.Conn) (net.Conn, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.backend == "" {
		return nil, false
	}
	node, err := net.Dial("tcp", f.backend)
	if err != nil {
		return nil, false
	}
	f.conns[client], f.conns[node] = true, true
	return node, true
}

func (f *front) forget(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(f.conns, conn)
	}
}
