package sim

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// Guest is what runs on a server that is on.
type Guest interface {
	// Stop cuts the power and returns when nothing of it runs any more. It may be called again.
	Stop()
	// Console returns the last lines of its console.
	Console() []string
}

// Taker is a guest that takes connections at ports that it listens to with no socket: node ports of Kubernetes, which are
// rules of its packet filter. The function does not block, and closes the connection when nobody is there after all.
type Taker interface {
	Take(port int) func(net.Conn)
}

// The range of node ports that Kubernetes has unless it is told another one.
const firstNodePort, lastNodePort = 30000, 32767

// Hypervisor makes servers of something else than the simulated hosts of package kube: real ones. Its methods may be called
// from several goroutines, those but Close return at once, and none may call the cloud but by Plumbing.
type Hypervisor interface {
	// Boot switches a host on. One that was on before comes back with the disk that it had.
	Boot(ctx context.Context, host kube.Host, plumbing Plumbing) (Guest, error)
	// Forget removes the disk of a host that is off.
	Forget(hostID string)
	// Connect makes network and disks what the picture shows. It is called whenever something in it has changed.
	Connect(picture Picture)
	// Close ends everything, and returns when nothing is left. It may be called again.
	Close()
}

// Plumbing is what the cloud does for real hosts.
type Plumbing interface {
	// Listen tells that a host has begun to listen to a TCP port, until close is called. accept gets connections from
	// outside of its network, and from load balancers; it does not block.
	Listen(hostID string, port int, accept func(net.Conn)) (close func())
	// URL is where the cloud's API is on this machine. What comes to it by another address gets links that begin with that.
	URL() string
	// Reach finds who takes a TCP connection that a host on the network makes to an address there, nil when nobody does. It
	// is for addresses that are no host's, which are load balancers'.
	Reach(networkID string, from netip.Addr, to netip.AddrPort) func(net.Conn)
}

// Picture is what Neutron, Octavia and Cinder want to be connected to what at one moment.
type Picture struct {
	Networks []PictureNetwork
	Ports    []PicturePort // of servers
	Disks    []PictureDisk // volumes that are attached to servers
}

// PictureDisk is a volume on a server.
type PictureDisk struct {
	Volume, Host string
	GiB          int
}

// PictureNetwork is a network of a project.
type PictureNetwork struct {
	ID        string
	Gateways  []netip.Prefix   // addresses that routers have on it, with the length of the subnet's prefix
	Balancers []netip.AddrPort // where load balancers listen
	Routes    []PictureRoute   // of its routers
}

// PictureRoute is an extra route of a router.
type PictureRoute struct {
	To  netip.Prefix
	Via netip.Addr
}

// PicturePort is a port of a server.
type PicturePort struct {
	ID, Network, Host, MAC string
	Addresses              []netip.Prefix // with the length of the subnet's prefix
	Gateway                netip.Addr
	Pairs                  []netip.Prefix // other addresses that the host may send from
	Open                   bool           // without port security
	Rules                  []PictureRule
}

// PictureRule lets packets in.
type PictureRule struct {
	Protocol string // "": any
	Min, Max int    // of the destination's ports; 0: any
	From     []netip.Prefix
}

// pictureInterval is how often the network is looked at for something new.
const pictureInterval = 200 * time.Millisecond

// guest has the hypervisor start a host, if there is one, or else simulates it. c.mu is held.
func (c *Cloud) guest(host kube.Host) (Guest, error) {
	if c.options.Hypervisor == nil {
		return kube.Boot(c.life, host, c.fabric, c.clock)
	}
	c.options.Hypervisor.Connect(c.picture())
	return c.options.Hypervisor.Boot(c.life, host, c.fabric)
}

// forget drops the disk of a host that is off. c.mu is held.
func (c *Cloud) forget(hostID string) {
	c.fabric.Forget(hostID)
	if c.options.Hypervisor != nil {
		c.options.Hypervisor.Forget(hostID)
	}
}

// connect shows the hypervisor the network, whenever that has changed, until the cloud's end.
func (c *Cloud) connect() {
	tick := time.NewTicker(pictureInterval)
	defer tick.Stop()
	var last Picture
	for {
		c.mu.Lock()
		if now := c.picture(); !reflect.DeepEqual(now, last) {
			c.options.Hypervisor.Connect(now) // with the lock, or an older picture might come after a newer one
			last = now
		}
		c.mu.Unlock()
		select {
		case <-c.life.Done():
			return
		case <-tick.C:
		}
	}
}

// picture is taken with c.mu held.
func (c *Cloud) picture() Picture {
	var p Picture
	for _, o := range c.table("network").order {
		if o.seeded {
			continue // reachable from this machine, not from hosts
		}
		p.Networks = append(p.Networks, c.pictureNetwork(o))
	}
	for _, o := range c.table("port").order {
		if server := c.get("server", o.doc.str("device_id")); server != nil {
			p.Ports = append(p.Ports, c.picturePort(o))
		}
	}
	for _, o := range c.table("volume").order {
		for _, a := range o.doc.docs("attachments") {
			p.Disks = append(p.Disks, PictureDisk{Volume: o.id, Host: a.str("server_id"), GiB: o.doc.num("size")})
		}
	}
	return p
}

func (c *Cloud) pictureNetwork(network *object) PictureNetwork {
	n := PictureNetwork{ID: network.id}
	for _, port := range c.with("port", "network_id", network.id) {
		if port.doc.str("device_owner") == "network:router_interface" {
			n.Gateways = append(n.Gateways, c.pictureAddresses(port)...)
			if router := c.get("router", port.doc.str("device_id")); router != nil {
				n.Routes = append(n.Routes, pictureRoutes(router)...)
			}
		}
		if lb := c.get("load_balancer", port.doc.str("_lb")); lb != nil {
			for _, a := range c.pictureAddresses(port) {
				for number := range c.fabric.exposed(port) {
					n.Balancers = append(n.Balancers, netip.AddrPortFrom(a.Addr(), uint16(number)))
				}
			}
		}
	}
	slices.SortFunc(n.Balancers, netip.AddrPort.Compare)
	return n
}

func pictureRoutes(router *object) []PictureRoute {
	var out []PictureRoute
	for _, r := range router.doc.docs("routes") {
		to, err := netip.ParsePrefix(r.str("destination"))
		via, err2 := netip.ParseAddr(r.str("nexthop"))
		if err == nil && err2 == nil {
			out = append(out, PictureRoute{to, via})
		}
	}
	return out
}

func (c *Cloud) pictureAddresses(port *object) []netip.Prefix {
	var out []netip.Prefix
	for _, ip := range port.doc.docs("fixed_ips") {
		a, err := netip.ParseAddr(ip.str("ip_address"))
		if subnet := c.get("subnet", ip.str("subnet_id")); err == nil && subnet != nil {
			out = append(out, netip.PrefixFrom(a, cidrOf(subnet).Bits()))
		}
	}
	return out
}

func (c *Cloud) picturePort(port *object) PicturePort {
	p := PicturePort{ID: port.id, Network: port.doc.str("network_id"), Host: port.doc.str("device_id"), MAC: port.doc.str("mac_address"),
		Addresses: c.pictureAddresses(port), Pairs: pairsOf(port), Open: !port.doc.flag("port_security_enabled", true)}
	if subnet := c.get("subnet", subnetOf(port)); subnet != nil {
		p.Gateway, _ = netip.ParseAddr(subnet.doc.str("gateway_ip"))
	}
	for _, id := range port.doc.strs("security_groups") {
		for _, r := range c.with("security_group_rule", "security_group_id", id) {
			if r.doc.str("direction") == "ingress" && r.doc.str("ethertype") == "IPv4" {
				p.Rules = append(p.Rules, c.pictureRule(r.doc))
			}
		}
	}
	return p
}

func pairsOf(port *object) []netip.Prefix {
	var out []netip.Prefix
	for _, pair := range port.doc.docs("allowed_address_pairs") {
		if p, err := netip.ParsePrefix(pair.str("ip_address")); err == nil {
			out = append(out, p)
		} else if a, err := netip.ParseAddr(pair.str("ip_address")); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

func (c *Cloud) pictureRule(r doc) PictureRule {
	out := PictureRule{Protocol: r.str("protocol"), Min: r.num("port_range_min"), Max: r.num("port_range_max")}
	if out.Protocol == "any" {
		out.Protocol = ""
	}
	switch group := r.str("remote_group_id"); {
	case group != "":
		for _, port := range c.table("port").order {
			if slices.Contains(port.doc.strs("security_groups"), group) {
				for _, a := range c.pictureAddresses(port) {
					out.From = append(out.From, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
				}
				out.From = append(out.From, pairsOf(port)...)
			}
		}
	case r.str("remote_ip_prefix") != "":
		if p, err := netip.ParsePrefix(r.str("remote_ip_prefix")); err == nil {
			out.From = []netip.Prefix{p}
		}
	default:
		out.From = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	}
	return out
}

// URL implements Plumbing.
func (f *fabric) URL() string { return f.cloud.URL() }

// Reach implements Plumbing.
func (f *fabric) Reach(networkID string, from netip.Addr, to netip.AddrPort) func(net.Conn) {
	c := f.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, subnet := range c.subnetsOf(networkID) {
		target := c.portOf(c.addresses[subnet.id][to.Addr()])
		if target == nil {
			continue
		}
		accept, err := f.route(target, int(to.Port()), c.get("port", c.addresses[subnet.id][from]), from)
		if err != nil {
			return nil
		}
		return accept
	}
	return nil
}
