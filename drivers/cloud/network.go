package cloud

import (
	"context"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/mtu"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

const network = "network"

// Network is Neutron for one actor. Neutron takes tags only after an object is made, so what must be found after a crash
// between the two carries its owner's mark in the description as well: see the `mark` parameters.
type Network struct {
	c         *gophercloud.ServiceClient
	projectID string
}

// NetworkInfo is a network.
type NetworkInfo struct {
	ID, Name, Description string
	Subnets               []string
	External, Shared      bool
	MTU                   int    // 0: it was not told
	PortSecurity          bool   // security groups do something
	Type                  string // vlan, vxlan, …; only administrators are told
}

type netRow struct {
	networks.Network
	external.NetworkExternalExt
	mtu.NetworkMTUExt
	PortSecurity *bool  `json:"port_security_enabled"` // only where Neutron has the extension
	Type         string `json:"provider:network_type"`
}

func networkInfo(r netRow) NetworkInfo {
	return NetworkInfo{ID: r.ID, Name: r.Name, Description: r.Description, Subnets: r.Subnets, External: r.External, Shared: r.Shared, MTU: r.MTU, Type: r.Type,
		PortSecurity: r.PortSecurity == nil || *r.PortSecurity}
}

// Networks lists the networks of this name that the actor may see, or the one with this id.
func (n *Network) Networks(ctx context.Context, nameOrID string) ([]NetworkInfo, error) {
	tries := []networks.ListOpts{{Name: nameOrID}}
	if uuidForm.MatchString(nameOrID) {
		tries = []networks.ListOpts{{ID: nameOrID}, {Name: nameOrID}}
	}
	for _, o := range tries {
		pages, err := networks.List(n.c, o).AllPages(ctx)
		if err != nil {
			return nil, wrap(network, err, "looking for network %q", nameOrID)
		}
		var rows []netRow
		if err := networks.ExtractNetworksInto(pages, &rows); err != nil {
			return nil, wrap(network, err, "reading networks")
		}
		if len(rows) > 0 {
			return mapSlice(rows, networkInfo), nil
		}
	}
	return nil, nil
}

// IsExternal asks whether a network is external. Neutron's policies in their new form (secure RBAC) show that only to the
// network's own project, but take it as a filter from everybody.
func (n *Network) IsExternal(ctx context.Context, id string) (bool, error) {
	yes := true
	pages, err := networks.List(n.c, external.ListOptsExt{ListOptsBuilder: networks.ListOpts{ID: id}, External: &yes}).AllPages(ctx)
	if err != nil {
		return false, wrap(network, err, "looking for external network %s", id)
	}
	empty, err := pages.IsEmpty()
	return !empty, wrap(network, err, "reading networks")
}

// FindNetworks lists the networks with this mark, and with this name unless it is empty.
func (n *Network) FindNetworks(ctx context.Context, name, mark string) ([]string, error) {
	pages, err := networks.List(n.c, networks.ListOpts{Name: name, ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "looking for network %s", name)
	}
	l, err := networks.ExtractNetworks(pages)
	return mapSlice(l, func(x networks.Network) string { return x.ID }), wrap(network, err, "reading networks")
}

// CreateNetwork makes a network.
func (n *Network) CreateNetwork(ctx context.Context, name, mark string) (string, error) {
	x, err := networks.Create(ctx, n.c, networks.CreateOpts{Name: name, Description: mark, ProjectID: n.projectID}).Extract()
	if err != nil {
		return "", wrap(network, err, "creating network %s", name)
	}
	return x.ID, nil
}

// NetworkMark gives the description of a network.
func (n *Network) NetworkMark(ctx context.Context, id string) (string, error) {
	x, err := networks.Get(ctx, n.c, id).Extract()
	if err != nil {
		return "", wrap(network, err, "reading network %s", id)
	}
	return x.Description, nil
}

// DeleteNetwork deletes a network.
func (n *Network) DeleteNetwork(ctx context.Context, id string) error {
	return wrap(network, networks.Delete(ctx, n.c, id).ExtractErr(), "deleting network %s", id)
}

// Subnet is a subnet.
type Subnet struct {
	ID, Name, Description, NetworkID, CIDR, GatewayIP string
	IPVersion                                         int
	Pools                                             []Range
	DNSNameservers                                    []string
}

// Range is a range of addresses, both ends included.
type Range struct{ Start, End string }

func subnetInfo(s subnets.Subnet) Subnet {
	return Subnet{ID: s.ID, Name: s.Name, Description: s.Description, NetworkID: s.NetworkID, CIDR: s.CIDR, GatewayIP: s.GatewayIP, IPVersion: s.IPVersion, DNSNameservers: s.DNSNameservers,
		Pools: mapSlice(s.AllocationPools, func(p subnets.AllocationPool) Range { return Range{p.Start, p.End} })}
}

// Subnets lists subnets by name or id, in the network when that is given.
func (n *Network) Subnets(ctx context.Context, nameOrID, networkID string) ([]Subnet, error) {
	tries := []subnets.ListOpts{{Name: nameOrID, NetworkID: networkID}}
	if uuidForm.MatchString(nameOrID) {
		tries = []subnets.ListOpts{{ID: nameOrID, NetworkID: networkID}, {Name: nameOrID, NetworkID: networkID}}
	}
	for _, o := range tries {
		pages, err := subnets.List(n.c, o).AllPages(ctx)
		if err != nil {
			return nil, wrap(network, err, "looking for subnet %q", nameOrID)
		}
		l, err := subnets.ExtractSubnets(pages)
		if err != nil {
			return nil, wrap(network, err, "reading subnets")
		}
		if len(l) > 0 {
			return mapSlice(l, subnetInfo), nil
		}
	}
	return nil, nil
}

// FindSubnets lists the subnets with this mark, and with this name unless it is empty.
func (n *Network) FindSubnets(ctx context.Context, name, mark string) ([]string, error) {
	pages, err := subnets.List(n.c, subnets.ListOpts{Name: name, ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "looking for subnet %s", name)
	}
	l, err := subnets.ExtractSubnets(pages)
	return mapSlice(l, func(x subnets.Subnet) string { return x.ID }), wrap(network, err, "reading subnets")
}

// CreateSubnet makes an IPv4 subnet with DHCP.
func (n *Network) CreateSubnet(ctx context.Context, name, mark, networkID, cidr string, dns []string) (string, error) {
	x, err := subnets.Create(ctx, n.c, subnets.CreateOpts{Name: name, Description: mark, ProjectID: n.projectID, NetworkID: networkID, CIDR: cidr, IPVersion: gophercloud.IPv4, DNSNameservers: dns}).Extract()
	if err != nil {
		return "", wrap(network, err, "creating subnet %s", name)
	}
	return x.ID, nil
}

// Subnet reads one.
func (n *Network) Subnet(ctx context.Context, id string) (Subnet, error) {
	x, err := subnets.Get(ctx, n.c, id).Extract()
	if err != nil {
		return Subnet{}, wrap(network, err, "reading subnet %s", id)
	}
	return subnetInfo(*x), nil
}

// DeleteSubnet deletes a subnet.
func (n *Network) DeleteSubnet(ctx context.Context, id string) error {
	return wrap(network, subnets.Delete(ctx, n.c, id).ExtractErr(), "deleting subnet %s", id)
}

// FindRouters lists the routers with this mark, and with this name unless it is empty.
func (n *Network) FindRouters(ctx context.Context, name, mark string) ([]string, error) {
	pages, err := routers.List(n.c, routers.ListOpts{Name: name, ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "looking for router %s", name)
	}
	l, err := routers.ExtractRouters(pages)
	return mapSlice(l, func(x routers.Router) string { return x.ID }), wrap(network, err, "reading routers")
}

// CreateRouter makes a router with a gateway.
func (n *Network) CreateRouter(ctx context.Context, name, mark, externalNetworkID string) (string, error) {
	x, err := routers.Create(ctx, n.c, routers.CreateOpts{Name: name, Description: mark, ProjectID: n.projectID, GatewayInfo: &routers.GatewayInfo{NetworkID: externalNetworkID}}).Extract()
	if err != nil {
		return "", wrap(network, err, "creating router %s", name)
	}
	return x.ID, nil
}

// RouterGateway gives the external network that a router leads to, "" when it leads nowhere.
func (n *Network) RouterGateway(ctx context.Context, id string) (string, error) {
	x, err := routers.Get(ctx, n.c, id).Extract()
	if err != nil {
		return "", wrap(network, err, "reading router %s", id)
	}
	return x.GatewayInfo.NetworkID, nil
}

// SetRouterGateway makes a router lead to an external network.
func (n *Network) SetRouterGateway(ctx context.Context, id, externalNetworkID string) error {
	_, err := routers.Update(ctx, n.c, id, routers.UpdateOpts{GatewayInfo: &routers.GatewayInfo{NetworkID: externalNetworkID}}).Extract()
	return wrap(network, err, "setting the gateway of router %s", id)
}

// RouterMark gives the description of a router.
func (n *Network) RouterMark(ctx context.Context, id string) (string, error) {
	x, err := routers.Get(ctx, n.c, id).Extract()
	if err != nil {
		return "", wrap(network, err, "reading router %s", id)
	}
	return x.Description, nil
}

// DeleteRouter deletes a router.
func (n *Network) DeleteRouter(ctx context.Context, id string) error {
	return wrap(network, routers.Delete(ctx, n.c, id).ExtractErr(), "deleting router %s", id)
}

// RouterHasSubnet tells whether the router has an interface in the subnet.
func (n *Network) RouterHasSubnet(ctx context.Context, routerID, subnetID string) (bool, error) {
	l, err := n.Ports(ctx, ports.ListOpts{DeviceID: routerID})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(l, func(p Port) bool {
		return p.SubnetID == subnetID && strings.Contains(p.DeviceOwner, "router_interface")
	}), nil
}

// AddRouterInterface puts the router into the subnet.
func (n *Network) AddRouterInterface(ctx context.Context, routerID, subnetID string) error {
	_, err := routers.AddInterface(ctx, n.c, routerID, routers.AddInterfaceOpts{SubnetID: subnetID}).Extract()
	return wrap(network, err, "adding subnet %s to router %s", subnetID, routerID)
}

// RemoveRouterInterface takes the router out of the subnet.
func (n *Network) RemoveRouterInterface(ctx context.Context, routerID, subnetID string) error {
	_, err := routers.RemoveInterface(ctx, n.c, routerID, routers.RemoveInterfaceOpts{SubnetID: subnetID}).Extract()
	return wrap(network, err, "removing subnet %s from router %s", subnetID, routerID)
}

// Port is a port with its first address.
type Port struct {
	ID, Name, Description, NetworkID, SubnetID, Address, MAC, DeviceID, DeviceOwner, Status, ProjectID string
	SecurityGroups                                                                                     []string
	Allowed                                                                                            []string // addresses beside its own, as CIDRs
}

func portInfo(p ports.Port) Port {
	i := Port{ID: p.ID, Name: p.Name, Description: p.Description, NetworkID: p.NetworkID, MAC: p.MACAddress, DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner, Status: p.Status, ProjectID: p.ProjectID, SecurityGroups: p.SecurityGroups}
	if len(p.FixedIPs) > 0 {
		i.SubnetID, i.Address = p.FixedIPs[0].SubnetID, p.FixedIPs[0].IPAddress
	}
	for _, pair := range p.AllowedAddressPairs {
		i.Allowed = append(i.Allowed, pair.IPAddress)
	}
	return i
}

// Ports lists ports.
func (n *Network) Ports(ctx context.Context, o ports.ListOpts) ([]Port, error) {
	pages, err := ports.List(n.c, o).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "listing ports")
	}
	l, err := ports.ExtractPorts(pages)
	return mapSlice(l, portInfo), wrap(network, err, "reading ports")
}

// FindPorts lists the ports with this mark, and with this name unless it is empty.
func (n *Network) FindPorts(ctx context.Context, name, mark string) ([]Port, error) {
	return n.Ports(ctx, ports.ListOpts{Name: name, ProjectID: n.projectID, Description: mark})
}

// Addresses lists the addresses in use in a subnet, as far as the actor may see them.
func (n *Network) Addresses(ctx context.Context, subnetID string) (map[string]bool, error) {
	l, err := n.Ports(ctx, ports.ListOpts{FixedIPs: []ports.FixedIPOpts{{SubnetID: subnetID}}})
	used := map[string]bool{}
	for _, p := range l {
		used[p.Address] = true
	}
	return used, err
}

// CreatePort makes a port in the subnet. Without security groups it gets none when there are none to give.
func (n *Network) CreatePort(ctx context.Context, name, mark, networkID, subnetID string, securityGroups []string) (Port, error) {
	return n.createPort(ctx, n.portOpts(name, mark, networkID, subnetID, securityGroups), name)
}

// CreateBaremetalPort makes a port for a bare-metal node: Ironic binds it.
func (n *Network) CreateBaremetalPort(ctx context.Context, name, mark, networkID, subnetID string, securityGroups []string) (Port, error) {
	o := n.portOpts(name, mark, networkID, subnetID, securityGroups)
	return n.createPort(ctx, portsbinding.CreateOptsExt{CreateOptsBuilder: o, VNICType: baremetal}, name)
}

func (n *Network) portOpts(name, mark, networkID, subnetID string, securityGroups []string) ports.CreateOpts {
	return ports.CreateOpts{Name: name, Description: mark, ProjectID: n.projectID, NetworkID: networkID,
		FixedIPs: []ports.IP{{SubnetID: subnetID}}, SecurityGroups: &securityGroups}
}

func (n *Network) createPort(ctx context.Context, o ports.CreateOptsBuilder, name string) (Port, error) {
	x, err := ports.Create(ctx, n.c, o).Extract()
	if err != nil {
		return Port{}, wrap(network, err, "creating port %s", name)
	}
	return portInfo(*x), nil
}

// Port reads one.
func (n *Network) Port(ctx context.Context, id string) (Port, error) {
	x, err := ports.Get(ctx, n.c, id).Extract()
	if err != nil {
		return Port{}, wrap(network, err, "reading port %s", id)
	}
	return portInfo(*x), nil
}

// SetPortGroups makes the security groups of a port exactly these.
func (n *Network) SetPortGroups(ctx context.Context, id string, groups []string) error {
	_, err := ports.Update(ctx, n.c, id, ports.UpdateOpts{SecurityGroups: &groups}).Extract()
	return wrap(network, err, "setting the security groups of port %s", id)
}

// DeletePort deletes a port.
func (n *Network) DeletePort(ctx context.Context, id string) error {
	return wrap(network, ports.Delete(ctx, n.c, id).ExtractErr(), "deleting port %s", id)
}

// Tag puts a tag on an object: for operators and their tools, we find our own by name and mark. Kinds are Neutron's
// collection names: networks, ports, security-groups, …
func (n *Network) Tag(ctx context.Context, kind, id, tag string) error {
	return wrap(network, attributestags.Add(ctx, n.c, kind, id, tag).ExtractErr(), "tagging %s %s", kind, id)
}

// Quota is limit and use; a limit below 0 means none.
type Quota struct{ Limit, Used int }

// Left tells how many more may be had.
func (q Quota) Left() int {
	if q.Limit < 0 {
		return int(^uint(0) >> 1)
	}
	return q.Limit - q.Used
}

// Quotas reads the project's, by Neutron's names.
func (n *Network) Quotas(ctx context.Context) (map[string]Quota, error) {
	q, err := quotas.GetDetail(ctx, n.c, n.projectID).Extract()
	if err != nil {
		return nil, wrap(network, err, "reading quotas")
	}
	d := func(x quotas.QuotaDetail) Quota { return Quota{x.Limit, x.Used + x.Reserved} }
	return map[string]Quota{"network": d(q.Network), "subnet": d(q.Subnet), "router": d(q.Router), "port": d(q.Port),
		"security_group": d(q.SecurityGroup), "security_group_rule": d(q.SecurityGroupRule), "floatingip": d(q.FloatingIP)}, nil
}

func mapSlice[A, B any](in []A, f func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, f(a))
	}
	return out
}
