package stack

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/traffic"
)

// region makes a region of the catalogue for one test: others register services of the same types in the same Keystone.
// The services are reached through the recorder if there is one.
func region(t testing.TB, services []sim.Endpoint, api string, recorder *traffic.Recorder) string {
	t.Helper()
	identity := identityClient(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // some thirty requests, of a Keystone that may have little of the machine
	defer cancel()
	name := "r" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	if _, err := regions.Create(ctx, identity, regions.CreateOpts{ID: name}).Extract(); err != nil {
		t.Fatalf("create a region: %v", err)
	}
	undo(t, "delete the test's region", func(ctx context.Context) error { return regions.Delete(ctx, identity, name).ExtractErr() })
	seen := map[string]bool{}
	for _, e := range services {
		if !seen[e.Type] && e.Type != "container-infra" {
			seen[e.Type] = true
			register(t, ctx, identity, name, e.Type, e.Name, via(t, recorder, e.Type, e.URL))
		}
	}
	register(t, ctx, identity, name, "container-infra", "magnum", api+"/v1")
	return name
}

// via is the address of a service for those who may be recorded.
func via(t testing.TB, recorder *traffic.Recorder, service, url string) string {
	t.Helper()
	if recorder == nil {
		return url
	}
	return recorder.Via(t, service, url)
}

// simulated is the catalogue of a simulator, with a real Keystone in its place.
func simulated(t testing.TB, simulator string) []sim.Endpoint {
	t.Helper()
	prefix, err := sim.New(sim.Options{}) // never started: its catalogue has the paths
	if err != nil {
		t.Fatal(err)
	}
	defer prefix.Close()
	all := prefix.Endpoints()
	for i, e := range all {
		all[i].URL = simulator + strings.ReplaceAll(e.URL, "{project_id}", "$(project_id)s")
		if e.Type == "identity" {
			all[i].URL = testenv.Require(t, testenv.KeystoneURL)
		}
	}
	return all
}

// catalogue is that of the real cloud.
func catalogue(t testing.TB) []sim.Endpoint {
	t.Helper()
	identity := identityClient(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	urls := map[string]string{}
	pages, err := endpoints.List(identity, endpoints.ListOpts{Availability: gophercloud.AvailabilityPublic, RegionID: testenv.Region}).AllPages(ctx)
	if err != nil {
		t.Fatalf("list endpoints: %v", err)
	}
	all, err := endpoints.ExtractEndpoints(pages)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		urls[e.ServiceID] = e.URL
	}
	if pages, err = services.List(identity, services.ListOpts{}).AllPages(ctx); err != nil {
		t.Fatalf("list services: %v", err)
	}
	types, err := services.ExtractServices(pages)
	if err != nil {
		t.Fatal(err)
	}
	var out []sim.Endpoint
	for _, s := range types {
		if name, _ := s.Extra["name"].(string); urls[s.ID] != "" {
			out = append(out, sim.Endpoint{Type: s.Type, Name: name, URL: urls[s.ID]})
		}
	}
	return out
}

// register puts one service into the region. Of each service there is a record of the test's own, which has the name that
// clients look for.
func register(t testing.TB, ctx context.Context, identity *gophercloud.ServiceClient, region, kind, name, url string) { //nolint:revive // t first, as in every helper
	t.Helper()
	service, err := services.Create(ctx, identity, services.CreateOpts{Type: kind, Extra: map[string]any{"name": name}}).Extract()
	if err != nil {
		t.Fatalf("register service %s: %v", kind, err)
	}
	undo(t, "delete service "+kind, func(ctx context.Context) error {
		return services.Delete(ctx, identity, service.ID).ExtractErr()
	})
	for _, interfaceOf := range []gophercloud.Availability{gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal} {
		opts := endpoints.CreateOpts{Availability: interfaceOf, Name: name, Region: region, ServiceID: service.ID, URL: url}
		if _, err := endpoints.Create(ctx, identity, opts).Extract(); err != nil {
			t.Fatalf("register the %s endpoint of %s: %v", interfaceOf, kind, err)
		}
	}
}

func identityClient(t testing.TB) *gophercloud.ServiceClient {
	t.Helper()
	c, err := openstack.NewIdentityV3(testenv.KeystoneAdmin(t), gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatalf("find the identity service: %v", err)
	}
	return c
}

func undo(t testing.TB, what string, f func(context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := f(ctx); err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	})
}

// Tenant is a user with a project.
type Tenant struct {
	Name      string // of both
	Password  string
	ProjectID string
	UserID    string
	token     *gophercloud.ProviderClient
	stack     *Stack
}

// tenant makes a project with a user who has the roles on it.
func (s *Stack) tenant(t testing.TB, roles ...string) *Tenant {
	t.Helper()
	project, user, password := testenv.NewProject(t, roles...)
	x := &Tenant{Name: user.Name, Password: password, ProjectID: project.ID, UserID: user.ID, stack: s}
	x.token = testenv.Login(t, gophercloud.AuthOptions{UserID: user.ID, Password: password, Scope: &gophercloud.AuthScope{ProjectID: project.ID}})
	return x
}

// Provider is who the tenant is to gophercloud.
func (x *Tenant) Provider() *gophercloud.ProviderClient { return x.token }

// Token is a valid token of the tenant.
func (x *Tenant) Token() string { return x.token.Token() }
