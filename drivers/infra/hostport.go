package infra

import (
	"context"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// HostPorts makes the ports of hosts, which are their addresses. Drivers of machines share it.
type HostPorts struct {
	Clouds    *cloud.Factory
	Network   drivers.Infrastructure
	Duplicate func(kind, id string) // may be nil
	Baremetal bool                  // Ironic binds them, not Nova
}

func (p HostPorts) neutron(ctx context.Context, s *drivers.Site) (*cloud.Network, error) {
	c, err := Clients(ctx, p.Clouds, s)
	if err != nil {
		return nil, err
	}
	return c.Network()
}

func portFound(p cloud.Port) drivers.Found {
	return drivers.Found{ID: p.ID, Attrs: map[string]string{drivers.AttrAddress: p.Address, drivers.AttrSubnetID: p.SubnetID, drivers.AttrNetworkID: p.NetworkID}}
}

// Ensure makes a host's port, with the security group of its role. Where the network has port security off there are no
// groups to be in.
func (p HostPorts) Ensure(ctx context.Context, s *drivers.Site, h drivers.Host) drivers.Result {
	if r, ok := s.Ledger.Find(drivers.KindPort, h.Name); ok && r.ID != "" {
		return drivers.Done()
	}
	networkID, subnetID, ok := p.Network.Network(ctx, s)
	if !ok {
		return drivers.Failed(drivers.ClassInternal, "the cluster has no network yet")
	}
	n, err := p.neutron(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	groups, remark, err := p.groups(ctx, s, n, networkID, h)
	if err != nil {
		return Verdict(err)
	}
	create := n.CreatePort
	if p.Baremetal {
		create = n.CreateBaremetalPort
	}
	r, err := drivers.Ensure(ctx, s.Ledger, drivers.Object{Kind: drivers.KindPort, Name: h.Name, Node: h.Name, Duplicate: p.Duplicate,
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			l, err := n.FindPorts(ctx, h.Name, s.Cluster.Tag())
			var out []drivers.Found
			for _, x := range l {
				out = append(out, portFound(x))
			}
			return out, err
		},
		Create: func(ctx context.Context) (drivers.Found, error) {
			x, err := create(ctx, h.Name, s.Cluster.Tag(), networkID, subnetID, groups)
			return portFound(x), err
		},
		Delete: n.DeletePort})
	if err == nil {
		err = n.Tag(ctx, "ports", r.ID, s.Cluster.Tag())
	}
	if err != nil {
		return Verdict(err)
	}
	return drivers.Done().Remark(remark)
}

func (p HostPorts) groups(ctx context.Context, s *drivers.Site, n *cloud.Network, networkID string, h drivers.Host) (ids []string, remark string, err error) {
	g, ok := s.Ledger.Find(drivers.KindSecurityGroup, GroupName(s, h.ControlPlane))
	if !ok || g.ID == "" {
		return nil, "", nil
	}
	secure, err := portSecurity(ctx, s, n, networkID)
	if err != nil || secure {
		return []string{g.ID}, "", err
	}
	return nil, "without a security group: its network has port security off", nil
}

// portSecurity tells whether a network has it: only one that somebody brought can be without.
func portSecurity(ctx context.Context, s *drivers.Site, n *cloud.Network, networkID string) (bool, error) {
	if s.Cluster.NetworkID == "" {
		return true, nil
	}
	return drivers.Once(s.Memo, "port security", func() (bool, error) {
		l, err := n.Networks(ctx, networkID)
		return err != nil || len(l) != 1 || l[0].PortSecurity, err
	})
}

// Remove deletes a port and forgets it.
func (p HostPorts) Remove(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	n, err := p.neutron(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	ids := []string{r.ID}
	if r.ID == "" {
		l, err := n.FindPorts(ctx, r.Name, s.Cluster.Tag())
		if err != nil {
			return Verdict(err)
		}
		ids = nil
		for _, p := range l {
			ids = append(ids, p.ID)
		}
	}
	for _, id := range ids {
		p, err := n.Port(ctx, id)
		switch {
		case cloud.IsNotFound(err):
			continue
		case err != nil:
			return Verdict(err)
		case p.Description != s.Cluster.Tag():
			return drivers.Failed(drivers.ClassInternal, "port %s (%s) does not carry the mark of this cluster: left alone", r.Name, id)
		}
		err = n.DeletePort(ctx, id)
		if cloud.IsConflict(err) {
			return drivers.Continue(drivers.PollInterval, "%s", err.Error())
		}
		if err != nil && !cloud.IsNotFound(err) {
			return Verdict(err)
		}
	}
	return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
}

// Marked lists the ports with the cluster's mark.
func (p HostPorts) Marked(ctx context.Context, s *drivers.Site) ([]drivers.Resource, error) {
	n, err := p.neutron(ctx, s)
	if err != nil {
		return nil, err
	}
	ports, err := n.FindPorts(ctx, "", s.Cluster.Tag())
	var l []drivers.Resource
	for _, x := range ports {
		l = append(l, drivers.Resource{Kind: drivers.KindPort, Name: x.Name, ID: x.ID})
	}
	return l, err
}
