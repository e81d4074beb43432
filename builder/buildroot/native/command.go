package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killDelay is how long a killed command's output pipe may stay open. All writers died with the namespace; this only bounds a kernel's delay.
const killDelay = 5 * time.Second

// exitError is a command that ran and did not end with status 0.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// signal is the name of the signal that ended the command, "" if it ended by itself.
func (e *exitError) signal() string {
	if e.code > 128 && e.code < 128+65 {
		return unix.SignalName(syscall.Signal(e.code - 128))
	}
	return ""
}

// run executes one job in fresh namespaces: always mount, PID, IPC and UTS; the network too unless network is set.
// It returns when every process of the job is gone. The error is an *exitError if the command itself failed.
// Canceling ctx kills the namespace's first process and so all of them; the result is then ctx's error.
func (b *Backend) run(ctx context.Context, j job, network bool, out io.Writer) error {
	data, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("encode the job: %w", err)
	}
	spec, err := memoryFile(data)
	if err != nil {
		return err
	}
	defer spec.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer errR.Close()

	flags := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS)
	if !network {
		flags |= unix.CLONE_NEWNET
	}
	cmd := exec.CommandContext(ctx, b.program, InitVerb)
	cmd.Env = []string{} // nothing of the daemon's environment is to be found in /proc/1
	cmd.Stdout, cmd.Stderr = out, out
	if j.Take != nil {
		cmd.Stderr = nil // the output is data
	}
	cmd.ExtraFiles = []*os.File{spec, errW}
	cmd.WaitDelay = killDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL, Setsid: true}

	// The death signal is sent when the *thread* that forked ends, so that thread stays until the child is done.
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		close(started)
		if err == nil {
			err = cmd.Wait()
		}
		done <- err
	}()
	<-started
	errW.Close()
	setup, _ := io.ReadAll(io.LimitReader(errR, maxSetupError))
	err = <-done

	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(setup) > 0 && j.Take != nil {
		return errors.New(strings.TrimSpace(string(setup)))
	}
	if len(setup) > 0 {
		return errors.New("prepare the root: " + strings.TrimSpace(string(setup)))
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.Exited():
		return &exitError{exit.ExitCode()}
	default:
		return fmt.Errorf("run %q: %w", j.Argv, err)
	}
}

// maxSetupError bounds the error text that Init reports.
const maxSetupError = 64 << 10

// memoryFile is an unnamed file with data, read from its start.
func memoryFile(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("job", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "job")
	if _, err = f.Write(data); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write a memory file: %w", err)
	}
	return f, nil
}
