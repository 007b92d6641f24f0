package infra

import (
	"context"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// remover knows one object of the cloud: whose it is, and how it is deleted.
type remover struct {
	// own tells whether the object carries the cluster's mark; cloud.IsNotFound when it is gone.
	own    func(ctx context.Context) (bool, error)
	delete func(ctx context.Context) error
}

// Remove deletes one object that the ledger holds, and forgets it when it was seen to be gone.
func (i *Infrastructure) Remove(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	if r.ID == "" {
		return i.resolve(ctx, s, r)
	}
	m, err := i.remover(ctx, s, r)
	if err != nil {
		return Verdict(err)
	}
	own, err := m.own(ctx)
	switch {
	case cloud.IsNotFound(err):
		return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
	case err != nil:
		return Verdict(err)
	case !own:
		return drivers.Failed(drivers.ClassInternal, "%s %s (%s) does not carry the mark of this cluster: left alone", r.Kind, r.Name, r.ID)
	}
	err = m.delete(ctx)
	switch {
	case cloud.IsNotFound(err):
		return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
	case cloud.IsConflict(err): // something still hangs on it, or it is busy
		return drivers.Continue(drivers.PollInterval, "%s", err.Error())
	case err != nil:
		return Verdict(err)
	}
	// Most are gone when the call returns; the next look proves it.
	if _, err := m.own(ctx); cloud.IsNotFound(err) {
		return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
	}
	return drivers.Continue(drivers.PollInterval, "%s %s is being deleted", r.Kind, r.Name)
}

// resolve finds out what became of an intent whose answer was lost: it is adopted to be deleted, or forgotten.
func (i *Infrastructure) resolve(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	ids, err := i.find(ctx, s, r)
	if err != nil {
		return Verdict(err)
	}
	if len(ids) == 0 {
		return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
	}
	if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, ids[0], nil); err != nil {
		return drivers.Transient(err)
	}
	r.ID = ids[0]
	return i.Remove(ctx, s, r)
}

func (i *Infrastructure) find(ctx context.Context, s *drivers.Site, r drivers.Resource) ([]string, error) {
	mark := s.Cluster.Tag()
	switch r.Kind {
	case drivers.KindUser:
		id, domain, err := i.identity(ctx)
		if err != nil {
			return nil, err
		}
		user, err := id.FindUser(ctx, r.Name, domain)
		if err != nil || user == "" {
			return nil, err
		}
		return []string{user}, nil
	case drivers.KindLoadBalancer:
		o, err := i.loadBalancer(ctx, s)
		if err != nil {
			return nil, err
		}
		l, err := o.Find(ctx, r.Name, mark)
		var ids []string
		for _, x := range l {
			ids = append(ids, x.ID)
		}
		return ids, err
	}
	n, err := i.network(ctx, s)
	if err != nil {
		return nil, err
	}
	switch r.Kind {
	case drivers.KindNetwork:
		return n.FindNetworks(ctx, r.Name, mark)
	case drivers.KindSubnet:
		return n.FindSubnets(ctx, r.Name, mark)
	case drivers.KindRouter:
		return n.FindRouters(ctx, r.Name, mark)
	case drivers.KindSecurityGroup:
		return n.FindSecurityGroups(ctx, r.Name, mark)
	case drivers.KindFloatingIP:
		l, err := n.FindFloatingIPs(ctx, mark+" "+r.Name)
		var ids []string
		for _, x := range l {
			ids = append(ids, x.ID)
		}
		return ids, err
	case drivers.KindRouterPort: // it goes by the subnet; removing what is not there is no harm
		if subnet, ok := s.Ledger.Find(drivers.KindSubnet, name(s, "subnet")); ok && subnet.ID != "" {
			return []string{subnet.ID}, nil
		}
	}
	return nil, nil
}

func (i *Infrastructure) identity(ctx context.Context) (*cloud.Identity, string, error) {
	c, err := i.clouds.Service(ctx)
	if err != nil {
		return nil, "", err
	}
	id, err := c.Identity()
	if err != nil {
		return nil, "", err
	}
	domain, err := id.DomainID(ctx, i.cfg.UserDomain)
	return id, domain, err
}

func (i *Infrastructure) loadBalancer(ctx context.Context, s *drivers.Site) (*cloud.LoadBalancer, error) {
	c, err := i.clients(ctx, s)
	if err != nil {
		return nil, err
	}
	return c.LoadBalancer()
}
