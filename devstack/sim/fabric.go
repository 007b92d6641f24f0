package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// fabric is the network between the hosts, and from this machine to them. Everything in it is guarded by Cloud.mu.
type fabric struct {
	kube.Clusters
	cloud     *Cloud
	listening map[string]map[int]func(net.Conn) // by server and TCP port
	turns     map[string]int                    // of load balancing, by pool
	sockets   map[netip.Addr]map[int]*socket
	reserved  map[netip.Addr]net.PacketConn
}

var _ kube.Fabric = (*fabric)(nil)

func newFabric(c *Cloud) *fabric {
	return &fabric{
		cloud: c, listening: map[string]map[int]func(net.Conn){}, turns: map[string]int{},
		sockets: map[netip.Addr]map[int]*socket{}, reserved: map[netip.Addr]net.PacketConn{},
	}
}

var (
	errRefused = fmt.Errorf("connect: %w", syscall.ECONNREFUSED)
	errNoRoute = fmt.Errorf("connect: %w", syscall.EHOSTUNREACH)
	errTimeout = fmt.Errorf("connect: %w", syscall.ETIMEDOUT) // what a security group does not let through
)

// Listen implements kube.Fabric.
func (f *fabric) Listen(hostID string, port int, accept func(net.Conn)) func() {
	f.cloud.mu.Lock()
	defer f.cloud.mu.Unlock()
	if f.listening[hostID] == nil {
		f.listening[hostID] = map[int]func(net.Conn){}
	}
	f.listening[hostID][port] = accept
	f.hostChanged(hostID)
	return func() {
		f.cloud.mu.Lock()
		defer f.cloud.mu.Unlock()
		delete(f.listening[hostID], port)
		if len(f.listening[hostID]) == 0 {
			delete(f.listening, hostID)
		}
		f.hostChanged(hostID)
	}
}

func (f *fabric) hostChanged(hostID string) {
	for _, p := range f.cloud.portsAt(hostID) {
		f.portChanged(p)
	}
}

// Dial implements kube.Fabric.
func (f *fabric) Dial(ctx context.Context, fromHostID, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	accept, err := f.resolve(fromHostID, address)
	if err != nil {
		return nil, fmt.Errorf("dial tcp %s: %w", address, err)
	}
	near, far := net.Pipe()
	accept(far)
	return near, nil
}

// resolve finds who gets a connection from a host to an address.
func (f *fabric) resolve(fromHostID, address string) (func(net.Conn), error) {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	to, err := netip.ParseAddr(host)
	if err != nil {
		return nil, errors.New("no such host")
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	f.cloud.mu.Lock()
	defer f.cloud.mu.Unlock()
	for _, from := range f.cloud.portsAt(fromHostID) {
		for _, ip := range from.doc.docs("fixed_ips") {
			source, _ := netip.ParseAddr(ip.str("ip_address"))
			if source == to || to.IsLoopback() && f.cloud.outsideSubnet(to) == nil {
				return f.local(fromHostID, port)
			}
			if target := f.reach(ip.str("subnet_id"), to); target != nil {
				return f.route(target, port, from, source)
			}
		}
	}
	return nil, errNoRoute
}

func (f *fabric) local(hostID string, port int) (func(net.Conn), error) {
	if accept := f.listening[hostID][port]; accept != nil {
		return accept, nil
	}
	if taker, ok := f.cloud.nodes[hostID].(Taker); ok && port >= firstNodePort && port <= lastNodePort {
		return taker.Take(port), nil
	}
	return nil, errRefused
}

// reach finds the port that has an address, as seen from a subnet: in it, behind its gateway, or outside of that.
func (f *fabric) reach(subnetID string, to netip.Addr) *object {
	c := f.cloud
	if owner := c.addresses[subnetID][to]; owner != "" {
		return c.portOf(owner)
	}
	subnet := c.get("subnet", subnetID)
	if subnet == nil {
		return nil
	}
	gateway, err := netip.ParseAddr(subnet.doc.str("gateway_ip"))
	if err != nil {
		return nil
	}
	inside := c.get("port", c.addresses[subnetID][gateway])
	if inside == nil {
		return nil
	}
	router := c.get("router", inside.doc.str("device_id"))
	if router == nil {
		return nil
	}
	for _, p := range c.interfaces(router) {
		if owner := c.addresses[subnetOf(p)][to]; owner != "" {
			return c.portOf(owner)
		}
	}
	if outside := c.outsideSubnet(to); outside != nil && c.gatewayPort(router) != nil {
		return c.portOf(c.addresses[outside.id][to])
	}
	return nil
}

// portOf is the port that an owner of an address stands for: itself, or what a floating IP points to.
func (c *Cloud) portOf(owner string) *object {
	if f := c.get("floatingip", owner); f != nil {
		return c.get("port", f.doc.str("port_id"))
	}
	return c.get("port", owner)
}

// outsideSubnet is the subnet with an address that this machine reaches, nil for all others.
func (c *Cloud) outsideSubnet(a netip.Addr) *object {
	if !a.IsLoopback() {
		return nil
	}
	order := c.table("subnet").order // the seeded ones are the first
	for _, s := range order[:min(2, len(order))] {
		if cidrOf(s).Contains(a) {
			return s
		}
	}
	return nil
}

// route finds who gets a connection to a port of Neutron. from is nil for the outside.
func (f *fabric) route(target *object, port int, from *object, source netip.Addr) (func(net.Conn), error) {
	if lb := f.cloud.get("load_balancer", target.doc.str("_lb")); lb != nil {
		return f.balance(lb, target, port, source)
	}
	if !f.cloud.admitted(target, port, from, source) {
		return nil, errTimeout
	}
	return f.local(hostOf(target), port)
}

// balance hands a connection to the next member of the listener's pool that answers.
func (f *fabric) balance(lb, vip *object, port int, source netip.Addr) (func(net.Conn), error) {
	listener := f.cloud.listenerAt(lb, port)
	if listener == nil {
		return nil, errRefused
	}
	if cidrs := listener.doc.strs("allowed_cidrs"); len(cidrs) > 0 && !slices.ContainsFunc(cidrs, func(cidr string) bool {
		p, err := netip.ParsePrefix(cidr)
		return err == nil && p.Contains(source)
	}) {
		return nil, errTimeout
	}
	members := f.cloud.poolMembers(listener.doc.str("default_pool_id"))
	pool := listener.doc.str("default_pool_id")
	for range members {
		f.turns[pool]++
		m := members[f.turns[pool]%len(members)]
		if accept := f.memberTarget(lb, vip, m); accept != nil {
			return accept, nil
		}
	}
	return nil, errRefused
}

// memberTarget is who answers for a member of a pool, nil when nobody does.
func (f *fabric) memberTarget(lb, vip, member *object) func(net.Conn) {
	if s := member.doc.str("provisioning_status"); s != "ACTIVE" && s != "PENDING_UPDATE" || !member.doc.flag("admin_state_up", true) {
		return nil
	}
	to, err := netip.ParseAddr(member.doc.str("address"))
	if err != nil {
		return nil
	}
	subnet := cmpOr(member.doc.str("subnet_id"), lb.doc.str("vip_subnet_id"))
	target := f.reach(subnet, to)
	source, _ := netip.ParseAddr(lb.doc.str("vip_address"))
	if target == nil || target.doc.str("_lb") != "" {
		return nil
	}
	accept, err := f.route(target, member.doc.num("protocol_port"), vip, source)
	if err != nil {
		return nil
	}
	return accept
}
