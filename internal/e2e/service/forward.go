package service

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// accept forwards connections until the listener is closed.
func (s *Service) accept() {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the client has gone already
		}
		s.running.Go(func() { s.forward(conn.(*net.TCPConn)) })
	}
}

// forward picks a backend for a connection, once, and copies until both sides are done. Nothing is
// tried twice: kube-proxy rewrites addresses and does not know whether anybody answers there.
func (s *Service) forward(client *net.TCPConn) {
	backend, err := s.dial()
	s.count(backend, err)
	if err != nil {
		reset(client)
		return
	}
	if !s.track(client, backend) {
		return
	}
	defer s.untrack(client, backend)
	var both sync.WaitGroup
	both.Go(func() { pipe(backend, client) })
	both.Go(func() { pipe(client, backend) })
	both.Wait()
}

func (s *Service) dial() (*net.TCPConn, error) {
	s.mu.Lock()
	addr, ok := s.table.pick(time.Now())
	s.mu.Unlock()
	if !ok {
		return nil, errors.New("no backend is ready")
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

func (s *Service) count(backend *net.TCPConn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.counts.Refused++
		return
	}
	s.counts.Forwarded[backend.RemoteAddr().String()]++
}

// pipe copies what from sends to to, and passes on how it ended.
func pipe(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		reset(to)
		reset(from)
		return
	}
	_ = to.CloseWrite() // an error means that to has gone, which the other pipe notices
}

// reset closes a connection so that the peer sees an error and not an orderly end, as it would if
// there were no load balancer in between.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// track remembers the connections so that Close can cut them. If Close was first, it closes them and
// returns false.
func (s *Service) track(conns ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		for _, conn := range conns {
			_ = conn.Close()
		}
		return false
	}
	for _, conn := range conns {
		s.conns[conn] = true
	}
	return true
}

func (s *Service) untrack(conns ...net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(s.conns, conn)
	}
}
