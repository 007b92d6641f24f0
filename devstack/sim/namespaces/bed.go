// Package namespaces makes real hosts of the servers of a simulated cloud: each is a set of namespaces of this machine, over
// a Debian of its own, in which systemd starts cloud-init with the user data of the server, containerd and the kubelet.
// Their network is real as well: a bridge for each of Neutron's networks, with the addresses, security groups, routes and
// load balancers that the cloud has. It needs root, and nothing from outside of the machine.
//
// What is not as on a machine of its own: the kernel and its settings are those of this machine, hosts cannot load modules,
// the network is there before a host is, since there is no DHCP, and whatever ends a host cuts
// its power: nothing is shut down in order. Load balancers ask no health of their members but whether they listen. Hosts
// have IPv4 only, and one port.
//
// Everything ends with the process, however that ends: hosts are killed by the kernel, and their network lives in namespaces
// that only the process holds. What stays behind then are folders and control groups, which the next bed takes away.
//
//	bed       one cloud's hosts; sweep is about those of beds that are gone
//	host      one host: booted, watched, stopped
//	disk      its file system, and its config drive
//	groups    its control groups
//	console   what it says
//	wires     networks: namespaces, bridges, links
//	filter    security groups as rules of nftables
//	sockets   connections into and out of the networks
//	resolver  what hosts have for DNS
//	volumes   disks of Cinder
//	cloud     the cloud's API and Nova's metadata service, as hosts reach them
package namespaces

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// Options of a bed.
type Options struct {
	// Root is a tree of Debian; Images has, by the image's property kube_version, what lies over it.
	Root   string
	Images map[string]Image
	// Folder is for what hosts write. It lies on the file system of the images.
	Folder string
	// Services are addresses that hosts reach in every network, and where on this machine they lead to.
	Services map[string]string
	// Log gets what is worth to be known; nil: nothing is logged.
	Log *slog.Logger
}

// Image is a host image.
type Image struct {
	Files      string // to be laid over the root
	Containerd string // for /var/lib/containerd
}

// Bed is a hypervisor of such hosts.
type Bed struct {
	options Options
	name    string // of folder and control groups
	folder  string
	lock    *os.File
	groups  groups

	mu     sync.Mutex
	closed bool
	hosts  map[string]*host
	wires  *wires

	volumes *volumes
}

var _ sim.Hypervisor = (*Bed)(nil)

// New makes a bed, after it has swept away those that were left behind.
func New(o Options) (*Bed, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("hosts of namespaces are made by root")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	groups, err := ownGroups()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Folder, 0o711); err != nil {
		return nil, fmt.Errorf("make the folder of the test bed: %w", err)
	}
	if err := sweep(o.Folder, groups); err != nil {
		return nil, err
	}
	b := &Bed{options: o, groups: groups, hosts: map[string]*host{}}
	b.name = prefix + strings.ToLower(rand.Text()[:8])
	b.folder = filepath.Join(o.Folder, b.name)
	if b.lock, err = claim(b.folder); err != nil {
		return nil, err
	}
	b.wires = newWires(o.Log, o.Services, b.metaData)
	b.volumes = newVolumes(b.folder, o.Log, b.process)
	return b, nil
}

func (b *Bed) metaData(hostID string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[hostID]
	if h == nil {
		return nil, fmt.Errorf("there is no host %s", hostID)
	}
	return metaData(h.machine)
}

// Connect implements sim.Hypervisor.
func (b *Bed) Connect(p sim.Picture) {
	b.wires.show(p)
	b.volumes.show(p)
}

// process is the first one of a host that runs.
func (b *Bed) process(hostID string) (pid int, on bool) {
	b.mu.Lock()
	h := b.hosts[hostID]
	b.mu.Unlock()
	if h == nil {
		return 0, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// Before its first process is systemd, its file system is the machine's own.
	if h.process == nil || !isSystemd(h.process.Pid) {
		return 0, false
	}
	return h.process.Pid, true
}

// Boot implements sim.Hypervisor.
func (b *Bed) Boot(ctx context.Context, machine kube.Host, plumbing sim.Plumbing) (sim.Guest, error) {
	version := machine.Image["kube_version"]
	image, there := b.options.Images[version]
	if !there {
		return nil, fmt.Errorf("there is no host image with Kubernetes %q", version)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errors.New("the test bed is closed")
	}
	b.wires.serve(plumbing)
	h, err := newHost(b, machine, image, plumbing)
	if err != nil {
		return nil, err
	}
	b.hosts[machine.ID] = h
	h.start(ctx)
	return h, nil
}

// Forget implements sim.Hypervisor.
func (b *Bed) Forget(hostID string) {
	b.mu.Lock()
	h := b.hosts[hostID]
	delete(b.hosts, hostID)
	b.mu.Unlock()
	if h == nil {
		return
	}
	// The folder has another name at once, since a host that is rebuilt boots right away.
	doomed := filepath.Join(b.folder, "doomed-"+rand.Text())
	if err := os.Rename(h.folder(), doomed); err != nil {
		b.options.Log.Warn("a disk stays behind", "server", hostID, "error", err)
		return
	}
	go func() {
		if err := os.RemoveAll(doomed); err != nil {
			b.options.Log.Warn("a disk stays behind", "server", hostID, "error", err)
		}
	}()
}

// Panic lets the kernel of a host panic: nothing of it answers any more, and the cloud does not notice. It comes back by a
// reboot, with what was on its disk.
func (b *Bed) Panic(hostID string) error {
	b.mu.Lock()
	h := b.hosts[hostID]
	b.mu.Unlock()
	if h == nil {
		return fmt.Errorf("there is no host %s", hostID)
	}
	h.panics()
	return nil
}

// Command is one that runs on a host that is on, as root.
func (b *Bed) Command(ctx context.Context, hostID string, command ...string) (*exec.Cmd, error) {
	pid, on := b.process(hostID)
	if !on {
		return nil, fmt.Errorf("host %s does not run", hostID)
	}
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}, command...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C"}
	return cmd, nil
}

func isSystemd(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && string(name) == "systemd\n"
}

// Close implements sim.Hypervisor.
func (b *Bed) Close() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.closed = true
	hosts := b.hosts
	b.hosts = map[string]*host{}
	b.mu.Unlock()
	for _, h := range hosts {
		h.Stop()
	}
	b.volumes.close()
	b.wires.close()
	if err := b.groups.remove(b.name); err != nil {
		b.options.Log.Warn("control groups stay behind", "error", err)
	}
	if err := os.RemoveAll(b.folder); err != nil {
		b.options.Log.Warn("disks stay behind", "error", err)
	}
	_ = b.lock.Close()
}
