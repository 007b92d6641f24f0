// Package kube simulates what runs on the servers of a simulated cloud: a host reads its user data as cloud-init does,
// strictly; initializes or joins a cluster as kubeadm does; and, as a control plane, serves the Kubernetes API over TLS
// with the cluster's own CA. Nothing of the project is imported, since this is the independent check of what it renders.
//
// A host that cannot make sense of its user data never becomes a node; its console says why, in the words of cloud-init,
// kubeadm or the kubelet.
package kube

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// Host is a server at the moment that it is switched on.
type Host struct {
	ID       string   // of the server; becomes the node's systemUUID
	Name     string   // the host name unless the user data has another
	FixedIPs []string // of its ports, the first one is the node's
	// UserData is what the metadata service hands out: decoded, possibly gzipped.
	UserData []byte
	MetaData map[string]string // of the server
	// Image has the properties of the image. kube_version is the version of its kubeadm, kubelet and containers; without
	// it the image has none of them. architecture and os_distro show up in the node's status.
	Image map[string]string
}

// Fabric is the network between hosts. The address of Dial is "host:port" as a process on the host would use it: a
// fixed IP, a load balancer's VIP, a floating IP, the host's own addresses included.
//
// All hosts on a Fabric share its Clusters, so an implementation has to embed that type.
type Fabric interface {
	// Dial connects from a host to an address.
	Dial(ctx context.Context, fromHostID, address string) (net.Conn, error)
	// Listen has accept called, on its own goroutine or not, for every connection that reaches the port of the host, from
	// now until close is called. accept does not block.
	Listen(hostID string, port int, accept func(net.Conn)) (close func())

	memory() *Clusters
}

// Clock is the cloud's time, which may run faster than the wall's.
type Clock interface {
	// Now is the time of day. It does not lag behind the wall clock, by which clients check certificates; it need not go at
	// the pace of Sleep.
	Now() time.Time
	// Sleep returns ctx's error when that is done first.
	Sleep(ctx context.Context, d time.Duration) error
}

// The states of a Node.
const (
	StateBooting      = "booting"      // the operating system and cloud-init are at work
	StateInitializing = "initializing" // kubeadm init
	StateJoining      = "joining"      // kubeadm join, which is retried for ever if the bootstrap script loops
	StateReady        = "ready"        // its Node object is there and Ready
	StateFailed       = "failed"       // it will never be a node; Console says why
)

// consoleLines is how much of the console is kept: as Nova's console log, its end.
const consoleLines = 500

// Node is a running host.
type Node struct {
	host   Host
	fabric Fabric
	clock  Clock
	cancel context.CancelFunc
	done   chan struct{}
	tasks  sync.WaitGroup
	spawn  func(func(context.Context)) // runs something while the host is on

	mu      sync.Mutex
	ended   bool // nothing is spawned any more
	state   string
	console []string
	closers []func()
}

// Boot switches a host on. It returns at once; the host runs until Stop is called or ctx is done, so ctx must be the
// cloud's and not that of a request. A host that was on before, and whose disk Clusters.Forget has not been told about,
// comes back as what it was, without reading its user data again. The error is about the arguments only.
func Boot(ctx context.Context, host Host, fabric Fabric, clock Clock) (*Node, error) {
	if host.ID == "" || host.Name == "" {
		return nil, errors.New("boot host: it has no id or no name")
	}
	if fabric == nil || clock == nil {
		return nil, errors.New("boot host: it has no fabric or no clock")
	}
	host.FixedIPs = slices.Clone(host.FixedIPs)
	host.Image = maps.Clone(host.Image)
	ctx, cancel := context.WithCancel(ctx)
	n := &Node{host: host, fabric: fabric, clock: clock, cancel: cancel, done: make(chan struct{}), state: StateBooting}
	go func() {
		defer close(n.done)
		defer n.powerOff()
		n.run(ctx)
	}()
	return n, nil
}

// Stop cuts the power and returns when nothing of the host runs any more. It may be called again.
func (n *Node) Stop() {
	n.cancel()
	<-n.done
}

// Console returns the last lines of the host's console.
func (n *Node) Console() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.console)
}

// State returns one of the State constants. A stopped host keeps its last state.
func (n *Node) State() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state
}

func (n *Node) become(state string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = state
}

// say writes a line to the console; the same line twice in a row is written once, or retries would push out the cause.
func (n *Node) say(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if k := len(n.console); k > 0 && n.console[k-1] == line {
		return
	}
	n.console = append(n.console, line)
	if extra := len(n.console) - consoleLines; extra > 0 {
		n.console = slices.Delete(n.console, 0, extra)
	}
}

// onPowerOff remembers what ends with the host, in reverse order.
func (n *Node) onPowerOff(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closers = append(n.closers, f)
}

func (n *Node) powerOff() {
	n.mu.Lock()
	closers := n.closers
	n.closers = nil
	n.mu.Unlock()
	for _, f := range slices.Backward(closers) {
		f()
	}
}
