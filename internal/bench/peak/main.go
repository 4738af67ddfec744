// Command peak runs a command and writes its CPU time in nanoseconds and its peak of resident memory in bytes to file
// descriptor 3.
//
// A process inherits the peak of the one that starts it, so a large one can't measure what it starts; this one is small.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	state := cmd.ProcessState
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		os.Exit(1)
	}
	_, err := fmt.Fprintln(os.NewFile(3, "result"), int64(state.UserTime()+state.SystemTime()), usage.Maxrss<<10)
	if err != nil {
		os.Exit(1)
	}
}
