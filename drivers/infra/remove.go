package infra

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// remover knows one object of the cloud: whose it is, and how it is deleted.
type remover struct {
	// own tells whether the object carries the cluster's mark; cloud.IsNotFound when it is gone.
	own    func(ctx context.Context) (bool, error)
	delete func(ctx context.Context) error
}

// busy says why an object is not even asked to go now.
type busy string

func (b busy) Error() string { return string(b) }

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
	var wait busy
	switch {
	case errors.As(err, &wait):
		return drivers.Continue(drivers.PollInterval, "%s", wait.Error())
	case cloud.IsNotFound(err):
		return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
	case cloud.IsConflict(err): // something still hangs on it, or it is busy
		return drivers.Continue(drivers.PollInterval, "%s", i.blocked(ctx, s, r, err))
	case err != nil:
		return Verdict(err)
	}
	// Most are gone when the call returns; the next look proves it.
	if _, err := m.own(ctx); cloud.IsNotFound(err) {
		return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
	}
	return drivers.Continue(drivers.PollInterval, "%s %s is being deleted", r.Kind, r.Name)
}

// Sees implements drivers.Infrastructure.
func (i *Infrastructure) Sees(ctx context.Context, s *drivers.Site) drivers.Result {
	n, err := i.network(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	sees, err := n.Sees(ctx)
	if err != nil {
		return Verdict(err)
	}
	if !sees {
		return drivers.Failed(drivers.ClassCloud, "Neutron shows %s nothing of project %s, not even its default security group (policy get_security_group): "+
			"what is gone could not be told from what may not be seen", i.actor(ctx, s), s.Cluster.ProjectID)
	}
	return drivers.Done()
}

// actor says in words who acts for the site.
func (i *Infrastructure) actor(ctx context.Context, s *drivers.Site) string {
	if i.foreign(ctx, s) {
		return "the service's own user"
	}
	return "the cluster's user"
}

// foreign tells whether the service acts, since the cluster's user cannot: its rights say nothing of the cluster's.
func (i *Infrastructure) foreign(ctx context.Context, s *drivers.Site) bool {
	c, err := i.clients(ctx, s)
	return err == nil && c.Foreign()
}

// blocked says why an object cannot be deleted now: in the service's words, and with the names of what hangs on it, which
// Neutron keeps to itself.
func (i *Infrastructure) blocked(ctx context.Context, s *drivers.Site, r drivers.Resource, refusal error) string {
	n, err := i.network(ctx, s)
	if err != nil {
		return refusal.Error()
	}
	kind := map[string]string{drivers.KindSubnet: "subnet", drivers.KindNetwork: "network", drivers.KindSecurityGroup: "security_group",
		drivers.KindServiceSecurityGroup: "security_group"}[r.Kind]
	users, err := n.Users(ctx, kind, r.ID)
	if err != nil || len(users) == 0 {
		return refusal.Error()
	}
	var names []string
	for _, p := range users[:min(len(users), 3)] {
		names = append(names, p.String())
	}
	return fmt.Sprintf("%s %s is held by %d: %s", r.Kind, r.Name, len(users), strings.Join(names, ", "))
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
