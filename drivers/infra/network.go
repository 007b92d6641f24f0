package infra

import (
	"context"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// EnsureNetwork makes network, subnet and router with its gateway, or looks at the caller's own.
func (i *Infrastructure) EnsureNetwork(ctx context.Context, s *drivers.Site) drivers.Result {
	n, err := i.network(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	if s.Cluster.NetworkID != "" {
		_, _, err := i.callersNetwork(ctx, s)
		return Verdict(err)
	}
	mark := s.Cluster.Tag()
	net, err := i.tagged(ctx, s, n, "networks", drivers.Object{Kind: drivers.KindNetwork, Name: name(s, "network"),
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			ids, err := n.FindNetworks(ctx, name(s, "network"), mark)
			return found(ids), err
		},
		Create: func(ctx context.Context) (drivers.Found, error) {
			id, err := n.CreateNetwork(ctx, name(s, "network"), mark)
			return drivers.Found{ID: id}, err
		},
		Delete: n.DeleteNetwork})
	if err != nil {
		return Verdict(err)
	}
	subnet, err := i.tagged(ctx, s, n, "subnets", drivers.Object{Kind: drivers.KindSubnet, Name: name(s, "subnet"),
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			ids, err := n.FindSubnets(ctx, name(s, "subnet"), mark)
			return found(ids), err
		},
		Create: func(ctx context.Context) (drivers.Found, error) {
			id, err := n.CreateSubnet(ctx, name(s, "subnet"), mark, net.ID, s.Cluster.SubnetCIDR, s.Cluster.DNSNameservers)
			return drivers.Found{ID: id}, err
		},
		Delete: n.DeleteSubnet})
	if err != nil {
		return Verdict(err)
	}
	if s.Cluster.ExternalNetworkID == "" {
		return drivers.Done()
	}
	return Verdict(i.router(ctx, s, n, subnet.ID))
}

// What the ledger says of a router whose gateway somebody took away, until it has one again.
const attrGateway, gatewayLost = "gateway", "lost"

func (i *Infrastructure) router(ctx context.Context, s *drivers.Site, n *cloud.Network, subnetID string) error {
	mark := s.Cluster.Tag()
	router, err := i.tagged(ctx, s, n, "routers", drivers.Object{Kind: drivers.KindRouter, Name: name(s, "router"),
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			ids, err := n.FindRouters(ctx, name(s, "router"), mark)
			return found(ids), err
		},
		Create: func(ctx context.Context) (drivers.Found, error) {
			id, err := n.CreateRouter(ctx, name(s, "router"), mark, s.Cluster.ExternalNetworkID)
			return drivers.Found{ID: id}, err
		},
		Delete: n.DeleteRouter})
	if err != nil {
		return err
	}
	if router.Attrs[attrGateway] == gatewayLost {
		if err := n.SetRouterGateway(ctx, router.ID, s.Cluster.ExternalNetworkID); err != nil {
			return err
		}
		if err := s.Ledger.Confirm(ctx, router.Kind, router.Name, router.ID, nil); err != nil {
			return err
		}
	}
	_, err = i.ensure(ctx, s, drivers.Object{Kind: drivers.KindRouterPort, Name: name(s, "router-interface"),
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			has, err := n.RouterHasSubnet(ctx, router.ID, subnetID)
			if err != nil || !has {
				return nil, err
			}
			return []drivers.Found{{ID: subnetID}}, nil
		},
		Create: func(ctx context.Context) (drivers.Found, error) {
			return drivers.Found{ID: subnetID}, n.AddRouterInterface(ctx, router.ID, subnetID)
		}})
	return err
}

// tagged ensures an object and tags it when it is new to the ledger. A crash between the two leaves it untagged, which
// only operators' filters notice: we find and recognise our own by name and description.
func (i *Infrastructure) tagged(ctx context.Context, s *drivers.Site, n *cloud.Network, collection string, o drivers.Object) (drivers.Resource, error) {
	if r, ok := s.Ledger.Find(o.Kind, o.Name); ok && r.ID != "" {
		return r, nil
	}
	r, err := i.ensure(ctx, s, o)
	if err != nil {
		return r, err
	}
	return r, n.Tag(ctx, collection, r.ID, s.Cluster.Tag())
}

type place struct{ networkID, subnetID string }

// callersNetwork finds the subnet in the caller's own network.
func (i *Infrastructure) callersNetwork(ctx context.Context, s *drivers.Site) (networkID, subnetID string, err error) {
	if s.Cluster.SubnetID != "" {
		return s.Cluster.NetworkID, s.Cluster.SubnetID, nil
	}
	p, err := drivers.Once(s.Memo, "callers-network", func() (place, error) {
		n, err := i.network(ctx, s)
		if err != nil {
			return place{}, err
		}
		l, err := n.Subnets(ctx, "", s.Cluster.NetworkID)
		if err != nil {
			return place{}, err
		}
		for _, x := range l {
			if x.IPVersion == 4 {
				return place{s.Cluster.NetworkID, x.ID}, nil
			}
		}
		return place{}, &drivers.Fault{Class: drivers.ClassUser, Err: errNoSubnet}
	})
	return p.networkID, p.subnetID, err
}

// Network gives the network and subnet that hosts and VIP are on.
func (i *Infrastructure) Network(ctx context.Context, s *drivers.Site) (networkID, subnetID string, ok bool) {
	if s.Cluster.NetworkID != "" {
		networkID, subnetID, err := i.callersNetwork(ctx, s)
		return networkID, subnetID, err == nil
	}
	net, _ := s.Ledger.Find(drivers.KindNetwork, name(s, "network"))
	subnet, _ := s.Ledger.Find(drivers.KindSubnet, name(s, "subnet"))
	return net.ID, subnet.ID, net.ID != "" && subnet.ID != ""
}
