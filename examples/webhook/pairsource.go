package main

import (
	"sync"
	"time"
)

// pairSource hands the serving pair to admission.Certificate, which asks for it again and again, and keeps a renewed
// pair back until the API servers trust its CA. Certificate and CA change in the same Secret, but not in the same
// instant everywhere: whoever serves the new certificate first is refused by every API server that has the old bundle.
type pairSource struct {
	load func() (pair, error)
	// host is the name that pairs must be good for; empty for any.
	host string
	// trusted reports whether API servers trust a CA bundle. Nil if nobody here tells them: then it is not waited for.
	trusted func(ca []byte) bool
	now     func() time.Time

	mu            sync.Mutex
	current, next pair
}

// read is for admission.NewCertificate. Half a renewal, such as a new certificate beside the old key or CA, is an error
// that lasts until the other half is there.
func (s *pairSource) read() (cert, key []byte, err error) {
	p, err := s.load()
	if err != nil {
		return nil, nil, err
	}
	if err := p.check(s.now(), s.host); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = p
	if !s.mustWait(p) {
		s.current = p
	}
	return s.current.cert, s.current.key, nil
}

// mustWait reports whether the current pair is the better one to serve. It is not once it comes to its end.
func (s *pairSource) mustWait(next pair) bool {
	if s.trusted == nil || len(s.current.cert) == 0 || s.trusted(next.ca) {
		return false
	}
	return s.current.check(s.now().Add(time.Hour), "") == nil
}

// bundle is what API servers should trust: the CA of the pair that is served, and that of the next one.
func (s *pairSource) bundle() bundle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return parseBundle(s.current.ca).union(parseBundle(s.next.ca))
}
