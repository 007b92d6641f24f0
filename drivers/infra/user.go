package infra

import (
	"context"
	"errors"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// EnsureUser makes the service user with the service's own rights: everything after it is done by that user.
func (i *Infrastructure) EnsureUser(ctx context.Context, s *drivers.Site, name, password string) drivers.Result {
	if i.cfg.OwnCredentials {
		return drivers.Done()
	}
	c, err := i.clouds.Service(ctx)
	if err != nil {
		return Verdict(err)
	}
	id, err := c.Identity()
	if err != nil {
		return Verdict(err)
	}
	user, err := i.user(ctx, s, id, name, password)
	if err != nil {
		return Verdict(err)
	}
	return i.assign(ctx, s, id, user)
}

func (i *Infrastructure) user(ctx context.Context, s *drivers.Site, id *cloud.Identity, userName, password string) (string, error) {
	var domain string
	r, err := i.ensure(ctx, s, drivers.Object{Kind: drivers.KindUser, Name: userName,
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			var err error
			if domain, err = id.DomainID(ctx, i.cfg.UserDomain); err != nil {
				return nil, err
			}
			user, err := id.FindUser(ctx, userName, domain)
			if err != nil || user == "" {
				return nil, err
			}
			// Made by an attempt whose answer was lost, perhaps with another password.
			return []drivers.Found{{ID: user}}, id.SetPassword(ctx, user, password)
		},
		Create: func(ctx context.Context) (drivers.Found, error) {
			domain, err := id.DomainID(ctx, i.cfg.UserDomain)
			if err != nil {
				return drivers.Found{}, err
			}
			user, err := id.CreateUser(ctx, userName, domain, s.Cluster.ProjectID, password, "service user of cluster "+s.Cluster.Name)
			return drivers.Found{ID: user}, err
		},
		Delete: id.DeleteUser,
	})
	return r.ID, err
}

// CheckUser lists the project's networks by the name that this cluster's would have: the cheapest question that needs a role.
func (i *Infrastructure) CheckUser(ctx context.Context, s *drivers.Site) drivers.Result {
	c, err := i.clients(ctx, s)
	if err != nil {
		return drivers.Transient(err) // a user that was made a moment ago may not be known everywhere yet
	}
	if c.ProjectID != s.Cluster.ProjectID {
		return drivers.Failed(drivers.ClassInternal, "identity: the credential is for project %s, the cluster is in %s", c.ProjectID, s.Cluster.ProjectID)
	}
	n, err := c.Network()
	if err != nil {
		return Verdict(err)
	}
	if _, err := n.Networks(ctx, s.Cluster.Prefix); err != nil {
		return drivers.Transient(err)
	}
	return drivers.Done()
}

func (i *Infrastructure) assign(ctx context.Context, s *drivers.Site, id *cloud.Identity, user string) drivers.Result {
	wanted := s.Cluster.Roles
	if len(wanted) == 0 {
		wanted = i.cfg.Roles
	}
	roles, err := id.RoleIDs(ctx, wanted)
	if err != nil {
		return Verdict(err)
	}
	var missing []error
	for _, name := range wanted {
		role, ok := roles[name]
		if !ok {
			missing = append(missing, errors.New("role "+name+" does not exist"))
			continue
		}
		if err := id.AssignRole(ctx, role, user, s.Cluster.ProjectID); err != nil {
			return Verdict(err)
		}
	}
	if len(missing) > 0 {
		return drivers.Failed(drivers.ClassCloud, "identity: %w", errors.Join(missing...))
	}
	return drivers.Done()
}
