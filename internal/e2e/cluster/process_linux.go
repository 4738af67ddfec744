package cluster

import "syscall"

// childAttr has the kernel kill the child when the test binary dies in whatever way, so that a
// crash or a timeout leaves no control plane behind.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
