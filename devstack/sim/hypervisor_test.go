package sim

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/extraroutes"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// paper is a hypervisor that writes down what it is told.
type paper struct {
	mu       sync.Mutex
	picture  Picture
	booted   map[string]kube.Host
	running  map[string]bool
	forgot   []string
	plumbing Plumbing
	closed   bool
}

type paperGuest struct {
	p  *paper
	id string
}

func (g paperGuest) Stop() {
	g.p.mu.Lock()
	defer g.p.mu.Unlock()
	g.p.running[g.id] = false
}

// Take implements Taker.
func (g paperGuest) Take(int) func(net.Conn) { return func(conn net.Conn) { _ = conn.Close() } }

func (g paperGuest) Console() []string { return []string{"paper"} }

func (p *paper) Boot(_ context.Context, h kube.Host, plumbing Plumbing) (Guest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.booted[h.ID], p.running[h.ID], p.plumbing = h, true, plumbing
	return paperGuest{p, h.ID}, nil
}

func (p *paper) Forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgot = append(p.forgot, id)
}

func (p *paper) Connect(picture Picture) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.picture = picture
}

func (p *paper) Close() { p.closed = true }

// shows waits until the last picture is as wanted.
func (p *paper) shows(t *testing.T, what string, good func(Picture) bool) {
	t.Helper()
	eventually(t, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return good(p.picture)
	})
}

func TestHypervisor(t *testing.T) {
	p := &paper{booted: map[string]kube.Host{}, running: map[string]bool{}}
	c := start(t, Options{Hypervisor: p, PublicCIDR: "127.88.0.0/16", LANCIDR: "127.89.0.0/16"})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	group := must[*groups.SecGroup](t)(groups.Create(ctx, a.network, groups.CreateOpts{Name: "nodes"}).Extract())
	must[*rules.SecGroupRule](t)(rules.Create(ctx, a.network, rules.CreateOpts{SecGroupID: group.ID, Direction: "ingress", EtherType: "IPv4", RemoteGroupID: group.ID}).Extract())
	port := must[*ports.Port](t)(ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: l.network.ID, SecurityGroups: &[]string{group.ID},
		AllowedAddressPairs: []ports.AddressPair{{IPAddress: "10.100.1.0/24"}}}).Extract())
	s := must[*servers.Server](t)(servers.Create(ctx, a.compute, a.order(t, "one", port.ID), nil).Extract())
	a.awaitStatus(t, s.ID, "ACTIVE")
	address := netip.MustParseAddr(port.FixedIPs[0].IPAddress)
	p.shows(t, "the server's port", func(picture Picture) bool {
		i := slices.IndexFunc(picture.Ports, func(x PicturePort) bool { return x.Host == s.ID })
		if i < 0 {
			return false
		}
		x := picture.Ports[i]
		from := []netip.Prefix{netip.PrefixFrom(address, 32), netip.MustParsePrefix("10.100.1.0/24")}
		return x.Addresses[0] == netip.PrefixFrom(address, 24) && x.Pairs[0] == from[1] && len(x.Rules) == 1 && slices.Equal(x.Rules[0].From, from)
	})
	router := must[*routers.Router](t)(routers.Create(ctx, a.network, routers.CreateOpts{Name: "more"}).Extract())
	must[*routers.InterfaceInfo](t)(routers.AddInterface(ctx, a.network, router.ID, routers.AddInterfaceOpts{PortID: must[*ports.Port](t)(ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: l.network.ID}).Extract()).ID}).Extract())
	route := extraroutes.Opts{Routes: &[]routers.Route{{DestinationCIDR: "10.100.1.0/24", NextHop: address.String()}}}
	must[*routers.Router](t)(extraroutes.Add(ctx, a.network, router.ID, route).Extract())
	p.shows(t, "the route", func(picture Picture) bool {
		return slices.ContainsFunc(picture.Networks, func(n PictureNetwork) bool {
			return n.ID == l.network.ID && slices.Contains(n.Routes, PictureRoute{netip.MustParsePrefix("10.100.1.0/24"), address})
		})
	})
	closePort := p.plumbing.Listen(s.ID, 80, func(conn net.Conn) { _, _ = io.WriteString(conn, "hello"); _ = conn.Close() })
	if accept := p.plumbing.Reach(l.network.ID, address, netip.AddrPortFrom(address, 80)); accept == nil {
		t.Error("nobody takes the connection")
	}
	closePort()
	if accept := p.plumbing.Reach(l.network.ID, address, netip.AddrPortFrom(address, 80)); accept != nil {
		t.Error("somebody takes a connection to a port that was closed")
	}
	if accept := p.plumbing.Reach(l.network.ID, address, netip.AddrPortFrom(address, 30080)); accept == nil {
		t.Error("a node port takes no connection")
	}
	ok(t, servers.Delete(ctx, a.compute, s.ID).ExtractErr())
	eventually(t, "the disk is forgotten", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.Contains(p.forgot, s.ID) && !p.running[s.ID]
	})
	c.Close()
	if !p.closed {
		t.Error("the hypervisor was not closed")
	}
}
