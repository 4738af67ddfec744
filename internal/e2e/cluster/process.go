package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a running child.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the child was waited for
	err  error         // how it ended; read only after done
}

// startProcess runs path with its output appended to logFile.
func startProcess(path string, args []string, dir, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttr()

	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run starts the child and waits for it on one operating-system thread. The parent-death signal
// follows the thread that forked, not the process, so that thread has to live as long as the child.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// stop asks the child to end, kills it if it has not within grace, and returns only when it is gone.
func (p *process) stop(grace time.Duration) error {
	select {
	case <-p.done:
		return fmt.Errorf("had already ended: %w", p.exitError())
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has just ended, which done tells
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
		p.kill()
		return fmt.Errorf("still running %s after SIGTERM: killed", grace)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only if it has just ended
	<-p.done
}

// exitError tells how a child ended that should not have.
func (p *process) exitError() error {
	if p.err != nil {
		return p.err
	}
	return fmt.Errorf("exit status 0")
}
