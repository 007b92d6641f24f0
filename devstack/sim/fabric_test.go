package sim

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// speaks lets a host answer with its name on a port.
func speaks(c *Cloud, host, name string, port int) (end func()) {
	return c.fabric.Listen(host, port, func(conn net.Conn) {
		go func() {
			_, _ = io.WriteString(conn, name)
			_ = conn.Close()
		}()
	})
}

// hears reads what answers; "" when nobody does.
func hears(address string) string {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	out, _ := io.ReadAll(conn)
	return string(out)
}

func hostHears(t *testing.T, c *Cloud, from, address string) (string, error) {
	t.Helper()
	conn, err := c.fabric.Dial(t.Context(), from, address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	out, err := io.ReadAll(conn)
	return string(out), err
}

// host boots a server with an open port 6443 that answers with the server's name.
func (a *actor) host(t *testing.T, c *Cloud, l lan, name, address string, group string) (id, port string) {
	t.Helper()
	p := must[*ports.Port](t)(ports.Create(t.Context(), a.network, ports.CreateOpts{NetworkID: l.network.ID, SecurityGroups: &[]string{group},
		FixedIPs: []ports.IP{{SubnetID: l.subnet.ID, IPAddress: address}}}).Extract())
	s := must[*servers.Server](t)(servers.Create(t.Context(), a.compute, a.order(t, name, p.ID), nil).Extract())
	a.awaitStatus(t, s.ID, "ACTIVE")
	speaks(c, s.ID, name, 6443)
	return s.ID, p.ID
}

func TestFabric(t *testing.T) {
	c := start(t, Options{})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l, far := a.lan(t, "n", "10.0.0.0/24"), a.lan(t, "far", "10.0.0.0/24")
	open := must[*groups.SecGroup](t)(groups.Create(ctx, a.network, groups.CreateOpts{Name: "open"}).Extract())
	closed := must[*groups.SecGroup](t)(groups.Create(ctx, a.network, groups.CreateOpts{Name: "closed"}).Extract())
	s1, p1 := a.host(t, c, l, "one", "10.0.0.11", open.ID)
	s2, _ := a.host(t, c, l, "two", "10.0.0.12", closed.ID)
	s3, _ := a.host(t, c, far, "three", "10.0.0.13", open.ID)
	public := a.networkID(t, "public")
	f := must[*floatingips.FloatingIP](t)(floatingips.Create(ctx, a.network, floatingips.CreateOpts{FloatingNetworkID: public, PortID: p1}).Extract())
	if got := hears(f.FloatingIP + ":6443"); got != "" {
		t.Errorf("the security group lets nothing in, but %q answers", got)
	}
	rule := must[*rules.SecGroupRule](t)(rules.Create(ctx, a.network, rules.CreateOpts{SecGroupID: open.ID, Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", PortRangeMin: 6443, PortRangeMax: 6443}).Extract())
	if got := hears(f.FloatingIP + ":6443"); got != "one" {
		t.Errorf("from outside: %q", got)
	}
	for _, test := range []struct {
		name, from, to, want string
		err                  error
	}{
		{"neighbour", s2, "10.0.0.11:6443", "one", nil}, {"itself", s2, "10.0.0.12:6443", "two", nil}, {"loopback", s2, "127.0.0.1:6443", "two", nil},
		{"security group", s1, "10.0.0.12:6443", "", syscall.ETIMEDOUT}, {"nothing listens", s2, "10.0.0.11:80", "", syscall.ETIMEDOUT},
		{"another network with the same addresses", s3, "10.0.0.11:6443", "", syscall.EHOSTUNREACH}, {"floating IP", s3, f.FloatingIP + ":6443", "one", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := hostHears(t, c, test.from, test.to); got != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	ok(t, rules.Delete(ctx, a.network, rule.ID).ExtractErr())
	if got := hears(f.FloatingIP + ":6443"); got != "" {
		t.Errorf("after the rule is gone: %q", got)
	}
	ok(t, floatingips.Delete(ctx, a.network, f.ID).ExtractErr())
	if _, err := net.DialTimeout("tcp", f.FloatingIP+":6443", time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the floating IP is gone: %v", err)
	}
}

func TestBalancing(t *testing.T) {
	c := start(t, Options{})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	open := must[*groups.SecGroup](t)(groups.Create(ctx, a.network, groups.CreateOpts{Name: "open"}).Extract())
	must[*rules.SecGroupRule](t)(rules.Create(ctx, a.network, rules.CreateOpts{SecGroupID: open.ID, Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", RemoteIPPrefix: "10.0.0.0/24"}).Extract())
	s1, _ := a.host(t, c, l, "one", "10.0.0.11", open.ID)
	a.host(t, c, l, "two", "10.0.0.12", open.ID)
	lb := must[*loadbalancers.LoadBalancer](t)(loadbalancers.Create(ctx, a.balancer, a.balancerOrder(l, "10.0.0.5", "10.0.0.11", "10.0.0.12", "10.0.0.13")).Extract())
	f := must[*floatingips.FloatingIP](t)(floatingips.Create(ctx, a.network, floatingips.CreateOpts{FloatingNetworkID: a.networkID(t, "public"), PortID: lb.VipPortID}).Extract())
	a.awaitBalancer(t, lb.ID, "ACTIVE")
	heard := map[string]int{}
	for range 6 {
		heard[hears(f.FloatingIP+":6443")]++
		inside, err := hostHears(t, c, s1, "10.0.0.5:6443")
		ok(t, err)
		heard[inside]++
	}
	if heard["one"] == 0 || heard["two"] == 0 || heard[""] > 0 {
		t.Errorf("heard: %v", heard)
	}
	ok(t, servers.Delete(ctx, a.compute, s1).ExtractErr())
	a.awaitGone(t, s1)
	for range 4 {
		if got := hears(f.FloatingIP + ":6443"); got != "two" {
			t.Errorf("with one member left: %q", got)
		}
	}
	cidrs := []string{"10.0.0.0/24"}
	must[*listeners.Listener](t)(listeners.Update(ctx, a.balancer, lb.Listeners[0].ID, listeners.UpdateOpts{AllowedCIDRs: &cidrs}).Extract())
	a.awaitBalancer(t, lb.ID, "ACTIVE")
	if got := hears(f.FloatingIP + ":6443"); got != "" {
		t.Errorf("this machine is not in allowed_cidrs: %q", got)
	}
	ok(t, loadbalancers.Delete(ctx, a.balancer, lb.ID, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr())
	if _, err := net.DialTimeout("tcp", f.FloatingIP+":6443", time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the load balancer is gone: %v", err)
	}
}

// On the shared network nothing needs a floating IP.
func TestBalancingOnLAN(t *testing.T) {
	c := start(t, Options{})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	open := must[*groups.SecGroup](t)(groups.Create(ctx, a.network, groups.CreateOpts{Name: "open"}).Extract())
	must[*rules.SecGroupRule](t)(rules.Create(ctx, a.network, rules.CreateOpts{SecGroupID: open.ID, Direction: "ingress", EtherType: "IPv4", Protocol: "tcp"}).Extract())
	shared := lan{network: &networks.Network{ID: a.networkID(t, "lan")}}
	shared.subnet = &must[[]subnets.Subnet](t)(subnets.ExtractSubnets(pages(t, subnets.List(a.network, subnets.ListOpts{NetworkID: shared.network.ID}))))[0]
	_, port := a.host(t, c, shared, "one", "", open.ID)
	address := must[*ports.Port](t)(ports.Get(ctx, a.network, port).Extract()).FixedIPs[0].IPAddress
	if got := hears(address + ":6443"); got != "one" {
		t.Errorf("the host itself: %q", got)
	}
	lb := must[*loadbalancers.LoadBalancer](t)(loadbalancers.Create(ctx, a.balancer, a.balancerOrder(shared, "", address)).Extract())
	a.awaitBalancer(t, lb.ID, "ACTIVE")
	if got := hears(lb.VipAddress + ":6443"); got != "one" {
		t.Errorf("through the load balancer: %q", got)
	}
	members := must[[]pools.Member](t)(pools.ExtractMembers(pages(t, pools.ListMembers(a.balancer, lb.Pools[0].ID, nil))))
	if len(members) != 1 || members[0].OperatingStatus != "ONLINE" {
		t.Errorf("members: %+v", members)
	}
}
