// Package contract holds each cloud service to what we make of it: one suite for every narrow interface of drivers/cloud.
// `make test` runs the suites against the simulator and `make test-openstack` against the real services. Where they
// differ, the simulator is what is wrong.
package contract

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// What both clouds have from the start.
const (
	external = "public"
	image    = "ubuntu-24.04-kube-v1.37.2"
	flavor   = "m1.small"
	hosts    = 2 // to keep servers apart on
)

// patience with a real cloud on two busy cores.
const patience = 2 * time.Minute

// bed is a cloud with a project in it that is the test's own.
type bed struct {
	t         *testing.T
	real      bool
	authURL   string
	projectID string
	user      drivers.Credential
	admin     *gophercloud.ProviderClient
	tenant    *cloud.Clients // a member of the project, as a cluster's user is
	service   *cloud.Clients // an administrator, as the service is
	factory   *cloud.Factory // of the tenant
	loses     *losing        // between both and the cloud
}

// newBed makes a project with a user in it. What the test leaves there, it reports by itself.
func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, real: os.Getenv(testenv.OpenStack) != "", loses: &losing{}}
	adminPassword := "secret"
	if b.real {
		b.authURL, adminPassword = testenv.Require(t, testenv.KeystoneURL), testenv.Require(t, testenv.KeystoneAdminPassword)
	} else {
		c, err := sim.New(sim.Options{Speed: 50, Hosts: hosts, PublicCIDR: rig.PublicCIDR(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if err := c.Start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		b.authURL = c.AuthURL()
	}
	b.admin = b.provider("admin", adminPassword, "admin")
	b.service = b.login(b.newFactory("admin", adminPassword, "admin"))
	b.settle()
	return b
}

// newBedBeside is another project of the same cloud.
func newBedBeside(t *testing.T, b *bed) *bed {
	t.Helper()
	x := &bed{t: t, real: b.real, authURL: b.authURL, admin: b.admin, service: b.service, loses: &losing{}}
	x.settle()
	return x
}

// settle makes project and tenant.
func (b *bed) settle() {
	b.t.Helper()
	name, password := "contract-"+uuid.NewString(), uuid.NewString()
	b.projectID, b.user.UserID = b.newProject(name, password)
	b.user.ProjectID, b.user.Password = b.projectID, password
	b.factory = b.newFactory(name, password, name)
	b.tenant = b.login(b.factory)
}

// newProject makes a project and a user of the same name.
func (b *bed) newProject(name, password string) (projectID, userID string) {
	b.t.Helper()
	ctx, k := b.t.Context(), b.identity()
	p, err := projects.Create(ctx, k, projects.CreateOpts{Name: name, DomainID: "default"}).Extract()
	b.must(err)
	u, err := users.Create(ctx, k, users.CreateOpts{Name: name, DomainID: "default", Password: password}).Extract()
	b.must(err)
	b.later("deleting the project", func(ctx context.Context) error {
		return errors.Join(users.Delete(ctx, k, u.ID).ExtractErr(), projects.Delete(ctx, k, p.ID).ExtractErr())
	})
	pages, err := roles.List(k, roles.ListOpts{}).AllPages(ctx)
	b.must(err)
	l, err := roles.ExtractRoles(pages)
	b.must(err)
	for _, r := range l {
		if slices.Contains([]string{"member", "load-balancer_member", "creator"}, r.Name) { // what services want of a member
			b.must(roles.Assign(ctx, k, r.ID, roles.AssignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr())
		}
	}
	return p.ID, u.ID
}

func (b *bed) identity() *gophercloud.ServiceClient {
	b.t.Helper()
	k, err := openstack.NewIdentityV3(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	return k
}

// provider is somebody to whom answers do not get lost.
func (b *bed) provider(name, password, project string) *gophercloud.ProviderClient {
	b.t.Helper()
	p, err := openstack.AuthenticatedClient(b.t.Context(), gophercloud.AuthOptions{IdentityEndpoint: b.authURL, Username: name, Password: password, DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: project, DomainName: "Default"}, AllowReauth: true})
	b.must(err)
	return p
}

func (b *bed) newFactory(name, password, project string) *cloud.Factory {
	b.t.Helper()
	f, err := cloud.NewFactory(cloud.Config{AuthURL: b.authURL, AuthType: "password", Username: name, Password: password, UserDomainName: "Default",
		ProjectName: project, ProjectDomainName: "Default", Interface: "public", Timeout: time.Minute})
	b.must(err)
	b.t.Cleanup(f.Close)
	f.Wrap(func(next http.RoundTripper) http.RoundTripper { return through{next, b.loses} })
	return f
}

func (b *bed) login(f *cloud.Factory) *cloud.Clients {
	b.t.Helper()
	c, err := f.Service(b.t.Context())
	b.must(err)
	return c
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// eventually waits for the cloud.
func (b *bed) eventually(what string, cond func() bool) {
	b.t.Helper()
	testenv.Eventually(b.t, patience, what, slowly(cond))
}

// slowly asks no more often than five times in a second.
func slowly(cond func() bool) func() bool {
	var last time.Time
	return func() bool {
		if time.Since(last) < 200*time.Millisecond {
			return false
		}
		last = time.Now()
		return cond()
	}
}

// want holds an error to one of the classes of drivers/cloud, and to having words in it.
func (b *bed) want(err error, is func(error) bool, what string) {
	b.t.Helper()
	var e *cloud.Error
	switch {
	case err == nil:
		b.t.Errorf("%s: no error", what)
	case !is(err):
		b.t.Errorf("%s: %v", what, err)
	case !errors.As(err, &e) || e.Message == "":
		b.t.Errorf("%s: the service's words are lost: %v", what, err)
	}
}

// losing is a network that counts the changes that are asked for, and loses the answer to the next one when it is armed:
// the cloud makes the change, and nobody hears. Logins are no changes.
type losing struct {
	armed   atomic.Bool
	changes atomic.Int64
}

// through a losing network.
type through struct {
	next  http.RoundTripper
	loses *losing
}

var errLost = errors.New("the answer was lost")

// RoundTrip does what it is asked.
func (x through) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := x.next.RoundTrip(r)
	if r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/auth/tokens") {
		return a, err
	}
	x.loses.changes.Add(1)
	if err == nil && x.loses.armed.CompareAndSwap(true, false) {
		return nil, errors.Join(errLost, a.Body.Close())
	}
	return a, err
}

// lost makes one change whose answer does not arrive.
func (b *bed) lost(change func() error) {
	b.t.Helper()
	b.loses.armed.Store(true)
	err := change()
	switch {
	case err == nil, b.loses.armed.Load():
		b.t.Fatalf("the answer was not lost: %v", err)
	case !cloud.IsUnreachable(err):
		b.t.Errorf("a lost answer is not told as one: %v", err)
	}
}

// only is the one element that was found.
func only[T any](l []T, err error) func(*bed) T {
	return func(b *bed) T {
		b.t.Helper()
		b.must(err)
		if len(l) != 1 {
			b.t.Fatalf("%d were found, not 1: %v", len(l), l)
		}
		return l[0]
	}
}

// none says that nothing was found.
func none[T any](l []T, err error) func(*bed) {
	return func(b *bed) {
		b.t.Helper()
		b.must(err)
		if len(l) != 0 {
			b.t.Fatalf("these were found: %v", l)
		}
	}
}

// later runs when the test ends, whatever became of it.
func (b *bed) later(what string, do func(ctx context.Context) error) {
	b.t.Cleanup(func() {
		if err := do(context.Background()); err != nil && !cloud.IsNotFound(err) {
			b.t.Errorf("%s: %v", what, err)
		}
	})
}
