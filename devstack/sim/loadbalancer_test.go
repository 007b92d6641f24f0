package sim

import (
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
)

func (a *actor) balancerOrder(l lan, address string, members ...string) loadbalancers.CreateOpts {
	pool := &pools.CreateOpts{Name: "p", Protocol: pools.ProtocolTCP, LBMethod: pools.LBMethodRoundRobin, Monitor: &monitors.CreateOpts{Type: monitors.TypeTCP, Delay: 5, Timeout: 5, MaxRetries: 3}}
	for _, m := range members {
		pool.Members = append(pool.Members, pools.CreateMemberOpts{Address: m, ProtocolPort: 6443})
	}
	return loadbalancers.CreateOpts{Name: "x-api", VipSubnetID: l.subnet.ID, VipAddress: address, Tags: []string{"jeroboam-cluster=x"},
		Listeners: []listeners.CreateOpts{{Name: "api", Protocol: listeners.ProtocolTCP, ProtocolPort: 6443, DefaultPool: pool}}}
}

func (a *actor) awaitBalancer(t *testing.T, id, status string) *loadbalancers.LoadBalancer {
	t.Helper()
	var lb *loadbalancers.LoadBalancer
	eventually(t, "load balancer "+status, func() bool {
		lb = must[*loadbalancers.LoadBalancer](t)(loadbalancers.Get(t.Context(), a.balancer, id).Extract())
		return lb.ProvisioningStatus == status
	})
	return lb
}

func TestLoadBalancerLifeCycle(t *testing.T) {
	c := start(t, Options{Quotas: map[string]int{"load_balancer": 2}})
	a, other, ctx := login(t, c, "demo", "demo"), login(t, c, "alt_demo", "alt_demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	o := a.balancerOrder(l, "10.0.0.5", "10.0.0.11", "10.0.0.12")
	lb := must[*loadbalancers.LoadBalancer](t)(loadbalancers.Create(ctx, a.balancer, o).Extract())
	if lb.ProvisioningStatus != "PENDING_CREATE" || lb.VipAddress != "10.0.0.5" || len(lb.Pools) != 1 || lb.Pools[0].ID == "" {
		t.Errorf("load balancer: %+v", lb)
	}
	refused(t, loadbalancers.Create(ctx, a.balancer, o).Err, 500, "faultstring.*already allocated")
	refused(t, loadbalancers.Delete(ctx, a.balancer, lb.ID, loadbalancers.DeleteOpts{Cascade: true}).Err, 409, "Invalid state PENDING_CREATE")
	refused(t, loadbalancers.Get(ctx, other.balancer, lb.ID).Err, 403, "Policy")
	lb = a.awaitBalancer(t, lb.ID, "ACTIVE")
	poolID := lb.Pools[0].ID

	set := []pools.BatchUpdateMemberOpts{{Address: "10.0.0.12", ProtocolPort: 6443}, {Address: "10.0.0.13", ProtocolPort: 6443}}
	ok(t, c.Inject(Rule{Service: "octavia", Method: "PUT", Action: Action{Stuck: true}, Times: 1, PathRegexp: "/listeners/"}))
	ok(t, pools.BatchUpdateMembers(ctx, a.balancer, poolID, set).ExtractErr())
	a.awaitBalancer(t, lb.ID, "ACTIVE")
	members := must[[]pools.Member](t)(pools.ExtractMembers(pages(t, pools.ListMembers(a.balancer, poolID, nil))))
	if len(members) != 2 || members[0].Address != "10.0.0.12" || members[1].Address != "10.0.0.13" || members[1].ProvisioningStatus != "ACTIVE" || members[1].OperatingStatus != "ERROR" {
		t.Errorf("members: %+v", members)
	}
	_, err := pools.CreateMember(ctx, a.balancer, poolID, pools.CreateMemberOpts{Address: "10.0.0.12", ProtocolPort: 6443}).Extract()
	refused(t, err, 409, "Another member")
	refused(t, listeners.Create(ctx, a.balancer, listeners.CreateOpts{LoadbalancerID: lb.ID, Protocol: "TCP", ProtocolPort: 6443}).Err, 409, "Another Listener")
	extra := must[*listeners.Listener](t)(listeners.Create(ctx, a.balancer, listeners.CreateOpts{LoadbalancerID: lb.ID, Protocol: "TCP", ProtocolPort: 443}).Extract())
	refused(t, listeners.Delete(ctx, a.balancer, extra.ID).Err, 409, "immutable")
	a.awaitBalancer(t, lb.ID, "ACTIVE")
	ok(t, listeners.Delete(ctx, a.balancer, extra.ID).ExtractErr())
	a.awaitBalancer(t, lb.ID, "ACTIVE")
	refused(t, listeners.Get(ctx, a.balancer, extra.ID).Err, 404, "Listener .* not found")

	tree := must[*loadbalancers.StatusTree](t)(loadbalancers.GetStatuses(ctx, a.balancer, lb.ID).Extract())
	if len(tree.Loadbalancer.Listeners) != 1 || len(tree.Loadbalancer.Listeners[0].Pools[0].Members) != 2 {
		t.Errorf("tree: %+v", tree.Loadbalancer)
	}
	found := must[[]loadbalancers.LoadBalancer](t)(loadbalancers.ExtractLoadBalancers(pages(t, loadbalancers.List(a.balancer, loadbalancers.ListOpts{Name: "x-api", Tags: []string{"jeroboam-cluster=x"}}))))
	if len(found) != 1 {
		t.Errorf("found %d", len(found))
	}
	must[*loadbalancers.LoadBalancer](t)(loadbalancers.Create(ctx, a.balancer, loadbalancers.CreateOpts{VipSubnetID: l.subnet.ID}).Extract())
	refused(t, loadbalancers.Create(ctx, a.balancer, loadbalancers.CreateOpts{VipSubnetID: l.subnet.ID}).Err, 403, "Quota has been met")
	refused(t, loadbalancers.Delete(ctx, a.balancer, lb.ID, nil).Err, 400, "has children")
	ok(t, loadbalancers.Delete(ctx, a.balancer, lb.ID, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr())
	eventually(t, "load balancer gone", func() bool { return loadbalancers.Get(ctx, a.balancer, lb.ID).Err != nil })
	left := c.Resources(a.project)
	if len(left["load_balancer"]) != 1 || len(left["pool"])+len(left["member"])+len(left["listener"])+len(left["health_monitor"]) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestLoadBalancerFaults(t *testing.T) {
	c := start(t, Options{Latency: Latency{LoadBalancer: time.Millisecond}})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	ok(t, c.Inject(Rule{Service: "load-balancer", Method: "POST", Times: 1, Action: Action{Fault: "amphora did not come up"}}))
	lb := must[*loadbalancers.LoadBalancer](t)(loadbalancers.Create(ctx, a.balancer, a.balancerOrder(l, "10.0.0.5")).Extract())
	a.awaitBalancer(t, lb.ID, "ERROR")
	ok(t, loadbalancers.Delete(ctx, a.balancer, lb.ID, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr())
	eventually(t, "load balancer gone", func() bool { return loadbalancers.Get(ctx, a.balancer, lb.ID).Err != nil })

	ok(t, c.Inject(Rule{Service: "load-balancer", Method: "POST", Times: 1, Action: Action{Stuck: true}}))
	stuck := must[*loadbalancers.LoadBalancer](t)(loadbalancers.Create(ctx, a.balancer, a.balancerOrder(l, "10.0.0.5")).Extract())
	good := must[*loadbalancers.LoadBalancer](t)(loadbalancers.Create(ctx, a.balancer, a.balancerOrder(l, "10.0.0.6")).Extract())
	a.awaitBalancer(t, good.ID, "ACTIVE")
	a.awaitBalancer(t, stuck.ID, "PENDING_CREATE")
}
