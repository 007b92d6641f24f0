package cloud

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
)

const identity = "identity"

// Identity is Keystone for one actor.
type Identity struct{ c *gophercloud.ServiceClient }

// DomainID finds a domain by name.
func (k *Identity) DomainID(ctx context.Context, name string) (string, error) {
	pages, err := domains.List(k.c, domains.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return "", wrap(identity, err, "looking for domain %q", name)
	}
	l, err := domains.ExtractDomains(pages)
	if err != nil {
		return "", wrap(identity, err, "reading domains")
	}
	if len(l) == 0 {
		return "", &Error{Service: identity, Action: "looking for domain " + name, Status: 404, Message: "there is no such domain"}
	}
	return l[0].ID, nil
}

// ProjectExists is nil when there is a project with this id.
func (k *Identity) ProjectExists(ctx context.Context, id string) error {
	p, err := projects.Get(ctx, k.c, url.PathEscape(id)).Extract()
	if err == nil && (p == nil || p.ID != id) { // «..» asks for something else
		return &Error{Service: identity, Action: "looking for project " + id, Status: http.StatusNotFound, Message: "there is no such project"}
	}
	return wrap(identity, err, "looking for project %s", id)
}

// FindUser finds a user by name in a domain; "" when there is none.
func (k *Identity) FindUser(ctx context.Context, name, domainID string) (string, error) {
	pages, err := users.List(k.c, users.ListOpts{Name: name, DomainID: domainID}).AllPages(ctx)
	if err != nil {
		return "", wrap(identity, err, "looking for user %s", name)
	}
	l, err := users.ExtractUsers(pages)
	if err != nil || len(l) == 0 {
		return "", wrap(identity, err, "reading users")
	}
	return l[0].ID, nil
}

// CreateUser makes a user.
func (k *Identity) CreateUser(ctx context.Context, name, domainID, projectID, password, description string) (string, error) {
	u, err := users.Create(ctx, k.c, users.CreateOpts{Name: name, DomainID: domainID, DefaultProjectID: projectID, Password: password, Description: description}).Extract()
	if err != nil {
		return "", wrap(identity, err, "creating user %s", name)
	}
	return u.ID, nil
}

// SetPassword sets a user's password.
func (k *Identity) SetPassword(ctx context.Context, userID, password string) error {
	_, err := users.Update(ctx, k.c, userID, users.UpdateOpts{Password: password}).Extract()
	return wrap(identity, err, "setting the password of user %s", userID)
}

// DeleteUser deletes a user with its role assignments.
func (k *Identity) DeleteUser(ctx context.Context, id string) error {
	return wrap(identity, users.Delete(ctx, k.c, id).ExtractErr(), "deleting user %s", id)
}

// RoleIDs maps names of roles to ids; an unknown name is left out.
func (k *Identity) RoleIDs(ctx context.Context, names []string) (map[string]string, error) {
	pages, err := roles.List(k.c, roles.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, wrap(identity, err, "listing roles")
	}
	l, err := roles.ExtractRoles(pages)
	if err != nil {
		return nil, wrap(identity, err, "reading roles")
	}
	ids := map[string]string{}
	for _, r := range l {
		for _, n := range names {
			if n == r.Name {
				ids[n] = r.ID
			}
		}
	}
	return ids, nil
}

// AssignRole gives a user a role on a project. To have it already is fine.
func (k *Identity) AssignRole(ctx context.Context, roleID, userID, projectID string) error {
	return wrap(identity, roles.Assign(ctx, k.c, roleID, roles.AssignOpts{UserID: userID, ProjectID: projectID}).ExtractErr(), "giving user %s role %s on project %s", userID, roleID, projectID)
}
