package contract

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/quotas"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

func (b *bed) loadBalancer() *cloud.LoadBalancer {
	b.t.Helper()
	o, err := b.tenant.LoadBalancer()
	b.must(err)
	return o
}

func (b *bed) balancer(name string, l lan, address string) cloud.LoadBalancerSpec {
	return cloud.LoadBalancerSpec{Name: name, Tag: clusterTag, SubnetID: l.subnet, Address: address}
}

// active waits for a load balancer.
func (b *bed) active(id string) cloud.LoadBalancerInfo {
	b.t.Helper()
	var x cloud.LoadBalancerInfo
	b.eventually("load balancer "+id+" to be ACTIVE", func() bool {
		var err error
		x, err = b.loadBalancer().Get(b.t.Context(), id)
		b.must(err)
		if x.Status == "ERROR" {
			b.t.Fatal("the load balancer is in error")
		}
		return x.Status == "ACTIVE"
	})
	return x
}

// populated adds listener, pool and monitor, each when the load balancer is ACTIVE again.
func (b *bed) populated(id string) cloud.LoadBalancerInfo {
	b.t.Helper()
	ctx, o := b.t.Context(), b.loadBalancer()
	listener := cloud.ListenerSpec{LoadBalancerID: id, Name: "api", Tag: clusterTag, Port: 6443, AllowedCIDRs: []string{"192.0.2.0/24"}}
	b.active(id)
	b.lost(func() error { return o.AddListener(ctx, listener) })
	b.want(o.AddListener(ctx, listener), cloud.IsConflict, "a listener for a load balancer that is changed")
	x := b.active(id)
	b.want(o.AddListener(ctx, listener), cloud.IsConflict, "a second listener for one port")
	if len(x.ListenerIDs) != 1 || len(x.PoolIDs) != 0 {
		b.t.Fatalf("with a listener: %+v", x)
	}
	b.must(o.AddPool(ctx, x.ListenerIDs[0], "api", clusterTag))
	x = b.active(id)
	if len(x.PoolIDs) != 1 {
		b.t.Fatalf("with a pool: %+v", x)
	}
	b.want(o.AddPool(ctx, x.ListenerIDs[0], "api", clusterTag), cloud.IsConflict, "a second pool for one listener")
	if has, err := o.HasMonitor(ctx, x.PoolIDs[0]); err != nil || has {
		b.t.Errorf("it has a monitor: %v, %v", has, err)
	}
	monitor := cloud.MonitorSpec{PoolID: x.PoolIDs[0], Name: "api", Delay: 5, Timeout: 4, Retries: 3}
	b.must(o.AddMonitor(ctx, monitor))
	x = b.active(id)
	b.want(o.AddMonitor(ctx, monitor), cloud.IsConflict, "a second monitor for one pool")
	if has, err := o.HasMonitor(ctx, x.PoolIDs[0]); err != nil || !has {
		b.t.Errorf("it has no monitor: %v, %v", has, err)
	}
	return x
}

// away deletes a load balancer and waits until it is gone.
func (b *bed) away(ctx context.Context, id string) error {
	b.eventually("load balancer "+id+" to be gone", func() bool {
		err := b.loadBalancer().Delete(ctx, id)
		if err != nil && !cloud.IsConflict(err) && !cloud.IsNotFound(err) {
			b.t.Fatal(err)
		}
		x, err := b.loadBalancer().Get(ctx, id)
		return cloud.IsNotFound(err) || x.Status == "DELETED"
	})
	return nil
}

func TestLoadBalancers(t *testing.T) {
	b := newBed(t)
	ctx, o, l := t.Context(), b.loadBalancer(), b.lan()
	providers, err := o.Providers(ctx)
	if b.must(err); !slices.Contains(providers, "octavia") { // whatever makes them, this is its alias
		t.Errorf("providers %v", providers)
	}
	none(o.Find(ctx, "api", clusterTag))(b)
	unknown := b.balancer("api", l, "10.0.0.10")
	unknown.Provider = "ovm"
	_, err = o.Create(ctx, unknown)
	b.want(err, cloud.IsInvalid, "a load balancer of no provider")
	x, err := o.Create(ctx, b.balancer("api", l, "10.0.0.10"))
	b.must(err)
	b.later("deleting the load balancer", func(ctx context.Context) error { return b.away(ctx, x.ID) })
	if x.Status != "PENDING_CREATE" {
		t.Errorf("it is %s at once", x.Status)
	}
	b.want(o.Delete(ctx, x.ID), cloud.IsConflict, "deleting a load balancer that is made")
	x = b.populated(x.ID)
	if x.VIPAddress != "10.0.0.10" || x.VIPSubnetID != l.subnet || x.VIPNetworkID != l.network || len(x.PoolIDs) != 1 || !slices.Equal(x.Tags, []string{clusterTag}) {
		t.Errorf("the load balancer: %+v", x)
	}
	if p, err := b.network().Port(ctx, x.VIPPortID); err != nil || p.Address != "10.0.0.10" {
		t.Errorf("its port: %+v, %v", p, err)
	}
	none(o.Members(ctx, x.PoolIDs[0]))(b)
	if found := only(o.Find(ctx, "api", clusterTag))(b); found.ID != x.ID {
		t.Errorf("found %+v", found)
	}
	none(o.Find(ctx, "api", "jeroboam-cluster=other"))(b)
	none(o.Find(ctx, "other", clusterTag))(b)
	_, err = o.Create(ctx, b.balancer("twin", l, "10.0.0.10"))
	b.want(err, cloud.IsConflict, "an address that is taken")

	b.must(o.SetMembers(ctx, x.PoolIDs[0], []string{"10.0.0.22", "10.0.0.23"}, 6443))
	b.want(o.SetMembers(ctx, x.PoolIDs[0], []string{"10.0.0.24"}, 6443), cloud.IsConflict, "a change during a change")
	b.active(x.ID)
	m, err := o.Members(ctx, x.PoolIDs[0])
	b.must(err)
	if slices.Sort(m); !slices.Equal(m, []string{"10.0.0.22", "10.0.0.23"}) {
		t.Errorf("members after the change: %v", m)
	}
	beside := newBedBeside(t, b)
	none(beside.loadBalancer().Find(ctx, "api", clusterTag))(beside)
	b.want(beside.loadBalancer().Delete(ctx, x.ID), func(err error) bool { return cloud.IsForbidden(err) || cloud.IsNotFound(err) }, "deleting another's load balancer")

	b.must(o.Delete(ctx, x.ID))
	if err := o.Delete(ctx, x.ID); err != nil && !cloud.IsConflict(err) && !cloud.IsNotFound(err) {
		t.Errorf("deleting it again: %v", err)
	}
	b.must(b.away(ctx, x.ID))
	b.want(o.Delete(ctx, x.ID), cloud.IsNotFound, "deleting a load balancer that is gone")
	none(o.Find(ctx, "api", clusterTag))(b)
	if _, err := b.network().Port(ctx, x.VIPPortID); !cloud.IsNotFound(err) {
		t.Errorf("its port is left: %v", err)
	}
	nothing := uuid.NewString()
	_, err = o.Get(ctx, nothing)
	b.want(err, cloud.IsNotFound, "no load balancer")
	_, err = o.Members(ctx, nothing)
	b.want(err, cloud.IsNotFound, "members of no pool")
	_, err = o.HasMonitor(ctx, nothing)
	b.want(err, cloud.IsNotFound, "the monitor of no pool")
	b.want(o.SetMembers(ctx, nothing, nil, 6443), cloud.IsNotFound, "members for no pool")
	b.want(o.AddListener(ctx, cloud.ListenerSpec{LoadBalancerID: nothing, Name: "api", Tag: clusterTag, Port: 6443}), cloud.IsNotFound, "a listener of no load balancer")
	b.want(o.AddPool(ctx, nothing, "api", clusterTag), func(err error) bool { return cloud.IsNotFound(err) || cloud.IsUnreachable(err) }, "a pool of no listener")
	b.want(o.AddMonitor(ctx, cloud.MonitorSpec{PoolID: nothing, Name: "api", Delay: 5, Timeout: 4, Retries: 3}), cloud.IsNotFound, "a monitor of no pool")
	_, err = o.Create(ctx, cloud.LoadBalancerSpec{Name: "api", Tag: clusterTag, SubnetID: nothing})
	b.want(err, func(err error) bool { return cloud.IsNotFound(err) || cloud.IsInvalid(err) }, "a load balancer in no subnet")
}

func TestLoadBalancerAdopted(t *testing.T) {
	b := newBed(t)
	ctx, o, l := t.Context(), b.loadBalancer(), b.lan()
	b.lost(func() error { _, err := o.Create(ctx, b.balancer("api", l, "10.0.0.10")); return err })
	x := only(o.Find(ctx, "api", clusterTag))(b)
	b.later("deleting the load balancer", func(ctx context.Context) error { return b.away(ctx, x.ID) })
	b.active(x.ID)
}

func TestLoadBalancerQuota(t *testing.T) {
	b := newBed(t)
	ctx, o, l := t.Context(), b.loadBalancer(), b.lan()
	admin, err := openstack.NewLoadBalancerV2(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	limit := 0
	_, err = quotas.Update(ctx, admin, b.projectID, quotas.UpdateOpts{Loadbalancer: &limit}).Extract()
	b.must(err)
	_, err = o.Create(ctx, b.balancer("api", l, "10.0.0.10"))
	b.want(err, cloud.IsQuota, "a load balancer too many")
	q, err := o.Quotas(ctx, b.projectID)
	b.must(err)
	if q["load_balancer"] != (cloud.Quota{}) {
		t.Errorf("quota: %+v", q)
	}
	none(o.Find(ctx, "api", clusterTag))(b)
}
