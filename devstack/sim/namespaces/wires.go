package namespaces

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

const bridge = "br0"

// wires are the networks. A worker makes them what the last picture shows; mu guards the fields, and work goes on with it
// held, since hosts that boot wait for their network anyhow.
type wires struct {
	log      *slog.Logger
	services map[string]string // of addresses that hosts reach, where they lead to
	meta     func(hostID string) ([]byte, error)
	wake     chan struct{} // has a token when there is something new
	end      chan struct{}
	ended    chan struct{}
	plumbing sim.Plumbing // set before there is anything that needs it

	latest struct {
		sync.Mutex
		picture sim.Picture
	}
	mu       sync.Mutex
	networks map[string]*network
}

func newWires(log *slog.Logger, services map[string]string, meta func(hostID string) ([]byte, error)) *wires {
	w := &wires{log: log, services: services, meta: meta, wake: make(chan struct{}, 1), end: make(chan struct{}), ended: make(chan struct{}), networks: map[string]*network{}}
	go w.work()
	return w
}

// serve says who carries connections to load balancers.
func (w *wires) serve(p sim.Plumbing) {
	w.latest.Lock()
	defer w.latest.Unlock()
	w.plumbing = p
}

func (w *wires) show(p sim.Picture) {
	w.latest.Lock()
	w.latest.picture = p
	w.latest.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *wires) work() {
	defer close(w.ended)
	for {
		select {
		case <-w.end:
			return
		case <-w.wake:
		}
		if err := w.apply(); err != nil {
			w.log.Error("the network is not what the cloud wants", "error", err)
		}
	}
}

func (w *wires) picture() (sim.Picture, sim.Plumbing) {
	w.latest.Lock()
	defer w.latest.Unlock()
	return w.latest.picture, w.plumbing
}

// portsOf tells a host's ports.
func (w *wires) portsOf(hostID string) ([]sim.PicturePort, error) {
	picture, _ := w.picture()
	var out []sim.PicturePort
	for _, p := range picture.Ports {
		if p.Host == hostID && len(p.Addresses) > 0 {
			out = append(out, p)
		}
	}
	if len(out) != 1 {
		return nil, fmt.Errorf("a host of namespaces has one port with an address, this one %d", len(out))
	}
	return out, nil
}

// plug links a host with its network.
func (w *wires) plug(p sim.PicturePort, pid int) error {
	if err := w.apply(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.networks[p.Network]
	if n == nil {
		return fmt.Errorf("network %s is not one that hosts of namespaces can be on", p.Network)
	}
	return n.plug(p, pid)
}

// apply makes the networks what the last picture shows. Those that are gone go.
func (w *wires) apply() error {
	picture, plumbing := w.picture()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.networks == nil {
		return errors.New("the networks are closed")
	}
	var errs []error
	wanted := map[string]bool{}
	for _, p := range picture.Networks {
		wanted[p.ID] = true
		ports := slices.DeleteFunc(slices.Clone(picture.Ports), func(x sim.PicturePort) bool { return x.Network != p.ID })
		n := w.networks[p.ID]
		if n == nil {
			if len(ports) == 0 {
				continue // nobody is on it yet
			}
			var err error
			if n, err = newNetwork(p.ID); err != nil {
				errs = append(errs, err)
				continue
			}
			w.networks[p.ID] = n
		}
		errs = append(errs, n.apply(p, ports, plumbing))
		if n.cloud == nil && plumbing != nil {
			errs = append(errs, n.offer(plumbing, w.services, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.tell(n.id, rw, r) })))
		}
	}
	for id, n := range w.networks {
		if !wanted[id] {
			n.close()
			delete(w.networks, id)
		}
	}
	return errors.Join(errs...)
}

// dial connects to an address from within a network.
func (w *wires) dial(networkID string, to netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	n := w.networks[networkID]
	w.mu.Unlock()
	if n == nil {
		return nil, fmt.Errorf("there is no network %s", networkID)
	}
	return n.dial(to)
}

func (w *wires) close() {
	close(w.end)
	<-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.networks {
		n.close()
	}
	w.networks = nil
}

// network is one of Neutron's: a namespace with a bridge, which is switch and router in one. Only this process holds it.
type network struct {
	id        string
	namespace *os.File
	filter    string
	addresses map[netip.Prefix]bool // of the bridge
	routes    map[sim.PictureRoute]bool
	balancers map[netip.AddrPort]net.Listener
	resolvers map[netip.Addr]net.PacketConn // by the gateway's address
	cloud     []net.Listener                // where hosts reach the cloud; none: nowhere yet
}

func newNetwork(id string) (*network, error) {
	namespace, err := newNamespace()
	if err != nil {
		return nil, fmt.Errorf("make network %s: %w", id, err)
	}
	n := &network{id: id, namespace: namespace, addresses: map[netip.Prefix]bool{}, routes: map[sim.PictureRoute]bool{}, balancers: map[netip.AddrPort]net.Listener{}, resolvers: map[netip.Addr]net.PacketConn{}}
	err = n.ip("link set lo up", "link add "+bridge+" type bridge forward_delay 0", "link set "+bridge+" up")
	if err == nil {
		// what crosses the bridge is seen by the filter, which knows connections
		err = n.inside(func() error {
			return errors.Join(os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644), os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("1"), 0o644))
		})
	}
	if err != nil {
		n.close()
		return nil, fmt.Errorf("make network %s: %w", id, err)
	}
	return n, nil
}

// newNamespace makes a network namespace that lives as long as the file is open.
func newNamespace() (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{nil, err}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		made <- result{f, err}
	}()
	r := <-made
	return r.file, r.err
}

// inside runs f on a thread that is in the namespace. Sockets that it opens stay there.
func (n *network) inside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Setns(int(n.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// ip runs commands of iproute2 in the namespace.
func (n *network) ip(commands ...string) error {
	if len(commands) == 0 {
		return nil
	}
	return n.run(strings.Join(commands, "\n")+"\n", "ip", "-batch", "-")
}

func (n *network) run(input string, program string, args ...string) error {
	cmd := exec.Command("nsenter", append([]string{"--net=/proc/self/fd/3", program}, args...)...)
	cmd.ExtraFiles, cmd.Stdin = []*os.File{n.namespace}, strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(out))
	}
	return nil
}

func (n *network) plug(p sim.PicturePort, pid int) error {
	link := linkName(p)
	// one of a host that was on before may not be gone yet
	_ = n.ip("link delete " + link)
	return n.ip(fmt.Sprintf("link add %s type veth peer name eth0 netns %d", link, pid), "link set "+link+" master "+bridge, "link set "+link+" up")
}

// apply makes the network what the picture shows.
func (n *network) apply(p sim.PictureNetwork, ports []sim.PicturePort, plumbing sim.Plumbing) error {
	addresses, routes, balancers := map[netip.Prefix]bool{}, map[sim.PictureRoute]bool{}, map[netip.AddrPort]bool{}
	for _, a := range p.Gateways {
		addresses[a] = true
	}
	for _, at := range p.Balancers {
		addresses[netip.PrefixFrom(at.Addr(), at.Addr().BitLen())] = true
		balancers[at] = true
	}
	for _, r := range p.Routes {
		routes[r] = true
	}
	var errs []error
	for at, l := range n.balancers {
		if !balancers[at] {
			_ = l.Close()
			delete(n.balancers, at)
		}
	}
	errs = append(errs, change(n, n.addresses, addresses, "address", func(a netip.Prefix) string { return a.String() + " dev " + bridge }),
		change(n, n.routes, routes, "route", func(r sim.PictureRoute) string {
			return r.To.String() + " via " + r.Via.String() + " dev " + bridge + " onlink"
		}))
	for _, a := range p.Gateways {
		if n.resolvers[a.Addr()] == nil {
			errs = append(errs, n.resolve(a.Addr()))
		}
	}
	for at := range balancers {
		if n.balancers[at] == nil {
			errs = append(errs, n.balance(at, plumbing))
		}
	}
	if f := filter(ports); f != n.filter {
		if err := n.run(f, "nft", "-f", "-"); err != nil {
			errs = append(errs, err)
		} else {
			n.filter = f
		}
	}
	return errors.Join(errs...)
}

// change makes what there is of one kind what there should be.
func change[K comparable](n *network, have, want map[K]bool, kind string, text func(K) string) error {
	var errs []error
	for x := range have {
		if !want[x] {
			errs = append(errs, n.ip(kind+" delete "+text(x)))
			delete(have, x)
		}
	}
	for x := range want {
		if have[x] {
			continue
		}
		if err := n.ip(kind + " replace " + text(x)); err != nil {
			errs = append(errs, err)
			continue
		}
		have[x] = true
	}
	return errors.Join(errs...)
}

func (n *network) close() {
	for _, l := range n.balancers {
		_ = l.Close()
	}
	for _, c := range n.resolvers {
		_ = c.Close()
	}
	for _, l := range n.cloud {
		_ = l.Close()
	}
	_ = n.namespace.Close()
}
