package namespaces

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

//go:embed boot.sh
var bootScript string

// host is one that is on, or was.
type host struct {
	bed      *Bed
	machine  kube.Host
	image    Image
	plumbing sim.Plumbing
	console  *console
	cancel   context.CancelFunc
	done     chan struct{} // closed when nothing of it runs any more

	mu       sync.Mutex
	process  *os.Process // the first one
	panicked bool
}

func newHost(b *Bed, machine kube.Host, image Image, plumbing sim.Plumbing) (*host, error) {
	c, err := openConsole()
	if err != nil {
		return nil, err
	}
	return &host{bed: b, machine: machine, image: image, plumbing: plumbing, console: c, done: make(chan struct{})}, nil
}

func (h *host) folder() string { return filepath.Join(h.bed.folder, h.machine.ID) }

// start boots the host; what goes wrong stands on its console.
func (h *host) start(ctx context.Context) {
	ctx, h.cancel = context.WithCancel(ctx)
	go func() {
		defer close(h.done)
		defer h.console.close()
		if err := h.run(ctx); err != nil && ctx.Err() == nil {
			h.console.say("the host does not run: " + err.Error())
			h.bed.options.Log.Error("host does not run", "server", h.machine.Name, "error", err)
		}
	}()
}

// run is the life of the host.
func (h *host) run(ctx context.Context) error {
	d := disk{h.folder()}
	if err := d.fill(h.machine, h.image); err != nil {
		return err
	}
	groups, err := h.bed.groups.make(h.bed.name, h.machine.ID)
	if err != nil {
		return err
	}
	defer func() {
		if err := h.bed.groups.remove(h.bed.name, h.machine.ID); err != nil {
			h.bed.options.Log.Warn("control groups stay behind", "server", h.machine.Name, "error", err)
		}
	}()
	ports, err := h.bed.wires.portsOf(h.machine.ID)
	if err != nil {
		return err
	}
	// The kernel kills the host when the thread that started it ends, so this one stays with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, ready, err := h.command(ctx, d, groups, ports[0])
	if err != nil {
		return err
	}
	defer ready.Close()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the first process: %w", err)
	}
	h.mu.Lock()
	h.process = cmd.Process
	h.mu.Unlock()
	err = h.bed.wires.plug(ports[0], cmd.Process.Pid)
	if err != nil {
		h.cancel()
	} else {
		_, err = ready.Write([]byte("\n"))
		stop := h.watchSockets(ports[0], cmd.Process.Pid)
		defer stop()
	}
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	h.mu.Lock()
	panicked := h.panicked
	h.mu.Unlock()
	if panicked {
		h.console.say("Kernel panic - not syncing: it was asked for")
		<-ctx.Done() // dead, but the cloud has it on
		return nil
	}
	return err
}

func (h *host) command(ctx context.Context, d disk, groups []string, port sim.PicturePort) (*exec.Cmd, *os.File, error) {
	wait, ready, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	var own, addresses []string
	for name, place := range ownFolders() {
		own = append(own, name+"="+place)
	}
	for _, a := range port.Addresses {
		addresses = append(addresses, a.String())
	}
	gateway := ""
	if port.Gateway.IsValid() {
		gateway = port.Gateway.String()
	}
	cmd := exec.CommandContext(ctx, "/bin/bash", "-c", bootScript)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = h.console.tty, h.console.tty, h.console.tty
	cmd.ExtraFiles = []*os.File{wait}
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "ROOT=" + h.bed.options.Root, "IMAGE=" + h.image.Files, "DISK=" + d.folder, "OWN=" + strings.Join(own, " "),
		"CONSOLE=" + h.console.tty.Name(), "GROUPS_OF=" + strings.Join(groups, " "), "NAME=" + h.machine.Name, "MAC=" + port.MAC,
		"ADDRESSES=" + strings.Join(addresses, " "), "GATEWAY=" + gateway,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL, Setsid: true,
	}
	return cmd, ready, nil
}

// Take implements sim.Taker.
func (h *host) Take(port int) func(net.Conn) {
	return func(near net.Conn) {
		ports, err := h.bed.wires.portsOf(h.machine.ID)
		if err != nil {
			_ = near.Close()
			return
		}
		h.acceptor(ports[0], port)(near)
	}
}

// Stop implements sim.Guest.
func (h *host) Stop() {
	h.cancel()
	<-h.done
}

// Console implements sim.Guest.
func (h *host) Console() []string { return h.console.last() }

func (h *host) panics() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.panicked = true
	if h.process != nil {
		_ = h.process.Kill()
	}
}
