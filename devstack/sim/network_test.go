package sim

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// lan is a network of a project behind a router.
type lan struct {
	network *networks.Network
	subnet  *subnets.Subnet
	router  *routers.Router
}

func (a *actor) lan(t *testing.T, name, cidr string) lan {
	t.Helper()
	ctx := t.Context()
	n := must[*networks.Network](t)(networks.Create(ctx, a.network, networks.CreateOpts{Name: name}).Extract())
	s := must[*subnets.Subnet](t)(subnets.Create(ctx, a.network, subnets.CreateOpts{Name: name, NetworkID: n.ID, CIDR: cidr, IPVersion: gophercloud.IPv4}).Extract())
	r := must[*routers.Router](t)(routers.Create(ctx, a.network, routers.CreateOpts{Name: name, GatewayInfo: &routers.GatewayInfo{NetworkID: a.networkID(t, "public")}}).Extract())
	must[*routers.InterfaceInfo](t)(routers.AddInterface(ctx, a.network, r.ID, routers.AddInterfaceOpts{SubnetID: s.ID}).Extract())
	return lan{n, s, r}
}

func (a *actor) port(t *testing.T, l lan, address string) *ports.Port {
	t.Helper()
	return must[*ports.Port](t)(ports.Create(t.Context(), a.network, ports.CreateOpts{NetworkID: l.network.ID, FixedIPs: []ports.IP{{SubnetID: l.subnet.ID, IPAddress: address}}}).Extract())
}

func TestNetworkLifeCycle(t *testing.T) {
	c := start(t, Options{})
	a, other, ctx := login(t, c, "demo", "demo"), login(t, c, "alt_demo", "alt_demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	if l.subnet.GatewayIP != "10.0.0.1" || l.subnet.AllocationPools[0].Start != "10.0.0.2" || l.subnet.AllocationPools[0].End != "10.0.0.254" {
		t.Errorf("subnet: %+v", l.subnet)
	}
	p := a.port(t, l, "")
	if p.FixedIPs[0].IPAddress != "10.0.0.2" || len(p.SecurityGroups) != 1 || p.Status != "DOWN" {
		t.Errorf("port: %+v", p)
	}
	f := must[*floatingips.FloatingIP](t)(floatingips.Create(ctx, a.network, floatingips.CreateOpts{FloatingNetworkID: a.networkID(t, "public"), PortID: p.ID}).Extract())
	if f.Status != "ACTIVE" || f.FixedIP != "10.0.0.2" || f.RouterID != l.router.ID {
		t.Errorf("floating IP: %+v", f)
	}
	found := must[[]ports.Port](t)(ports.ExtractPorts(pages(t, ports.List(a.network, ports.ListOpts{FixedIPs: []ports.FixedIPOpts{{SubnetID: l.subnet.ID}}, DeviceID: l.router.ID}))))
	if len(found) != 1 || found[0].DeviceOwner != "network:router_interface" || found[0].FixedIPs[0].IPAddress != "10.0.0.1" {
		t.Errorf("router's ports: %+v", found)
	}

	_, err := networks.Get(ctx, other.network, l.network.ID).Extract()
	refused(t, err, 404, "NetworkNotFound")
	refused(t, networks.Delete(ctx, a.network, l.network.ID).Err, 409, "NetworkInUse")
	refused(t, subnets.Delete(ctx, a.network, l.subnet.ID).Err, 409, "SubnetInUse")
	refused(t, routers.Delete(ctx, a.network, l.router.ID).Err, 409, "RouterInUse")
	_, err = routers.RemoveInterface(ctx, a.network, l.router.ID, routers.RemoveInterfaceOpts{SubnetID: l.subnet.ID}).Extract()
	refused(t, err, 409, "RouterInterfaceInUseByFloatingIP")
	refused(t, ports.Delete(ctx, a.network, found[0].ID).Err, 409, "ServicePortInUse")

	ok(t, floatingips.Delete(ctx, a.network, f.ID).ExtractErr())
	ok(t, ports.Delete(ctx, a.network, p.ID).ExtractErr())
	must[*routers.InterfaceInfo](t)(routers.RemoveInterface(ctx, a.network, l.router.ID, routers.RemoveInterfaceOpts{SubnetID: l.subnet.ID}).Extract())
	ok(t, routers.Delete(ctx, a.network, l.router.ID).ExtractErr())
	ok(t, networks.Delete(ctx, a.network, l.network.ID).ExtractErr())
	if left := c.Resources(a.project); len(left["port"])+len(left["network"])+len(left["subnet"])+len(left["router"])+len(left["floatingip"]) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestNetworkConflicts(t *testing.T) {
	c := start(t, Options{Quotas: map[string]int{"network": 2}})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	p := a.port(t, l, "10.0.0.9")
	public := a.networkID(t, "public")
	f := must[*floatingips.FloatingIP](t)(floatingips.Create(ctx, a.network, floatingips.CreateOpts{FloatingNetworkID: public, PortID: p.ID}).Extract())
	lonely := must[*networks.Network](t)(networks.Create(ctx, a.network, networks.CreateOpts{Name: "lonely"}).Extract())
	must[*subnets.Subnet](t)(subnets.Create(ctx, a.network, subnets.CreateOpts{NetworkID: lonely.ID, CIDR: "10.9.0.0/24", IPVersion: 4}).Extract())
	island := must[*ports.Port](t)(ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: lonely.ID}).Extract())
	group := must[*groups.SecGroup](t)(groups.Create(ctx, a.network, groups.CreateOpts{Name: "g"}).Extract())
	rule := rules.CreateOpts{SecGroupID: group.ID, Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", PortRangeMin: 6443, PortRangeMax: 6443, RemoteIPPrefix: "0.0.0.0/0"}
	must[*rules.SecGroupRule](t)(rules.Create(ctx, a.network, rule).Extract())
	must[*ports.Port](t)(ports.Update(ctx, a.network, p.ID, ports.UpdateOpts{SecurityGroups: &[]string{group.ID}}).Extract())

	for _, test := range []struct {
		name, words string
		status      int
		do          func() error
	}{
		{"address in use", "IpAddressAlreadyAllocated", 409, func() error {
			return ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: l.network.ID, FixedIPs: []ports.IP{{IPAddress: "10.0.0.9"}}}).Err
		}},
		{"address of another network", "InvalidIpForNetwork", 400, func() error {
			return ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: l.network.ID, FixedIPs: []ports.IP{{IPAddress: "10.7.0.9"}}}).Err
		}},
		{"overlapping subnets", "overlaps", 400, func() error {
			return subnets.Create(ctx, a.network, subnets.CreateOpts{NetworkID: l.network.ID, CIDR: "10.0.0.128/25", IPVersion: 4}).Err
		}},
		{"second interface in a subnet", "already has a port", 400, func() error {
			return routers.AddInterface(ctx, a.network, l.router.ID, routers.AddInterfaceOpts{SubnetID: l.subnet.ID}).Err
		}},
		{"interface without an address", "at least one fixed IP", 400, func() error {
			bare := must[*ports.Port](t)(ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: lonely.ID, FixedIPs: []ports.IP{}}).Extract())
			defer func() { ok(t, ports.Delete(ctx, a.network, bare.ID).ExtractErr()) }()
			return routers.AddInterface(ctx, a.network, l.router.ID, routers.AddInterfaceOpts{PortID: bare.ID}).Err
		}},
		{"port has a floating IP", "FloatingIPPortAlreadyAssociated", 409, func() error {
			return floatingips.Create(ctx, a.network, floatingips.CreateOpts{FloatingNetworkID: public, PortID: p.ID}).Err
		}},
		{"no router in between", "ExternalGatewayForFloatingIPNotFound", 404, func() error {
			return floatingips.Create(ctx, a.network, floatingips.CreateOpts{FloatingNetworkID: public, PortID: island.ID}).Err
		}},
		{"floating IP of an internal network", "not a valid external network", 400, func() error {
			return floatingips.Create(ctx, a.network, floatingips.CreateOpts{FloatingNetworkID: lonely.ID}).Err
		}},
		{"gateway in use", "RouterExternalGatewayInUseByFloatingIp", 409, func() error {
			return routers.Update(ctx, a.network, l.router.ID, routers.UpdateOpts{GatewayInfo: &routers.GatewayInfo{}}).Err
		}},
		{"same rule twice", "SecurityGroupRuleExists", 409, func() error { return rules.Create(ctx, a.network, rule).Err }},
		{"group in use", "SecurityGroupInUse", 409, func() error { return groups.Delete(ctx, a.network, group.ID).Err }},
		{"port on the external network", "PolicyNotAuthorized", 403, func() error {
			return ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: public}).Err
		}},
		{"chosen address on the shared network", "PolicyNotAuthorized", 403, func() error {
			return ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: a.networkID(t, "lan"), FixedIPs: []ports.IP{{IPAddress: "127.91.0.77"}}}).Err
		}},
		{"external network of a user", "PolicyNotAuthorized", 403, func() error {
			shared := true
			return networks.Create(ctx, a.network, networks.CreateOpts{Shared: &shared}).Err
		}},
		{"quota", `Quota exceeded for resources: \['network'\]`, 409, func() error { return networks.Create(ctx, a.network, networks.CreateOpts{}).Err }},
		{"unknown group", "SecurityGroupNotFound", 404, func() error {
			return ports.Create(ctx, a.network, ports.CreateOpts{NetworkID: l.network.ID, SecurityGroups: &[]string{f.ID}}).Err
		}},
	} {
		t.Run(test.name, func(t *testing.T) { refused(t, test.do(), test.status, test.words) })
	}
	q := must[*quotas.QuotaDetailSet](t)(quotas.GetDetail(ctx, a.network, a.project).Extract())
	if q.Network.Limit != 2 || q.Network.Used != 2 || q.FloatingIP.Used != 1 {
		t.Errorf("quota: %+v", q)
	}
	before := len(c.Resources(a.project)["port"])
	if before != 3 { // p, island, the router's interface
		t.Errorf("refused requests left something: %v", c.Resources(a.project)["port"])
	}
}

func TestNetworkTagsFiltersPages(t *testing.T) {
	c := start(t, Options{})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	var ids []string
	for i := range 5 {
		n := must[*networks.Network](t)(networks.Create(ctx, a.network, networks.CreateOpts{Name: fmt.Sprint("n", i), Description: "mark"}).Extract())
		ids = append(ids, n.ID)
	}
	ok(t, attributestags.Add(ctx, a.network, "networks", ids[1], "jeroboam-cluster=x").ExtractErr())
	must[[]string](t)(attributestags.ReplaceAll(ctx, a.network, "networks", ids[2], attributestags.ReplaceAllOpts{Tags: []string{"a", "jeroboam-cluster=x"}}).Extract())
	for _, test := range []struct {
		name string
		opts networks.ListOpts
		want int
	}{
		{"tag", networks.ListOpts{Tags: "jeroboam-cluster=x"}, 2}, {"two tags", networks.ListOpts{Tags: "a,jeroboam-cluster=x"}, 1},
		{"not a tag", networks.ListOpts{NotTags: "a", Description: "mark"}, 4}, {"pages", networks.ListOpts{Limit: 2, Description: "mark"}, 5},
		{"name", networks.ListOpts{Name: "n3"}, 1}, {"id", networks.ListOpts{ID: ids[0]}, 1}, {"nothing", networks.ListOpts{Name: "n"}, 0},
		{"everything that is visible", networks.ListOpts{}, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := must[[]networks.Network](t)(networks.ExtractNetworks(pages(t, networks.List(a.network, test.opts))))
			if len(l) != test.want {
				t.Errorf("got %d, want %d", len(l), test.want)
			}
		})
	}
	refused(t, attributestags.Delete(ctx, a.network, "networks", ids[0], "none").Err, 404, "TagNotFound")
}

// Twenty clusters' worth of networks at once: everybody gets an address of their own.
func TestNetworksInParallel(t *testing.T) {
	c := start(t, Options{})
	a := login(t, c, "demo", "demo")
	public := a.networkID(t, "public")
	addresses := make([]string, 20)
	var wg sync.WaitGroup
	for i := range addresses {
		wg.Go(func() {
			l := a.lan(t, fmt.Sprint("n", i), "10.0.0.0/24")
			p := a.port(t, l, "")
			f, err := floatingips.Create(t.Context(), a.network, floatingips.CreateOpts{FloatingNetworkID: public, PortID: p.ID}).Extract()
			if err != nil {
				t.Error(err)
				return
			}
			addresses[i] = f.FloatingIP
		})
	}
	wg.Wait()
	slices.Sort(addresses)
	if n := len(slices.Compact(addresses)); n != 20 {
		t.Errorf("%d addresses for 20 floating IPs", n)
	}
	if n := c.Calls()["network"]["POST /networks"]; n != 20 {
		t.Errorf("%d calls counted", n)
	}
}

// Two simulators on one machine share the addresses.
func TestAddressesAreNotGivenTwice(t *testing.T) {
	var got []string
	for range 2 {
		c := start(t, Options{PublicCIDR: "127.92.0.0/16", LANCIDR: "127.93.0.0/16"})
		a := login(t, c, "demo", "demo")
		f := must[*floatingips.FloatingIP](t)(floatingips.Create(t.Context(), a.network, floatingips.CreateOpts{FloatingNetworkID: a.networkID(t, "public")}).Extract())
		got = append(got, f.FloatingIP)
	}
	if got[0] == got[1] {
		t.Errorf("both gave %s", got[0])
	}
}

func TestDiscovery(t *testing.T) {
	c := start(t, Options{})
	for _, test := range []struct {
		name, path string
		status     int
	}{
		{"identity", "/identity", 300}, {"identity v3", "/identity/v3", 200}, {"compute", "/compute/v2.1/", 200}, {"network", "/networking/", 200},
		{"image", "/image", 200}, {"volume", "/volume/v3/", 200}, {"balancer", "/load-balancer", 200}, {"secrets", "/key-manager", 300},
		{"placement", "/placement", 200}, {"nothing", "/compute/v2.1/nothing", 404}, {"no token", "/compute/v2.1/servers", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			if status, header, _ := ask(t, http.MethodGet, c.URL()+test.path, "", nil); status != test.status {
				t.Errorf("got %d, want %d", status, test.status)
			} else if status == http.StatusUnauthorized && header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 says where Keystone is")
			}
		})
	}
}
