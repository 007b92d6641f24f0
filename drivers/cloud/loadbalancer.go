package cloud

import (
	"context"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/providers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/quotas"
)

const loadBalancer = "load-balancer"

// LoadBalancer is Octavia for one actor.
type LoadBalancer struct{ c *gophercloud.ServiceClient }

// LoadBalancerInfo is a load balancer.
type LoadBalancerInfo struct {
	ID, Name, Status          string // provisioning status
	ProjectID                 string
	VIPAddress, VIPPortID     string
	VIPSubnetID, VIPNetworkID string
	ListenerIDs, PoolIDs      []string
	Tags                      []string
}

func lbInfo(l loadbalancers.LoadBalancer) LoadBalancerInfo {
	return LoadBalancerInfo{ID: l.ID, Name: l.Name, ProjectID: l.ProjectID, Status: l.ProvisioningStatus, VIPAddress: l.VipAddress, VIPPortID: l.VipPortID, VIPSubnetID: l.VipSubnetID,
		VIPNetworkID: l.VipNetworkID, Tags: l.Tags, PoolIDs: mapSlice(l.Pools, func(p pools.Pool) string { return p.ID }),
		ListenerIDs: mapSlice(l.Listeners, func(x listeners.Listener) string { return x.ID })}
}

// Providers lists the names of those who can make load balancers.
func (o *LoadBalancer) Providers(ctx context.Context) ([]string, error) {
	pages, err := providers.List(o.c, providers.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, wrap(loadBalancer, err, "listing providers")
	}
	l, err := providers.ExtractProviders(pages)
	return mapSlice(l, func(p providers.Provider) string { return p.Name }), wrap(loadBalancer, err, "reading providers")
}

// Find lists the load balancers with this name and tag.
func (o *LoadBalancer) Find(ctx context.Context, name, tag string) ([]LoadBalancerInfo, error) {
	pages, err := loadbalancers.List(o.c, loadbalancers.ListOpts{Name: name, Tags: []string{tag}}).AllPages(ctx)
	if err != nil {
		return nil, wrap(loadBalancer, err, "looking for load balancer %s", name)
	}
	l, err := loadbalancers.ExtractLoadBalancers(pages)
	return mapSlice(l, lbInfo), wrap(loadBalancer, err, "reading load balancers")
}

// List lists a project's load balancers.
func (o *LoadBalancer) List(ctx context.Context, projectID string) ([]LoadBalancerInfo, error) {
	pages, err := loadbalancers.List(o.c, loadbalancers.ListOpts{ProjectID: projectID}).AllPages(ctx)
	if err != nil {
		return nil, wrap(loadBalancer, err, "listing load balancers")
	}
	l, err := loadbalancers.ExtractLoadBalancers(pages)
	return mapSlice(l, lbInfo), wrap(loadBalancer, err, "reading load balancers")
}

// LoadBalancerSpec is a load balancer with nothing below it yet.
type LoadBalancerSpec struct {
	Name, Tag, Provider string
	SubnetID, Address   string // the VIP's; the address is chosen, so that a second request is refused
}

// Create asks for a load balancer. Listener, pool and monitor are added one after the other, when it is ACTIVE again:
// asked for together with it, they stay in PENDING_CREATE for ever where Octavia's worker is quicker than its API's commit
// (seen with Octavia 11).
func (o *LoadBalancer) Create(ctx context.Context, s LoadBalancerSpec) (LoadBalancerInfo, error) {
	x, err := loadbalancers.Create(ctx, o.c, loadbalancers.CreateOpts{Name: s.Name, Provider: s.Provider, VipSubnetID: s.SubnetID, VipAddress: s.Address, Tags: []string{s.Tag}}).Extract()
	if err != nil {
		return LoadBalancerInfo{}, wrap(loadBalancer, err, "creating load balancer %s", s.Name)
	}
	return lbInfo(*x), nil
}

// ListenerSpec is a TCP port of a load balancer.
type ListenerSpec struct {
	LoadBalancerID, Name, Tag string
	Port                      int
	AllowedCIDRs              []string
	PoolID                    string // where its connections go, if there is a pool already
}

// AddListener opens the port. A second one for it is a conflict.
func (o *LoadBalancer) AddListener(ctx context.Context, s ListenerSpec) error {
	_, err := listeners.Create(ctx, o.c, listeners.CreateOpts{LoadbalancerID: s.LoadBalancerID, Name: s.Name, Protocol: listeners.ProtocolTCP, ProtocolPort: s.Port,
		AllowedCIDRs: s.AllowedCIDRs, DefaultPoolID: s.PoolID, Tags: []string{s.Tag}}).Extract()
	return wrap(loadBalancer, err, "adding listener %s", s.Name)
}

// AddPool gives a listener the pool that its connections go to, by turns. A second one is a conflict.
func (o *LoadBalancer) AddPool(ctx context.Context, listenerID, name, tag string) error {
	_, err := pools.Create(ctx, o.c, pools.CreateOpts{ListenerID: listenerID, Name: name, Protocol: pools.ProtocolTCP, LBMethod: pools.LBMethodRoundRobin, Tags: []string{tag}}).Extract()
	return wrap(loadBalancer, err, "adding pool %s", name)
}

// MonitorSpec is how a pool's members are looked after: a connection every Delay seconds.
type MonitorSpec struct {
	PoolID, Name            string
	Delay, Timeout, Retries int
}

// AddMonitor gives a pool its monitor. A second one is a conflict.
func (o *LoadBalancer) AddMonitor(ctx context.Context, s MonitorSpec) error {
	_, err := monitors.Create(ctx, o.c, monitors.CreateOpts{PoolID: s.PoolID, Name: s.Name, Type: monitors.TypeTCP, Delay: s.Delay, Timeout: s.Timeout, MaxRetries: s.Retries}).Extract()
	return wrap(loadBalancer, err, "adding the monitor of pool %s", s.PoolID)
}

// HasMonitor tells whether a pool has one.
func (o *LoadBalancer) HasMonitor(ctx context.Context, poolID string) (bool, error) {
	p, err := pools.Get(ctx, o.c, poolID).Extract()
	if err != nil {
		return false, wrap(loadBalancer, err, "reading pool %s", poolID)
	}
	return p.MonitorID != "", nil
}

// Get reads one.
func (o *LoadBalancer) Get(ctx context.Context, id string) (LoadBalancerInfo, error) {
	x, err := loadbalancers.Get(ctx, o.c, id).Extract()
	if err != nil {
		return LoadBalancerInfo{}, wrap(loadBalancer, err, "reading load balancer %s", id)
	}
	return lbInfo(*x), nil
}

// Members lists the addresses of a pool's members.
func (o *LoadBalancer) Members(ctx context.Context, poolID string) ([]string, error) {
	pages, err := pools.ListMembers(o.c, poolID, pools.ListMembersOpts{}).AllPages(ctx)
	if err != nil {
		return nil, wrap(loadBalancer, err, "listing members of pool %s", poolID)
	}
	l, err := pools.ExtractMembers(pages)
	return mapSlice(l, func(m pools.Member) string { return m.Address }), wrap(loadBalancer, err, "reading members")
}

// SetMembers makes the pool's members exactly these, in one call.
func (o *LoadBalancer) SetMembers(ctx context.Context, poolID string, addresses []string, port int) error {
	l := mapSlice(addresses, func(a string) pools.BatchUpdateMemberOpts {
		return pools.BatchUpdateMemberOpts{Address: a, ProtocolPort: port}
	})
	return wrap(loadBalancer, pools.BatchUpdateMembers(ctx, o.c, poolID, l).ExtractErr(), "setting members of pool %s", poolID)
}

// Delete asks for its end, with everything below it.
func (o *LoadBalancer) Delete(ctx context.Context, id string) error {
	return wrap(loadBalancer, loadbalancers.Delete(ctx, o.c, id, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr(), "deleting load balancer %s", id)
}

// Quotas reads the project's, by Octavia's names. Octavia tells limits only: what is in use is counted, where there is one.
func (o *LoadBalancer) Quotas(ctx context.Context, projectID string) (map[string]Quota, error) {
	q, err := quotas.Get(ctx, o.c, projectID).Extract()
	if err != nil {
		return nil, wrap(loadBalancer, err, "reading quotas")
	}
	balancers := Quota{Limit: q.Loadbalancer}
	if balancers.Limit >= 0 {
		l, err := o.List(ctx, projectID)
		if err != nil {
			return nil, err
		}
		balancers.Used = len(l)
	}
	return map[string]Quota{"load_balancer": balancers}, nil
}
