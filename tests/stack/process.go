package stack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	buildTimeout = 5 * time.Minute
	stopTimeout  = 30 * time.Second
	logTail      = 60 // lines that are shown of each log when the test failed
)

// Build makes the commands, once per call, and gives their folder.
func Build(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "github.com/jeroboam-cloud/jeroboam/cmd/...")
	cmd.WaitDelay = buildTimeout
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the commands: %v\n%s", err, out)
	}
	return dir
}

// Process is a program that runs until it is stopped or the test ends.
type Process struct {
	Name string

	path string
	args []string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// start starts a program whose output goes to a file in dir.
func start(t testing.TB, dir, name, path string, args ...string) *Process {
	t.Helper()
	p := &Process{Name: name, path: path, args: args, log: filepath.Join(dir, name+".log")}
	p.Start(t)
	t.Cleanup(func() {
		p.Stop(t)
		if t.Failed() {
			t.Logf("--- the end of the log of %s:\n%s", name, p.tail())
		}
	})
	return p
}

// Start starts the program, also again after its end.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // the process has its own
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + filepath.Dir(p.log)}
	// It goes with us, also when we are killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", p.Name, err)
	}
	done, cmd := make(chan struct{}), p.cmd
	p.done = done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
}

// Running tells whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the process as a crash would.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	<-p.done
}

// Stop asks the process to end, and fails the test when it does not or was not asked in vain.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if !p.Running() {
		return
	}
	p.signal(t, syscall.SIGTERM)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%s ended with %d after SIGTERM", p.Name, code)
		}
	case <-timer.C:
		t.Errorf("%s does not end within %v of SIGTERM", p.Name, stopTimeout)
		p.Kill(t)
	}
}

func (p *Process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("sending %v to %s: %v", s, p.Name, err)
	}
}

func (p *Process) tail() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimRight(raw, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-logTail):], []byte("\n")))
}

// Log is everything that the process has written.
func (p *Process) Log(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Memory is the resident memory of the process in MiB.
func (p *Process) Memory(t testing.TB) float64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if kB, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kB), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	t.Fatalf("%s has no resident memory", p.Name)
	return 0
}
