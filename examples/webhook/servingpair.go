package main

import (
	"os"
	"time"
)

// findPairs decides where the serving pair comes from.
func (s *service) findPairs() error {
	o := s.options
	s.pairs = &pairSource{now: time.Now}
	if o.files.cert != "" {
		s.pairs.load = func() (pair, error) { return readPair(o.files.ca, o.files.cert, o.files.key) }
		if o.install || o.target.url != "" {
			s.pairs.host = o.target.host()
		}
		return nil
	}
	p, err := s.makePair()
	if err != nil {
		return err
	}
	s.made = true
	s.pairs.load = func() (pair, error) { return p, nil }
	return nil
}

// madeFor is how long a pair that is made at a start is valid, and renewBefore how long one that is kept must last.
const (
	madeFor     = 365 * 24 * time.Hour
	renewBefore = 30 * 24 * time.Hour
)

// makePair makes a pair, or takes that of an earlier start.
func (s *service) makePair() (pair, error) {
	names := s.options.target.names()
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	if s.options.certDir == "" {
		return newPair(time.Now(), madeFor, names)
	}
	kept, err := readPairFrom(s.options.certDir)
	if err == nil {
		if err = kept.lasts(names); err == nil {
			return kept, nil
		}
		s.log.Info("a new certificate is made", "directory", s.options.certDir, "reason", err)
	} else if !os.IsNotExist(err) {
		return pair{}, err
	}
	p, err := newPair(time.Now(), madeFor, names)
	if err != nil {
		return pair{}, err
	}
	return p, p.write(s.options.certDir)
}

// lasts says why a pair should be replaced.
func (p pair) lasts(names []string) error {
	for _, name := range names {
		if err := p.check(time.Now().Add(renewBefore), name); err != nil {
			return err
		}
	}
	return nil
}
