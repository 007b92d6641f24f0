package contract

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// Marks of two clusters.
const (
	mark  = "jeroboam cluster 00000000-0000-0000-0000-000000000001"
	other = "jeroboam cluster 00000000-0000-0000-0000-000000000002"
)

func (b *bed) network() *cloud.Network {
	b.t.Helper()
	n, err := b.tenant.Network()
	b.must(err)
	return n
}

// lan is a network of the project's, with a subnet and a router to the outside.
type lan struct{ network, subnet, router, external string }

func (b *bed) lan() lan {
	b.t.Helper()
	ctx, n := b.t.Context(), b.network()
	l := lan{external: only(n.Networks(ctx, external))(b).ID}
	var err error
	l.network, err = n.CreateNetwork(ctx, "lan", mark)
	b.must(err)
	b.later("deleting a network", func(ctx context.Context) error { return n.DeleteNetwork(ctx, l.network) })
	l.subnet, err = n.CreateSubnet(ctx, "lan", mark, l.network, "10.0.0.0/24", []string{"192.0.2.53"})
	b.must(err)
	b.later("deleting a subnet", func(ctx context.Context) error { return n.DeleteSubnet(ctx, l.subnet) })
	l.router, err = n.CreateRouter(ctx, "lan", mark, l.external)
	b.must(err)
	b.later("deleting a router", func(ctx context.Context) error { return n.DeleteRouter(ctx, l.router) })
	b.must(n.AddRouterInterface(ctx, l.router, l.subnet))
	b.later("removing a router's interface", func(ctx context.Context) error { return n.RemoveRouterInterface(ctx, l.router, l.subnet) })
	return l
}

func TestNetworks(t *testing.T) {
	b := newBed(t)
	ctx, n := t.Context(), b.network()
	if x := only(n.Networks(ctx, external))(b); !x.External || x.Name != external || len(x.Subnets) == 0 {
		t.Errorf("the external network: %+v", x)
	}
	none(n.Networks(ctx, "no such network"))(b)
	l := b.lan()
	if x := only(n.Networks(ctx, l.network))(b); x.External || x.Shared || !slices.Equal(x.Subnets, []string{l.subnet}) {
		t.Errorf("the network by its id: %+v", x)
	}
	for id, want := range map[string]bool{l.external: true, l.network: false} {
		if is, err := n.IsExternal(ctx, id); err != nil || is != want {
			t.Errorf("network %s is external: %t, %v", id, is, err)
		}
	}
	if got, err := n.NetworkMark(ctx, l.network); err != nil || got != mark {
		t.Errorf("mark %q, %v", got, err)
	}
	if got, err := n.RouterMark(ctx, l.router); err != nil || got != mark {
		t.Errorf("mark of the router %q, %v", got, err)
	}
	if id := only(n.FindNetworks(ctx, "lan", mark))(b); id != l.network {
		t.Errorf("found %s", id)
	}
	none(n.FindNetworks(ctx, "lan", other))(b)
	if id := only(n.FindSubnets(ctx, "lan", mark))(b); id != l.subnet {
		t.Errorf("found %s", id)
	}
	none(n.FindSubnets(ctx, "lan", other))(b)
	if id := only(n.FindRouters(ctx, "lan", mark))(b); id != l.router {
		t.Errorf("found %s", id)
	}
	none(n.FindRouters(ctx, "lan", other))(b)
	for _, ident := range []string{l.subnet, "lan", ""} {
		s := only(n.Subnets(ctx, ident, l.network))(b)
		if s.CIDR != "10.0.0.0/24" || s.GatewayIP != "10.0.0.1" || s.IPVersion != 4 || !slices.Equal(s.Pools, []cloud.Range{{Start: "10.0.0.2", End: "10.0.0.254"}}) {
			t.Errorf("subnet %q: %+v", ident, s)
		}
	}
	none(n.Subnets(ctx, "nope", l.network))(b)
	_, err := n.CreateSubnet(ctx, "lan", mark, l.network, "10.0.0.0/25", nil)
	b.want(err, cloud.IsInvalid, "a subnet over another")
	_, err = n.CreateSubnet(ctx, "lan", mark, uuid.NewString(), "10.0.1.0/24", nil)
	b.want(err, cloud.IsNotFound, "a subnet in no network")
	_, err = n.CreateRouter(ctx, "lan", mark, uuid.NewString())
	b.want(err, cloud.IsNotFound, "a router to no network")
	for _, kind := range []struct{ collection, id string }{{"networks", l.network}, {"subnets", l.subnet}, {"routers", l.router}} {
		b.must(n.Tag(ctx, kind.collection, kind.id, "jeroboam-cluster=1"))
		b.must(n.Tag(ctx, kind.collection, kind.id, "jeroboam-cluster=1")) // to have it already is fine
	}

	t.Run("a member makes no external network and sees none of others", func(t *testing.T) {
		stranger := newBedBeside(t, b)
		none(stranger.network().FindNetworks(ctx, "lan", mark))(stranger)
		b.want(stranger.network().DeleteNetwork(ctx, l.network), cloud.IsNotFound, "deleting another's network")
	})
	t.Run("in use", func(t *testing.T) {
		b.want(n.DeleteSubnet(ctx, l.subnet), cloud.IsConflict, "deleting a subnet with a router in it")
		b.want(n.DeleteNetwork(ctx, l.network), cloud.IsConflict, "deleting a network with a router in it")
		b.want(n.DeleteRouter(ctx, l.router), cloud.IsConflict, "deleting a router with a subnet")
		if in, err := n.RouterHasSubnet(ctx, l.router, l.subnet); err != nil || !in {
			t.Errorf("the router is in the subnet: %v, %v", in, err)
		}
		err := n.AddRouterInterface(ctx, l.router, l.subnet)
		b.want(err, func(err error) bool { return cloud.IsInvalid(err) || cloud.IsConflict(err) }, "a second interface in the subnet")
	})
	t.Run("away", func(t *testing.T) {
		b.must(n.RemoveRouterInterface(ctx, l.router, l.subnet))
		err := n.RemoveRouterInterface(ctx, l.router, l.subnet)
		b.want(err, func(err error) bool { return cloud.IsNotFound(err) || cloud.IsConflict(err) }, "removing an interface twice")
		if in, err := n.RouterHasSubnet(ctx, l.router, l.subnet); err != nil || in {
			t.Errorf("the router is in the subnet: %v, %v", in, err)
		}
		for _, tc := range []struct {
			what string
			gone func(context.Context, string) error
			id   string
		}{{"router", n.DeleteRouter, l.router}, {"subnet", n.DeleteSubnet, l.subnet}, {"network", n.DeleteNetwork, l.network}} {
			b.must(tc.gone(ctx, tc.id))
			b.want(tc.gone(ctx, tc.id), cloud.IsNotFound, "deleting a "+tc.what+" twice")
		}
		_, err = n.NetworkMark(ctx, l.network)
		b.want(err, cloud.IsNotFound, "reading a network that is gone")
		_, err = n.Subnet(ctx, l.subnet)
		b.want(err, cloud.IsNotFound, "reading a subnet that is gone")
	})
}

func TestNetworksAdopted(t *testing.T) {
	b := newBed(t)
	ctx, n := t.Context(), b.network()
	b.lost(func() error { _, err := n.CreateNetwork(ctx, "lan", mark); return err })
	network := only(n.FindNetworks(ctx, "lan", mark))(b)
	b.later("deleting the network", func(ctx context.Context) error { return n.DeleteNetwork(ctx, network) })
	b.lost(func() error { _, err := n.CreateSubnet(ctx, "lan", mark, network, "10.0.0.0/24", nil); return err })
	subnet := only(n.FindSubnets(ctx, "lan", mark))(b)
	b.later("deleting the subnet", func(ctx context.Context) error { return n.DeleteSubnet(ctx, subnet) })
	b.lost(func() error {
		_, err := n.CreateRouter(ctx, "lan", mark, only(n.Networks(ctx, external))(b).ID)
		return err
	})
	router := only(n.FindRouters(ctx, "lan", mark))(b)
	b.later("deleting the router", func(ctx context.Context) error { return n.DeleteRouter(ctx, router) })
	b.lost(func() error { return n.AddRouterInterface(ctx, router, subnet) })
	if in, err := n.RouterHasSubnet(ctx, router, subnet); err != nil || !in {
		t.Errorf("the router is in the subnet: %v, %v", in, err)
	}
	b.lost(func() error { return n.RemoveRouterInterface(ctx, router, subnet) })
	b.lost(func() error { return n.DeleteRouter(ctx, router) })
	b.want(n.DeleteRouter(ctx, router), cloud.IsNotFound, "deleting a router that went without an answer")
}

func TestPorts(t *testing.T) {
	b := newBed(t)
	ctx, n, l := t.Context(), b.network(), b.lan()
	group, err := n.CreateSecurityGroup(ctx, "group", mark)
	b.must(err)
	b.later("deleting the group", func(ctx context.Context) error { return n.DeleteSecurityGroup(ctx, group) })
	p, err := n.CreatePort(ctx, "host", mark, l.network, l.subnet, []string{group})
	b.must(err)
	b.later("deleting the port", func(ctx context.Context) error { return n.DeletePort(ctx, p.ID) })
	if p.NetworkID != l.network || p.SubnetID != l.subnet || p.Address == "" || p.DeviceID != "" || p.Description != mark {
		t.Errorf("the port: %+v", p)
	}
	if found := only(n.FindPorts(ctx, "host", mark))(b); !reflect.DeepEqual(found, p) {
		t.Errorf("found %+v, not %+v", found, p)
	}
	none(n.FindPorts(ctx, "host", other))(b)
	if used, err := n.Addresses(ctx, l.subnet); err != nil || !used[p.Address] || !used["10.0.0.1"] {
		t.Errorf("addresses in use: %v, %v", used, err)
	}
	b.want(n.DeleteSecurityGroup(ctx, group), cloud.IsConflict, "deleting a group that a port has")
	for _, groups := range [][]string{{}, {group}} {
		b.must(n.SetPortGroups(ctx, p.ID, groups))
		if all, err := n.FindPorts(ctx, "", mark); err != nil || len(all) != 1 || !slices.Equal(all[0].SecurityGroups, groups) {
			t.Errorf("ports with groups %v: %+v, %v", groups, all, err)
		}
	}
	_, err = n.CreatePort(ctx, "x", mark, l.network, uuid.NewString(), nil)
	b.want(err, func(err error) bool { return cloud.IsNotFound(err) || cloud.IsInvalid(err) }, "a port in no subnet")

	b.lost(func() error { _, err := n.CreatePort(ctx, "lost", mark, l.network, l.subnet, nil); return err })
	adopted := only(n.FindPorts(ctx, "lost", mark))(b)
	b.later("deleting the adopted port", func(ctx context.Context) error { return n.DeletePort(ctx, adopted.ID) })

	b.must(n.DeletePort(ctx, p.ID))
	b.want(n.DeletePort(ctx, p.ID), cloud.IsNotFound, "deleting a port twice")
	_, err = n.Port(ctx, p.ID)
	b.want(err, cloud.IsNotFound, "reading a port that is gone")
}

func TestFloatingIPs(t *testing.T) {
	b := newBed(t)
	ctx, n, l := t.Context(), b.network(), b.lan()
	var ports []cloud.Port
	for _, name := range []string{"one", "two"} {
		p, err := n.CreatePort(ctx, name, mark, l.network, l.subnet, nil)
		b.must(err)
		b.later("deleting the port", func(ctx context.Context) error { return n.DeletePort(ctx, p.ID) })
		ports = append(ports, p)
	}
	f, err := n.CreateFloatingIP(ctx, mark+" api", l.external, ports[0].ID, "")
	b.must(err)
	b.later("releasing the address", func(ctx context.Context) error { return n.DeleteFloatingIP(ctx, f.ID) })
	if f.Address == "" || f.PortID != ports[0].ID || f.Description != mark+" api" {
		t.Errorf("the address: %+v", f)
	}
	if found := only(n.FindFloatingIPs(ctx, mark+" api"))(b); found != f {
		t.Errorf("found %+v", found)
	}
	none(n.FindFloatingIPs(ctx, mark))(b)
	_, err = n.CreateFloatingIP(ctx, mark+" other", l.external, ports[0].ID, "")
	b.want(err, cloud.IsConflict, "a second address for one port")
	b.must(n.AttachFloatingIP(ctx, f.ID, ports[1].ID))
	if moved, err := n.FloatingIP(ctx, f.ID); err != nil || moved.PortID != ports[1].ID || moved.Address != f.Address {
		t.Errorf("moved: %+v, %v", moved, err)
	}
	b.want(n.RemoveRouterInterface(ctx, l.router, l.subnet), cloud.IsConflict, "taking the router from an address in use")
	b.must(n.DeletePort(ctx, ports[1].ID)) // the address stays, without a port
	if free, err := n.FloatingIP(ctx, f.ID); err != nil || free.PortID != "" {
		t.Errorf("without its port: %+v, %v", free, err)
	}
	b.lost(func() error { _, err := n.CreateFloatingIP(ctx, mark+" lost", l.external, ports[0].ID, ""); return err })
	b.must(n.DeleteFloatingIP(ctx, only(n.FindFloatingIPs(ctx, mark+" lost"))(b).ID))
	b.must(n.DeleteFloatingIP(ctx, f.ID))
	_, err = n.CreateFloatingIP(ctx, mark+" chosen", l.external, "", f.Address)
	b.want(err, cloud.IsForbidden, "a member that chooses an address")
	all, err := b.service.ForProject(b.projectID).Network() // the service may
	b.must(err)
	again, err := all.CreateFloatingIP(ctx, mark+" chosen", l.external, ports[0].ID, f.Address)
	b.must(err)
	if own := only(n.FindFloatingIPs(ctx, mark+" chosen"))(b); own.Address != f.Address || own.ID != again.ID {
		t.Errorf("the project has %+v instead of %s", own, f.Address)
	}
	b.must(n.DeleteFloatingIP(ctx, again.ID))
	b.want(n.DeleteFloatingIP(ctx, f.ID), cloud.IsNotFound, "releasing an address twice")
	_, err = n.FloatingIP(ctx, f.ID)
	b.want(err, cloud.IsNotFound, "reading an address that is released")
}

func TestSecurityGroups(t *testing.T) {
	b := newBed(t)
	ctx, n := t.Context(), b.network()
	var id string
	b.lost(func() (err error) { _, err = n.CreateSecurityGroup(ctx, "masters", mark); return err })
	id = only(n.FindSecurityGroups(ctx, "masters", mark))(b)
	b.later("deleting the group", func(ctx context.Context) error { return n.DeleteSecurityGroup(ctx, id) })
	none(n.FindSecurityGroups(ctx, "masters", other))(b)
	listed := func() cloud.SecurityGroup { return only(n.SecurityGroups(ctx, mark))(b) }
	if len(listed().Rules) != 0 {
		t.Errorf("a new group lets in: %+v", listed().Rules)
	}
	rules := []cloud.Rule{{Protocol: "tcp", Min: 6443, Max: 6443, RemoteCIDR: "0.0.0.0/0", Description: "api"}, {RemoteGroupID: id}, {Protocol: "udp", Min: 30000, Max: 32767, RemoteCIDR: "10.0.0.0/8"}}
	for range 2 { // a rule that is there already is fine
		for _, r := range rules {
			b.must(n.AddRule(ctx, id, r))
		}
	}
	g, err := n.SecurityGroup(ctx, id)
	b.must(err)
	if g.Name != "masters" || g.Description != mark || len(g.Rules) != len(rules) {
		t.Errorf("the group: %+v", g)
	}
	if !reflect.DeepEqual(listed(), g) {
		t.Errorf("the list has %+v, not %+v", listed(), g)
	}
	for _, r := range rules {
		if r.RemoteCIDR == "0.0.0.0/0" && !slices.Contains(g.Rules, r) { // some Neutrons leave out what is everything
			r.RemoteCIDR = ""
		}
		if !slices.Contains(g.Rules, r) {
			t.Errorf("rule %+v is not among %+v", r, g.Rules)
		}
	}
	b.must(n.DeleteSecurityGroup(ctx, id))
	b.want(n.DeleteSecurityGroup(ctx, id), cloud.IsNotFound, "deleting a group twice")
	b.want(n.AddRule(ctx, id, rules[0]), cloud.IsNotFound, "a rule for a group that is gone")
	_, err = n.SecurityGroup(ctx, id)
	b.want(err, cloud.IsNotFound, "reading a group that is gone")
}

func TestNetworkQuota(t *testing.T) {
	b := newBed(t)
	ctx, n := t.Context(), b.network()
	admin, err := openstack.NewNetworkV2(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	limit := 1
	_, err = quotas.Update(ctx, admin, b.projectID, quotas.UpdateOpts{Network: &limit}).Extract()
	b.must(err)
	id, err := n.CreateNetwork(ctx, "one", mark)
	b.must(err)
	b.later("deleting the network", func(ctx context.Context) error { return n.DeleteNetwork(ctx, id) })
	_, err = n.CreateNetwork(ctx, "two", mark)
	b.want(err, cloud.IsQuota, "a network too many")
	if cloud.IsConflict(err) {
		t.Error("an exceeded quota is told as a conflict")
	}
	q, err := n.Quotas(ctx)
	b.must(err)
	if q["network"] != (cloud.Quota{Limit: 1, Used: 1}) {
		t.Errorf("quota of networks: %+v", q["network"])
	}
	for _, name := range []string{"subnet", "router", "port", "security_group", "security_group_rule", "floatingip"} {
		if q[name].Limit == 0 {
			t.Errorf("no quota of %s: %+v", name, q)
		}
	}
}

// TestWhoSeesAProject: its own user and the service do. To anybody else what is there is not found, and lists are empty.
func TestWhoSeesAProject(t *testing.T) {
	b := newBed(t)
	stranger, ctx := newBedBeside(t, b), t.Context()
	id, err := b.network().CreateNetwork(ctx, "one", mark)
	b.must(err)
	b.later("deleting the network", func(ctx context.Context) error { return b.network().DeleteNetwork(ctx, id) })
	for _, tc := range []struct {
		name    string
		clients *cloud.Clients
		sees    bool
	}{{"its own user", b.tenant, true}, {"the service", b.service.ForProject(b.projectID), true}, {"a stranger", stranger.tenant.ForProject(b.projectID), false}} {
		n, err := tc.clients.Network()
		b.must(err)
		sees, err := n.Sees(ctx)
		b.must(err)
		_, err = n.NetworkMark(ctx, id)
		if sees != tc.sees || (err == nil) != tc.sees {
			t.Errorf("%s sees it: %t, and the network: %v", tc.name, sees, err)
		}
		if !tc.sees {
			b.want(err, cloud.IsNotFound, "reading what may not be seen")
		}
	}
}
