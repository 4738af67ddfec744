package opensearch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// process is a running Java program.
type process struct {
	cmd  *exec.Cmd
	log  string
	from int64 // where this run's log begins
	done chan struct{}
	err  error
}

func startProcess(path string, args []string, dir, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	info, err := log.Stat()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test binary that dies leaves no server behind
	p := &process{cmd: cmd, log: logFile, from: info.Size(), done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	return p, <-started
}

// run waits on the thread that forked: the parent-death signal follows that thread, not the process.
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

// said matches the line that Node.java prints once the node serves.
var said = regexp.MustCompile(`(?m)^listening on (\S+)$`)

// listening returns where this run of the node serves HTTP.
func (p *process) listening() (string, error) {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return "", err
	}
	log = log[min(p.from, int64(len(log))):]
	if found := said.FindSubmatch(log); found != nil {
		return string(found[1]), nil
	}
	select {
	case <-p.done:
		return "", fmt.Errorf("OpenSearch ended before it served: %w: %s", p.err, log[max(0, len(log)-2000):])
	default:
		return "", errors.New("OpenSearch does not serve yet")
	}
}

func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has just ended
	select {
	case <-p.done:
		return nil
	case <-time.After(time.Minute):
		p.kill()
		return errors.New("OpenSearch was still there a minute after SIGTERM: killed")
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only if it has just ended
	<-p.done
}
