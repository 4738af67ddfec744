package bolt

// bitset is a set of page numbers whose memory is proportional to what is in it, not to the largest number.
type bitset map[uint64]*[64]uint64

// add reports whether n was missing.
func (s bitset) add(n uint64) bool {
	chunk := s[n>>12]
	if chunk == nil {
		chunk = new([64]uint64)
		s[n>>12] = chunk
	}
	word, bit := &chunk[n>>6&63], uint64(1)<<(n&63)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

func (s bitset) has(n uint64) bool {
	chunk := s[n>>12]
	return chunk != nil && chunk[n>>6&63]&(1<<(n&63)) != 0
}
