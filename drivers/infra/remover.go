package infra

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// remover says how an object of this kind is recognised as ours and deleted.
func (i *Infrastructure) remover(ctx context.Context, s *drivers.Site, r drivers.Resource) (remover, error) {
	switch r.Kind {
	case drivers.KindUser:
		return i.userRemover(ctx, r)
	case drivers.KindLoadBalancer:
		return i.loadBalancerRemover(ctx, s, r, func(x cloud.LoadBalancerInfo) bool { return slices.Contains(x.Tags, s.Cluster.Tag()) })
	case drivers.KindServiceLoadBalancer:
		return i.loadBalancerRemover(ctx, s, r, func(x cloud.LoadBalancerInfo) bool { return ofService(s, x) && len(sharers(s, x)) == 0 })
	case drivers.KindPersistentVolume, drivers.KindVolumeSnapshot:
		return i.volumeRemover(ctx, s, r)
	}
	n, err := i.network(ctx, s)
	if err != nil {
		return remover{}, err
	}
	mark := s.Cluster.Tag()
	marked := func(text string, err error) (bool, error) { return text == mark, err }
	switch r.Kind {
	case drivers.KindNetwork:
		return remover{func(ctx context.Context) (bool, error) { return marked(n.NetworkMark(ctx, r.ID)) },
			func(ctx context.Context) error { return n.DeleteNetwork(ctx, r.ID) }}, nil
	case drivers.KindSubnet:
		return remover{func(ctx context.Context) (bool, error) {
			x, err := n.Subnet(ctx, r.ID)
			return marked(x.Description, err)
		}, func(ctx context.Context) error { return n.DeleteSubnet(ctx, r.ID) }}, nil
	case drivers.KindRouter:
		return remover{func(ctx context.Context) (bool, error) { return marked(n.RouterMark(ctx, r.ID)) },
			func(ctx context.Context) error { return n.DeleteRouter(ctx, r.ID) }}, nil
	case drivers.KindRouterPort:
		return i.routerInterfaceRemover(s, n, r), nil
	case drivers.KindSecurityGroup:
		return remover{func(ctx context.Context) (bool, error) {
			x, err := n.SecurityGroup(ctx, r.ID)
			return marked(x.Description, err)
		}, func(ctx context.Context) error { return n.DeleteSecurityGroup(ctx, r.ID) }}, nil
	case drivers.KindFloatingIP:
		return remover{func(ctx context.Context) (bool, error) {
			x, err := n.FloatingIP(ctx, r.ID)
			return strings.HasPrefix(x.Description, mark), err
		}, func(ctx context.Context) error { return n.DeleteFloatingIP(ctx, r.ID) }}, nil
	}
	if m, ok := madeByCluster(s, n, r); ok {
		return m, nil
	}
	return remover{}, &drivers.Fault{Class: drivers.ClassInternal, Err: fmt.Errorf("the infrastructure driver makes no %s", r.Kind)}
}

// routerInterfaceRemover: an interface has no mark of its own; its router's counts.
func (i *Infrastructure) routerInterfaceRemover(s *drivers.Site, n *cloud.Network, r drivers.Resource) remover {
	router, _ := s.Ledger.Find(drivers.KindRouter, name(s, "router"))
	return remover{func(ctx context.Context) (bool, error) {
		if router.ID == "" { // the router is not confirmed: it is looked up, since no call may go without its id
			ids, err := n.FindRouters(ctx, name(s, "router"), s.Cluster.Tag())
			if err == nil && len(ids) == 0 {
				err = &cloud.Error{Service: "network", Action: "looking for the router", Status: 404}
			}
			if err != nil {
				return false, err
			}
			router.ID = ids[0]
		}
		mark, err := n.RouterMark(ctx, router.ID)
		if err != nil || mark != s.Cluster.Tag() {
			return false, err
		}
		has, err := n.RouterHasSubnet(ctx, router.ID, r.ID)
		if err == nil && !has {
			err = &cloud.Error{Service: "network", Action: "reading router interface", Status: 404}
		}
		return true, err
	}, func(ctx context.Context) error { return n.RemoveRouterInterface(ctx, router.ID, r.ID) }}
}

func (i *Infrastructure) userRemover(ctx context.Context, r drivers.Resource) (remover, error) {
	id, domain, err := i.identity(ctx)
	return remover{func(ctx context.Context) (bool, error) {
		user, err := id.FindUser(ctx, r.Name, domain)
		if err == nil && user == "" {
			err = &cloud.Error{Service: "identity", Action: "reading user " + r.Name, Status: 404}
		}
		return user == r.ID, err
	}, func(ctx context.Context) error { return id.DeleteUser(ctx, r.ID) }}, err
}

func (i *Infrastructure) loadBalancerRemover(ctx context.Context, s *drivers.Site, r drivers.Resource, ours func(cloud.LoadBalancerInfo) bool) (remover, error) {
	o, err := i.loadBalancer(ctx, s)
	status := ""
	return remover{func(ctx context.Context) (bool, error) {
		x, err := o.Get(ctx, r.ID)
		status = x.Status
		if err == nil && x.Status == "DELETED" { // Octavia shows it for a while
			err = &cloud.Error{Service: "load-balancer", Action: "reading load balancer " + r.Name, Status: 404}
		}
		// Octavia reads tags after the rest, and finds none where the delete has ended in between. Whose it is does not matter
		// then: it is not touched.
		return x.Status == "PENDING_DELETE" || ours(x), err
	}, func(ctx context.Context) error {
		if strings.HasPrefix(status, "PENDING_") {
			return busy(fmt.Sprintf("load balancer %s (%s) is %s", r.Name, r.ID, status)) // nobody may touch it
		}
		return o.Delete(ctx, r.ID)
	}}, err
}

// volumeRemover is for what the volume driver of the cluster made: volumes and snapshots of them.
func (i *Infrastructure) volumeRemover(ctx context.Context, s *drivers.Site, r drivers.Resource) (remover, error) {
	v, err := i.volumes(ctx, s)
	if err != nil {
		return remover{}, err
	}
	get, remove := v.Get, v.Delete
	if r.Kind == drivers.KindVolumeSnapshot {
		get, remove = v.Snapshot, v.DeleteSnapshot
	}
	var x cloud.VolumeInfo
	return remover{func(ctx context.Context) (bool, error) {
		var err error
		x, err = get(ctx, r.ID)
		return ofVolumeDriver(s, x), err
	}, func(ctx context.Context) error {
		switch {
		case x.Status == "deleting":
			return nil
		case len(x.AttachedTo) > 0:
			return busy(fmt.Sprintf("volume %s (%s) is attached to server %s", r.Name, r.ID, strings.Join(x.AttachedTo, ", ")))
		}
		err := remove(ctx, r.ID)
		if cloud.IsInvalid(err) { // Cinder's word for its present state
			return busy(err.Error())
		}
		return err
	}}, nil
}
