package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/credentials"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// adminRole is what the service's own user has: it makes the users of clusters and deletes what nobody else may.
const adminRole = "admin"

// balancerRole makes an administrator in Octavia, to whose policies in their new form (secure RBAC) admin of a project is none.
// Where there is no Octavia there may be no such role.
const balancerRole = "load-balancer_admin"

// systemRole is what the service has on the whole system where it asks Ironic with a token for that.
const systemRole = "member"

// registration is what an operator says beside the configuration.
type registration struct {
	who                     credentials.Credentials
	name                    string
	public, internal, admin string
	replace, resetPassword  bool
	region                  string // found on the way
}

func (r *registration) flags(f *flag.FlagSet) {
	r.who.Register(f)
	f.StringVar(&r.name, "service-name", "magnum", "`NAME` of the service in the catalogue; clients look for the type, container-infra")
	f.StringVar(&r.public, "url", "", "`URL` of the API for clients, such as https://cloud.example.org:9511/v1")
	f.StringVar(&r.internal, "internal-url", "", "`URL` of the API for services, when it is another one")
	f.StringVar(&r.admin, "admin-url", "", "`URL` of an admin endpoint, for clients that want one; none is made without it")
	f.BoolVar(&r.replace, "replace", false, "endpoints that lead elsewhere, such as to Magnum, are moved to these URLs")
	f.BoolVar(&r.resetPassword, "reset-password", false, "a user that is there with another password gets the one of the configuration")
}

// check looks at what was given before anything is asked of Keystone.
func (r *registration) check(c *service.Config) error {
	var errs []error
	if r.public == "" {
		errs = append(errs, errors.New("--url: where clients reach the API has to be said"))
	}
	for _, given := range []string{r.public, r.internal, r.admin} {
		u, err := url.Parse(given)
		switch {
		case given == "":
		case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
			errs = append(errs, fmt.Errorf("%q is no URL of an API", given))
		case !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1"):
			errs = append(errs, fmt.Errorf("%q does not end in /v1: clients add the rest of a path to it", given))
		}
	}
	for group, missing := range map[string]bool{"[keystone_authtoken] username and password": c.AuthToken.Username == "" || c.AuthToken.Password == "",
		"[keystone_auth] username and password": c.Cloud.Username == "" || c.Cloud.Password == "", "[service_user] domain": c.ServiceUser.Domain == ""} {
		if missing {
			errs = append(errs, fmt.Errorf("%s: the configuration has to name them", group))
		}
	}
	return errors.Join(errs...)
}

// register makes what is missing in Keystone, and leaves alone what is there. It may be run again at any time.
func register(ctx context.Context, j job) error {
	c, r := j.config, j.registration
	if err := r.check(c); err != nil {
		return err
	}
	provider, found, err := r.who.Provider(ctx)
	if err != nil {
		return err
	}
	identity, err := openstack.NewIdentityV3(provider, found)
	if err != nil {
		return fmt.Errorf("looking for Keystone in its catalogue: %w", err)
	}
	if r.region = c.Cloud.RegionName; r.region == "" {
		r.region = found.Region
	}
	k := &keystone{identity, j.w}
	if err := r.rights(ctx, k, c); err != nil {
		return err
	}
	if err := r.catalogue(ctx, k); err != nil {
		return err
	}
	return r.signIn(ctx, provider, c)
}

// rights makes the users of the configuration, with what they need.
func (r *registration) rights(ctx context.Context, k *keystone, c *service.Config) error {
	admin, err := k.role(ctx, adminRole)
	if err != nil {
		return err
	}
	for _, name := range c.ServiceUser.Roles {
		if _, err := k.role(ctx, name); err != nil {
			return fmt.Errorf("[service_user] roles: %w", err)
		}
	}
	own, err := k.domain(ctx, c.ServiceUser.Domain, "Users that act for one Kubernetes cluster each", true)
	if err != nil {
		return err
	}
	a, t := c.Cloud, c.AuthToken
	user, err := r.user(ctx, k, account{a.Username, a.Password, a.UserDomainName, a.UserDomainID, a.ProjectName, a.ProjectDomainName, a.ProjectDomainID}, admin)
	if err != nil {
		return err
	}
	if err := k.grant(ctx, admin, adminRole+" to user "+a.Username+" in domain "+c.ServiceUser.Domain, roles.AssignOpts{UserID: user, DomainID: own}); err != nil {
		return err
	}
	if err := r.balancers(ctx, k, a, user); err != nil {
		return err
	}
	if c.Ironic.SystemScope != "" {
		role, err := k.role(ctx, systemRole)
		if err != nil {
			return err
		}
		if err := k.grant(ctx, role, systemRole+" to user "+a.Username+" on the system", roles.AssignOpts{UserID: user, System: true}); err != nil {
			return err
		}
	}
	if t.Username == a.Username && t.UserDomainName == a.UserDomainName && t.UserDomainID == a.UserDomainID {
		return nil
	}
	validates, err := k.role(ctx, "service")
	if err != nil { // Keystones of before 2023 have no such role
		validates = admin
	}
	_, err = r.user(ctx, k, account{t.Username, t.Password, t.UserDomainName, t.UserDomainID, t.ProjectName, t.ProjectDomainName, t.ProjectDomainID}, validates)
	return err
}

// balancers lets the service delete the load balancers of projects that are gone.
func (r *registration) balancers(ctx context.Context, k *keystone, c cloud.Config, user string) error {
	role, err := k.role(ctx, balancerRole)
	if errors.Is(err, errNoRole) {
		return nil
	}
	if err != nil {
		return err
	}
	of, err := k.either(ctx, c.ProjectDomainName, c.ProjectDomainID)
	if err != nil {
		return err
	}
	project, err := k.project(ctx, c.ProjectName, of)
	if err != nil {
		return err
	}
	return k.grant(ctx, role, balancerRole+" to user "+c.Username+" in project "+c.ProjectName, roles.AssignOpts{UserID: user, ProjectID: project})
}

// account is a user of the configuration.
type account struct{ user, password, domain, domainID, project, projectDomain, projectDomainID string }

// user makes one, with a role on its project.
func (r *registration) user(ctx context.Context, k *keystone, a account, roleID string) (string, error) {
	home, err := k.either(ctx, a.domain, a.domainID)
	if err != nil {
		return "", err
	}
	of, err := k.either(ctx, a.projectDomain, a.projectDomainID)
	if err != nil {
		return "", err
	}
	project, err := k.project(ctx, a.project, of)
	if err != nil {
		return "", err
	}
	id, err := k.user(ctx, a.user, home, a.password, r.resetPassword)
	if err != nil {
		return "", err
	}
	return id, k.grant(ctx, roleID, "its role to user "+a.user+" in project "+a.project, roles.AssignOpts{UserID: id, ProjectID: project})
}

// signIn proves that the configuration works.
func (r *registration) signIn(ctx context.Context, operator *gophercloud.ProviderClient, c *service.Config) error {
	a := c.Cloud
	options := gophercloud.AuthOptions{IdentityEndpoint: operator.IdentityBase, Username: a.Username, Password: a.Password, DomainName: a.UserDomainName, DomainID: a.UserDomainID,
		Scope: &gophercloud.AuthScope{ProjectName: a.ProjectName, DomainName: a.ProjectDomainName, DomainID: a.ProjectDomainID}}
	if a.UserDomainID != "" {
		options.DomainName = ""
	}
	if a.ProjectDomainID != "" {
		options.Scope.DomainName = ""
	}
	fresh, err := openstack.NewClient(operator.IdentityBase)
	if err != nil {
		return fmt.Errorf("signing in as user %s: %w", a.Username, err)
	}
	fresh.HTTPClient = operator.HTTPClient
	switch err := openstack.Authenticate(ctx, fresh, options); {
	case gophercloud.ResponseCodeIs(err, http.StatusUnauthorized):
		return fmt.Errorf("user %s has another password than the configuration: correct it there, or set this one by --reset-password", a.Username)
	case err != nil:
		return fmt.Errorf("signing in as user %s: %w", a.Username, err)
	}
	return nil
}

// keystone makes what is missing and tells of it.
type keystone struct {
	*gophercloud.ServiceClient
	w io.Writer
}

func (k *keystone) say(created bool, format string, args ...any) {
	word := "found   "
	if created {
		word = "created "
	}
	fmt.Fprintf(k.w, word+format+"\n", args...)
}

func (k *keystone) role(ctx context.Context, name string) (string, error) {
	pages, err := roles.List(k.ServiceClient, roles.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("looking for role %s: %w", name, err)
	}
	l, err := roles.ExtractRoles(pages)
	if err != nil {
		return "", fmt.Errorf("looking for role %s: %w", name, err)
	}
	if len(l) == 0 {
		return "", fmt.Errorf("%w %q in Keystone", errNoRole, name)
	}
	return l[0].ID, nil
}

var errNoRole = errors.New("there is no role")

// either gives the id of a domain that is named by id or by name.
func (k *keystone) either(ctx context.Context, name, id string) (string, error) {
	if id != "" {
		return id, nil
	}
	return k.domain(ctx, name, "", false)
}

func (k *keystone) domain(ctx context.Context, name, description string, own bool) (string, error) {
	pages, err := domains.List(k.ServiceClient, domains.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("looking for domain %s: %w", name, err)
	}
	l, err := domains.ExtractDomains(pages)
	switch {
	case err != nil:
		return "", fmt.Errorf("looking for domain %s: %w", name, err)
	case len(l) > 0:
		if own {
			k.say(false, "domain %s", name)
		}
		return l[0].ID, nil
	case !own:
		return "", fmt.Errorf("there is no domain %q in Keystone", name)
	}
	d, err := domains.Create(ctx, k.ServiceClient, domains.CreateOpts{Name: name, Description: description}).Extract()
	if err != nil {
		return "", fmt.Errorf("creating domain %s: %w", name, err)
	}
	k.say(true, "domain %s", name)
	return d.ID, nil
}

func (k *keystone) project(ctx context.Context, name, domainID string) (string, error) {
	pages, err := projects.List(k.ServiceClient, projects.ListOpts{Name: name, DomainID: domainID}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("looking for project %s: %w", name, err)
	}
	l, err := projects.ExtractProjects(pages)
	if err != nil {
		return "", fmt.Errorf("looking for project %s: %w", name, err)
	}
	if len(l) > 0 {
		k.say(false, "project %s", name)
		return l[0].ID, nil
	}
	p, err := projects.Create(ctx, k.ServiceClient, projects.CreateOpts{Name: name, DomainID: domainID}).Extract()
	if err != nil {
		return "", fmt.Errorf("creating project %s: %w", name, err)
	}
	k.say(true, "project %s", name)
	return p.ID, nil
}

func (k *keystone) user(ctx context.Context, name, domainID, password string, reset bool) (string, error) {
	pages, err := users.List(k.ServiceClient, users.ListOpts{Name: name, DomainID: domainID}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("looking for user %s: %w", name, err)
	}
	l, err := users.ExtractUsers(pages)
	switch {
	case err != nil:
		return "", fmt.Errorf("looking for user %s: %w", name, err)
	case len(l) > 0 && reset:
		if _, err := users.Update(ctx, k.ServiceClient, l[0].ID, users.UpdateOpts{Password: password}).Extract(); err != nil {
			return "", fmt.Errorf("setting the password of user %s: %w", name, err)
		}
		fmt.Fprintf(k.w, "changed the password of user %s\n", name)
		return l[0].ID, nil
	case len(l) > 0:
		k.say(false, "user %s", name)
		return l[0].ID, nil
	}
	u, err := users.Create(ctx, k.ServiceClient, users.CreateOpts{Name: name, DomainID: domainID, Password: password}).Extract()
	if err != nil {
		return "", fmt.Errorf("creating user %s: %w", name, err)
	}
	k.say(true, "user %s", name)
	return u.ID, nil
}

// grant gives a role. Keystone takes one that is there already for the same.
func (k *keystone) grant(ctx context.Context, roleID, what string, to roles.AssignOpts) error {
	if err := roles.Assign(ctx, k.ServiceClient, roleID, to).ExtractErr(); err != nil {
		return fmt.Errorf("granting %s: %w", what, err)
	}
	fmt.Fprintln(k.w, "granted", what)
	return nil
}
