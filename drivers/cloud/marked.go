package cloud

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// MarkedNetworks lists the project's networks with this mark, whatever their names.
func (n *Network) MarkedNetworks(ctx context.Context, mark string) ([]Named, error) {
	pages, err := networks.List(n.c, networks.ListOpts{ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "looking for networks")
	}
	l, err := networks.ExtractNetworks(pages)
	return mapSlice(l, func(x networks.Network) Named { return Named{x.ID, x.Name} }), wrap(network, err, "reading networks")
}

// MarkedSubnets lists the project's subnets with this mark.
func (n *Network) MarkedSubnets(ctx context.Context, mark string) ([]Named, error) {
	pages, err := subnets.List(n.c, subnets.ListOpts{ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "looking for subnets")
	}
	l, err := subnets.ExtractSubnets(pages)
	return mapSlice(l, func(x subnets.Subnet) Named { return Named{x.ID, x.Name} }), wrap(network, err, "reading subnets")
}

// MarkedRouters lists the project's routers with this mark.
func (n *Network) MarkedRouters(ctx context.Context, mark string) ([]Named, error) {
	pages, err := routers.List(n.c, routers.ListOpts{ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "looking for routers")
	}
	l, err := routers.ExtractRouters(pages)
	return mapSlice(l, func(x routers.Router) Named { return Named{x.ID, x.Name} }), wrap(network, err, "reading routers")
}

// PortsOn lists the project's ports with an address in the subnet.
func (n *Network) PortsOn(ctx context.Context, subnetID string) ([]Port, error) {
	return n.Ports(ctx, ports.ListOpts{ProjectID: n.projectID, FixedIPs: []ports.FixedIPOpts{{SubnetID: subnetID}}})
}

// Users lists the ports, of whatever project, that keep a subnet, network or security group from being deleted. Kinds are
// those of the filters of Neutron's list of ports: what it serves by itself keeps nothing.
func (n *Network) Users(ctx context.Context, kind, id string) ([]Port, error) {
	var o ports.ListOpts
	switch kind {
	case "subnet":
		o.FixedIPs = []ports.FixedIPOpts{{SubnetID: id}}
	case "network":
		o.NetworkID = id
	case "security_group":
		o.SecurityGroups = []string{id}
	default:
		return nil, nil
	}
	l, err := n.Ports(ctx, o)
	var out []Port
	for _, p := range l {
		if p.DeviceOwner != "network:dhcp" && p.DeviceOwner != "network:distributed" {
			out = append(out, p)
		}
	}
	return out, err
}

// String names a port for people: what it is called, and whose it is.
func (p Port) String() string {
	s := "port " + p.ID
	if p.Name != "" {
		s = fmt.Sprintf("port %s (%s)", p.Name, p.ID)
	}
	if p.DeviceOwner != "" {
		s += fmt.Sprintf(" of %s %s", p.DeviceOwner, p.DeviceID)
	}
	return s
}
