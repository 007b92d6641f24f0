package redfish

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// QEMU is the program of a machine: Debian's package qemu-system-x86.
const QEMU = "qemu-system-x86_64"

const (
	memory     = 256 // MiB
	answerTime = time.Minute
)

// virtual is a machine that is a process of QEMU's.
type virtual struct {
	folder string
	cmd    *exec.Cmd
	down   chan struct{}
	line   net.Conn // to its monitor
	words  *json.Decoder
}

// Virtual makes a virtual machine that keeps its console in a folder.
func Virtual(folder string) Machine { return &virtual{folder: folder} }

// Console is what a virtual machine with that folder wrote on its serial console, in all its lives.
func Console(folder string) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, "console"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// arguments of a machine. The processor is imitated: where this machine is a virtual one itself there may be a /dev/kvm that
// does not run firmware. The monitor is the descriptor 3.
func arguments(folder string, m Media) []string {
	l := []string{"-nodefaults", "-no-user-config", "-machine", "pc", "-accel", "tcg", "-cpu", "max", "-m", fmt.Sprint(memory), "-display", "none", "-nic", "none",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-chardev", "file,id=console,append=on,path=" + filepath.Join(folder, "console"), "-serial", "chardev:console",
		"-chardev", "socket,id=monitor,fd=3", "-mon", "chardev=monitor,mode=control"}
	drive := func(id, file, device string) {
		if file != "" {
			l = append(l, "-drive", "if=none,format=raw,readonly=on,id="+id+",file="+file, "-device", device+",drive="+id)
		}
	}
	drive("cd", m.CD, "ide-cd,bootindex=1")
	drive("disk", m.Disk, "virtio-blk-pci")
	return l
}

// Start implements Machine. It returns when QEMU has made the machine.
func (v *virtual) Start(m Media) (<-chan struct{}, error) {
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	var said strings.Builder
	cmd := exec.Command(QEMU, arguments(v.folder, m)...)
	cmd.Stderr, cmd.ExtraFiles = &said, []*os.File{theirs}
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	// It goes with us, also when we are killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	down := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is of no interest: power is gone
		_ = ours.Close()
		close(down)
	}()
	v.cmd, v.down, v.line, v.words = cmd, down, ours, json.NewDecoder(ours)
	if err := v.tell("qmp_capabilities"); err != nil {
		err = errors.Join(err, v.Stop())
		return nil, fmt.Errorf("%s does not start: %w: %s", QEMU, err, said.String())
	}
	return down, nil
}

// pair makes a connection to our own child.
func pair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	near, far := os.NewFile(uintptr(fds[0]), "monitor"), os.NewFile(uintptr(fds[1]), "monitor")
	defer near.Close() // the connection has its own
	conn, err := net.FileConn(near)
	if err != nil {
		return nil, nil, errors.Join(err, far.Close())
	}
	return conn, far, nil
}

// tell has the monitor do something, and waits until it has. What else it says in between, its greeting and what happens to
// the machine, is passed over.
func (v *virtual) tell(command string) error {
	err := errors.Join(v.line.SetDeadline(time.Now().Add(answerTime)), json.NewEncoder(v.line).Encode(map[string]string{"execute": command}))
	for err == nil {
		var answer struct {
			Return json.RawMessage        `json:"return"`
			Error  *struct{ Desc string } `json:"error"`
		}
		err = v.words.Decode(&answer)
		switch {
		case err != nil:
		case answer.Error != nil:
			err = errors.New(answer.Error.Desc)
		case answer.Return != nil:
			return nil
		}
	}
	return fmt.Errorf("monitor: %s: %w", command, err)
}

// Stop implements Machine.
func (v *virtual) Stop() error {
	err := v.cmd.Process.Kill()
	<-v.down
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Press implements Machine.
func (v *virtual) Press() error { return v.tell("system_powerdown") }

// Interrupt implements Machine.
func (v *virtual) Interrupt() error { return v.tell("inject-nmi") }
