//go:build !linux

package cgroupview

func (r *Reader) notifier() notifier { return poll{} }
