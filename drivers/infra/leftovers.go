package infra

import (
	"context"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// What a cluster makes in the cloud by itself is recognised by what cloud-provider-openstack writes on it: its controller
// manager into names and descriptions, its volume driver into metadata. Each has the name of the cluster that both are told,
// which is the prefix of our own names: with its random end it is no other cluster's, and has no character that could end
// it early.
const (
	servicePrefix = "kube_service_"
	volumeCluster = "cinder.csi.openstack.org/cluster"
)

// ofService: the load balancer was made for a Service of this cluster.
func ofService(s *drivers.Site, x cloud.LoadBalancerInfo) bool {
	return strings.HasPrefix(x.Name, servicePrefix+s.Cluster.Prefix+"_") && x.ProjectID == s.Cluster.ProjectID
}

// sharers are Services of other clusters that use the load balancer too: each Service has a tag on it.
func sharers(s *drivers.Site, x cloud.LoadBalancerInfo) []string {
	var l []string
	for _, t := range x.Tags {
		if strings.HasPrefix(t, servicePrefix) && !strings.HasPrefix(t, servicePrefix+s.Cluster.Prefix+"_") {
			l = append(l, t)
		}
	}
	return l
}

func serviceFloatingIP(s *drivers.Site, x cloud.FloatingIP) bool {
	return strings.HasPrefix(x.Description, "Floating IP for Kubernetes external service ") && strings.HasSuffix(x.Description, " from cluster "+s.Cluster.Prefix) &&
		x.ProjectID == s.Cluster.ProjectID
}

func serviceSecurityGroup(s *drivers.Site, x cloud.SecurityGroup) bool {
	return strings.HasPrefix(x.Name, "lb-sg-") && strings.HasSuffix(x.Description, " Service LoadBalancer in cluster "+s.Cluster.Prefix) && x.ProjectID == s.Cluster.ProjectID
}

// ofVolumeDriver: Cinder can be told to hide the project from those who only see their own.
func ofVolumeDriver(s *drivers.Site, x cloud.VolumeInfo) bool {
	return x.Metadata[volumeCluster] == s.Cluster.Prefix && (x.ProjectID == s.Cluster.ProjectID || x.ProjectID == "")
}

// stray: the port is on the subnet that was made for this cluster and belongs to nothing. Ports of servers or services are
// their owners' business.
func stray(s *drivers.Site, p cloud.Port) bool {
	subnet, ok := s.Ledger.Find(drivers.KindSubnet, name(s, "subnet"))
	return ok && subnet.ID != "" && p.SubnetID == subnet.ID && p.DeviceID == "" && p.DeviceOwner == "" && p.Description != s.Cluster.Tag() && p.ProjectID == s.Cluster.ProjectID
}

// madeByCluster says how such objects of Neutron's are recognised and deleted.
func madeByCluster(s *drivers.Site, n *cloud.Network, r drivers.Resource) (remover, bool) {
	switch r.Kind {
	case drivers.KindServiceFloatingIP:
		return remover{func(ctx context.Context) (bool, error) {
			x, err := n.FloatingIP(ctx, r.ID)
			return serviceFloatingIP(s, x), err
		}, func(ctx context.Context) error { return n.DeleteFloatingIP(ctx, r.ID) }}, true
	case drivers.KindServiceSecurityGroup:
		return remover{func(ctx context.Context) (bool, error) {
			x, err := n.SecurityGroup(ctx, r.ID)
			return serviceSecurityGroup(s, x), err
		}, func(ctx context.Context) error { return n.DeleteSecurityGroup(ctx, r.ID) }}, true
	case drivers.KindStrayPort:
		return remover{func(ctx context.Context) (bool, error) {
			p, err := n.Port(ctx, r.ID)
			return stray(s, p), err
		}, func(ctx context.Context) error { return n.DeletePort(ctx, r.ID) }}, true
	}
	return remover{}, false
}

// Leftovers implements drivers.Infrastructure.
func (i *Infrastructure) Leftovers(ctx context.Context, s *drivers.Site, kinds ...string) ([]drivers.Resource, error) {
	var all []drivers.Resource
	for _, l := range i.searches(s) {
		if len(kinds) > 0 && !slices.Contains(kinds, l.kind) {
			continue
		}
		found, err := drivers.Once(s.Memo, "leftovers "+l.kind, func() ([]drivers.Resource, error) { return l.find(ctx) })
		switch {
		case cloud.IsNoEndpoint(err), cloud.IsForbidden(err) && !i.foreign(ctx, s): // then nobody can have made any in this cluster's name
		case err != nil:
			return nil, err
		}
		all = append(all, found...)
	}
	return Unknown(s, all), nil
}

// Unknown are those that the ledger does not hold.
func Unknown(s *drivers.Site, found []drivers.Resource) []drivers.Resource {
	known := map[string]bool{}
	for _, r := range s.Ledger.All() {
		known[r.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(found), func(r drivers.Resource) bool { return known[r.ID] })
}

// search is how one kind is found.
type search struct {
	kind string
	find func(ctx context.Context) ([]drivers.Resource, error)
}

// searches are in the order in which things can go.
func (i *Infrastructure) searches(s *drivers.Site) []search {
	mark := s.Cluster.Tag()
	marked := func(kind string, find func(n *cloud.Network, ctx context.Context, mark string) ([]cloud.Named, error)) search {
		return neutron(i, s, kind, func(ctx context.Context, n *cloud.Network) ([]cloud.Named, error) { return find(n, ctx, mark) },
			func(x cloud.Named) (drivers.Resource, bool) { return drivers.Resource{Name: x.Name, ID: x.ID}, true })
	}
	groups := func(ctx context.Context, n *cloud.Network) ([]cloud.SecurityGroup, error) {
		return drivers.Once(s.Memo, "all security groups", func() ([]cloud.SecurityGroup, error) { return n.SecurityGroups(ctx, "") })
	}
	ips := func(ctx context.Context, n *cloud.Network) ([]cloud.FloatingIP, error) {
		return drivers.Once(s.Memo, "all floating IPs", func() ([]cloud.FloatingIP, error) { return n.FindFloatingIPs(ctx, "") })
	}
	return []search{
		i.balancers(s, drivers.KindServiceLoadBalancer, func(x cloud.LoadBalancerInfo) bool { return ofService(s, x) }),
		i.balancers(s, drivers.KindLoadBalancer, func(x cloud.LoadBalancerInfo) bool { return slices.Contains(x.Tags, mark) }),
		neutron(i, s, drivers.KindServiceFloatingIP, ips, func(x cloud.FloatingIP) (drivers.Resource, bool) {
			return drivers.Resource{Name: x.Address, ID: x.ID}, serviceFloatingIP(s, x)
		}),
		neutron(i, s, drivers.KindFloatingIP, ips, func(x cloud.FloatingIP) (drivers.Resource, bool) {
			return drivers.Resource{Name: x.Address, ID: x.ID}, strings.HasPrefix(x.Description, mark)
		}),
		neutron(i, s, drivers.KindServiceSecurityGroup, groups, func(x cloud.SecurityGroup) (drivers.Resource, bool) {
			return drivers.Resource{Name: x.Name, ID: x.ID}, serviceSecurityGroup(s, x)
		}),
		neutron(i, s, drivers.KindSecurityGroup, groups, func(x cloud.SecurityGroup) (drivers.Resource, bool) {
			return drivers.Resource{Name: x.Name, ID: x.ID}, x.Description == mark
		}),
		neutron(i, s, drivers.KindStrayPort, func(ctx context.Context, n *cloud.Network) ([]cloud.Port, error) {
			subnet, ok := s.Ledger.Find(drivers.KindSubnet, name(s, "subnet"))
			if !ok || subnet.ID == "" {
				return nil, nil
			}
			return n.PortsOn(ctx, subnet.ID)
		}, func(x cloud.Port) (drivers.Resource, bool) {
			return drivers.Resource{Name: x.Name, ID: x.ID}, stray(s, x)
		}),
		i.stored(s, drivers.KindVolumeSnapshot, (*cloud.Volume).Snapshots),
		i.stored(s, drivers.KindPersistentVolume, (*cloud.Volume).List),
		marked(drivers.KindRouter, (*cloud.Network).MarkedRouters),
		marked(drivers.KindSubnet, (*cloud.Network).MarkedSubnets),
		marked(drivers.KindNetwork, (*cloud.Network).MarkedNetworks),
	}
}

// neutron searches one of Neutron's lists.
func neutron[T any](i *Infrastructure, s *drivers.Site, kind string, list func(context.Context, *cloud.Network) ([]T, error), ours func(T) (drivers.Resource, bool)) search {
	return search{kind, func(ctx context.Context) ([]drivers.Resource, error) {
		n, err := i.network(ctx, s)
		if err != nil {
			return nil, err
		}
		all, err := list(ctx, n)
		var l []drivers.Resource
		for _, x := range all {
			if r, ok := ours(x); ok {
				r.Kind = kind
				l = append(l, r)
			}
		}
		return l, err
	}}
}

func (i *Infrastructure) balancers(s *drivers.Site, kind string, ours func(cloud.LoadBalancerInfo) bool) search {
	return search{kind, func(ctx context.Context) ([]drivers.Resource, error) {
		all, err := drivers.Once(s.Memo, "all load balancers", func() ([]cloud.LoadBalancerInfo, error) {
			o, err := i.loadBalancer(ctx, s)
			if err != nil {
				return nil, err
			}
			return o.List(ctx, s.Cluster.ProjectID)
		})
		var l []drivers.Resource
		for _, x := range all {
			if ours(x) && x.Status != "DELETED" {
				r := drivers.Resource{Kind: kind, Name: x.Name, ID: x.ID}
				if others := sharers(s, x); len(others) > 0 {
					r.Attrs = map[string]string{drivers.AttrSharedWith: strings.Join(others, ", ")}
				}
				l = append(l, r)
			}
		}
		return l, err
	}}
}

// stored searches a list of Cinder's.
func (i *Infrastructure) stored(s *drivers.Site, kind string, list func(*cloud.Volume, context.Context) ([]cloud.VolumeInfo, error)) search {
	return search{kind, func(ctx context.Context) ([]drivers.Resource, error) {
		v, err := i.volumes(ctx, s)
		if err != nil {
			return nil, err
		}
		all, err := list(v, ctx)
		var l []drivers.Resource
		for _, x := range all {
			if ofVolumeDriver(s, x) {
				l = append(l, drivers.Resource{Kind: kind, Name: x.Name, ID: x.ID})
			}
		}
		return l, err
	}}
}

func (i *Infrastructure) volumes(ctx context.Context, s *drivers.Site) (*cloud.Volume, error) {
	c, err := i.clients(ctx, s)
	if err != nil {
		return nil, err
	}
	return c.Volume()
}
