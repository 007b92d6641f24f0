package testenv

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
)

// Region is the one region of the test Keystone.
const Region = "RegionOne"

// requestTimeout bounds what a test asks of Keystone.
const requestTimeout = 30 * time.Second

// KeystoneAdmin returns a client that is logged in as the cloud's administrator, in project admin.
func KeystoneAdmin(t testing.TB) *gophercloud.ProviderClient {
	t.Helper()
	return Login(t, gophercloud.AuthOptions{
		Username:   "admin",
		Password:   Require(t, KeystoneAdminPassword),
		DomainName: "Default",
		Scope:      &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"},
	})
}

// Login returns a client that is logged in to the test Keystone with these options, which need not name its address.
func Login(t testing.TB, options gophercloud.AuthOptions) *gophercloud.ProviderClient {
	t.Helper()
	options.IdentityEndpoint = Require(t, KeystoneURL)
	options.AllowReauth = true
	ctx, cancel := requestContext()
	defer cancel()
	client, err := openstack.AuthenticatedClient(ctx, options)
	if err != nil {
		t.Fatalf("log in to the test Keystone: %v", err)
	}
	return client
}

// NewProject makes a project in domain Default and a user who has the roles on it: member, when none are named. Both
// have the same name. They go with the test.
func NewProject(t testing.TB, roleNames ...string) (project *projects.Project, user *users.User, password string) {
	t.Helper()
	identity := identityClient(t)
	ctx, cancel := requestContext()
	defer cancel()
	project, err := projects.Create(ctx, identity, projects.CreateOpts{Name: name(), DomainID: "default"}).Extract()
	if err != nil {
		t.Fatalf("create a project: %v", err)
	}
	cleanup(t, "delete the test's project", func(ctx context.Context) error {
		return projects.Delete(ctx, identity, project.ID).ExtractErr()
	})
	if len(roleNames) == 0 {
		roleNames = []string{"member"}
	}
	user, password = NewUser(t, "default", project.Name)
	Grant(t, roles.AssignOpts{UserID: user.ID, ProjectID: project.ID}, roleNames...)
	return project, user, password
}

// NewDomain makes a domain. It goes with the test, with everything in it.
func NewDomain(t testing.TB) *domains.Domain {
	t.Helper()
	identity := identityClient(t)
	ctx, cancel := requestContext()
	defer cancel()
	domain, err := domains.Create(ctx, identity, domains.CreateOpts{Name: name()}).Extract()
	if err != nil {
		t.Fatalf("create a domain: %v", err)
	}
	cleanup(t, "delete the test's domain", func(ctx context.Context) error {
		off := false // Keystone deletes no domain that is enabled
		if _, err := domains.Update(ctx, identity, domain.ID, domains.UpdateOpts{Enabled: &off}).Extract(); err != nil {
			return err
		}
		return domains.Delete(ctx, identity, domain.ID).ExtractErr()
	})
	return domain
}

// NewUser makes a user without any role. It goes with the test.
func NewUser(t testing.TB, domainID, userName string) (user *users.User, password string) {
	t.Helper()
	identity := identityClient(t)
	password = uuid.NewString()
	ctx, cancel := requestContext()
	defer cancel()
	user, err := users.Create(ctx, identity, users.CreateOpts{
		Name: userName, DomainID: domainID, Password: password,
	}).Extract()
	if err != nil {
		t.Fatalf("create user %s: %v", userName, err)
	}
	cleanup(t, "delete the test's user", func(ctx context.Context) error {
		return users.Delete(ctx, identity, user.ID).ExtractErr()
	})
	return user, password
}

// Grant assigns roles to a user on a project, a domain or the system. A role that does not exist yet is made, and stays.
func Grant(t testing.TB, to roles.AssignOpts, roleNames ...string) {
	t.Helper()
	identity := identityClient(t)
	ctx, cancel := requestContext()
	defer cancel()
	for _, roleName := range roleNames {
		id, err := ensureRole(ctx, identity, roleName)
		if err != nil {
			t.Fatalf("find or create role %s: %v", roleName, err)
		}
		if err := roles.Assign(ctx, identity, id, to).ExtractErr(); err != nil {
			t.Fatalf("assign role %s: %v", roleName, err)
		}
	}
}

// Register puts a service into the catalogue, with url as its public, internal and admin endpoint. It goes with the
// test. Two tests that register the same type at the same time see each other's: clients take any one of them.
func Register(t testing.TB, serviceType, url string) {
	t.Helper()
	identity := identityClient(t)
	ctx, cancel := requestContext()
	defer cancel()
	service, err := services.Create(ctx, identity, services.CreateOpts{
		Type: serviceType, Extra: map[string]any{"name": name()},
	}).Extract()
	if err != nil {
		t.Fatalf("register a service of type %s: %v", serviceType, err)
	}
	cleanup(t, "delete the test's service", func(ctx context.Context) error {
		return services.Delete(ctx, identity, service.ID).ExtractErr()
	})
	for _, availability := range []gophercloud.Availability{
		gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin,
	} {
		opts := endpoints.CreateOpts{
			Availability: availability, Name: service.Type, Region: Region, ServiceID: service.ID, URL: url,
		}
		if _, err := endpoints.Create(ctx, identity, opts).Extract(); err != nil {
			t.Fatalf("register the %s endpoint of a service of type %s: %v", availability, serviceType, err)
		}
	}
}

// ensureRole returns the id of a role. Another test may make it between our look and our try: we look again.
func ensureRole(ctx context.Context, identity *gophercloud.ServiceClient, roleName string) (string, error) {
	for {
		page, err := roles.List(identity, roles.ListOpts{Name: roleName}).AllPages(ctx)
		if err != nil {
			return "", err
		}
		found, err := roles.ExtractRoles(page)
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0].ID, nil
		}
		role, err := roles.Create(ctx, identity, roles.CreateOpts{Name: roleName}).Extract()
		if err == nil {
			return role.ID, nil
		}
		if !gophercloud.ResponseCodeIs(err, http.StatusConflict) {
			return "", err
		}
	}
}

func identityClient(t testing.TB) *gophercloud.ServiceClient {
	t.Helper()
	client, err := openstack.NewIdentityV3(KeystoneAdmin(t), gophercloud.EndpointOpts{Region: Region})
	if err != nil {
		t.Fatalf("find the identity service: %v", err)
	}
	return client
}

// cleanup runs undo after the test. What the test has deleted itself is no error.
func cleanup(t testing.TB, what string, undo func(context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := requestContext()
		defer cancel()
		if err := undo(ctx); err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	})
}

// requestContext is not the context of the test: that one is over when cleanups run.
func requestContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), requestTimeout)
}

func name() string { return "test-" + uuid.NewString() }
