// Command drain is the first process of a log shipper's container whose image has no shell: see Wrapper of
// sidecar.Filebeat. Its arguments are the seconds to drain, and the shipper with its own arguments.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: drain SECONDS PROGRAM [ARGUMENT...]")
		os.Exit(2)
	}
	seconds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "drain:", err)
		os.Exit(2)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	drain(time.Duration(seconds)*time.Second, signals, os.Args[2:])
}

// drain returns when the shipper has ended after a signal and the time to drain.
func drain(wait time.Duration, signals <-chan os.Signal, command []string) {
	var over <-chan time.Time // once a signal has come
	for {
		shipper, ended := start(command)
		for running := true; running; {
			select {
			case <-signals:
				if over == nil {
					over = time.After(wait)
				}
			case <-over:
				stop(shipper, ended)
				return
			case <-ended:
				running = false
			}
		}
		select { // it crashed
		case <-time.After(time.Second):
		case <-over:
			return
		}
	}
}

// start starts the shipper and returns a channel that is closed when it has ended. One that can't be started has.
func start(command []string) (*exec.Cmd, <-chan struct{}) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	ended := make(chan struct{})
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "drain:", err)
		close(ended)
		return cmd, ended
	}
	go func() {
		defer close(ended)
		_ = cmd.Wait() // however it ended, it is started again
	}()
	return cmd, ended
}

func stop(shipper *exec.Cmd, ended <-chan struct{}) {
	if shipper.Process != nil {
		_ = shipper.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	<-ended
}
