package guests

import (
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// picture is the network as Neutron and Octavia had it at the last look.
type picture struct {
	ports    map[string]port // by id
	floating map[string]string
	vips     map[string][]listener // by the port of the load balancer
}

type port struct{ network, address, device string }

type listener struct {
	port    int
	members []member
}

type member struct {
	address string
	port    int
}

// take asks for all of it.
func (g *Guests) take() (picture, error) {
	p := picture{ports: map[string]port{}, floating: map[string]string{}, vips: map[string][]listener{}}
	pages, err := ports.List(g.network, ports.ListOpts{}).AllPages(g.life)
	if err != nil {
		return p, err
	}
	all, err := ports.ExtractPorts(pages)
	if err != nil {
		return p, err
	}
	for _, x := range all {
		if len(x.FixedIPs) > 0 {
			p.ports[x.ID] = port{x.NetworkID, x.FixedIPs[0].IPAddress, x.DeviceID}
		}
	}
	if pages, err = floatingips.List(g.network, floatingips.ListOpts{}).AllPages(g.life); err != nil {
		return p, err
	}
	addresses, err := floatingips.ExtractFloatingIPs(pages)
	if err != nil {
		return p, err
	}
	for _, f := range addresses {
		if f.PortID != "" {
			p.floating[f.FloatingIP] = f.PortID
		}
	}
	return p, g.takeBalancers(p)
}

func (g *Guests) takeBalancers(p picture) error {
	pages, err := loadbalancers.List(g.balancer, loadbalancers.ListOpts{}).AllPages(g.life)
	if err != nil {
		return err
	}
	balancers, err := loadbalancers.ExtractLoadBalancers(pages)
	if err != nil || len(balancers) == 0 {
		return err
	}
	if pages, err = listeners.List(g.balancer, listeners.ListOpts{}).AllPages(g.life); err != nil {
		return err
	}
	all, err := listeners.ExtractListeners(pages)
	if err != nil {
		return err
	}
	for _, l := range all {
		if pages, err = pools.ListMembers(g.balancer, l.DefaultPoolID, pools.ListMembersOpts{}).AllPages(g.life); err != nil {
			continue // it goes just now
		}
		list, err := pools.ExtractMembers(pages)
		if err != nil {
			return err
		}
		x := listener{port: l.ProtocolPort}
		for _, m := range list {
			x.members = append(x.members, member{m.Address, m.ProtocolPort})
		}
		for _, b := range balancers {
			for _, of := range l.Loadbalancers {
				if of.ID == b.ID {
					p.vips[b.VipPortID] = append(p.vips[b.VipPortID], x)
				}
			}
		}
	}
	return nil
}
