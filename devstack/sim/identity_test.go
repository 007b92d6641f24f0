package sim

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
)

func (a *actor) roleID(t *testing.T, name string) string {
	t.Helper()
	for _, r := range must[[]roles.Role](t)(roles.ExtractRoles(pages(t, roles.List(a.identity, roles.ListOpts{Name: name})))) {
		return r.ID
	}
	t.Fatalf("no role %s", name)
	return ""
}

func roleNames(t *testing.T, a *actor, token string) []string {
	t.Helper()
	var out []string
	for _, r := range must[[]tokens.Role](t)(tokens.Get(t.Context(), a.identity, token).ExtractRoles()) {
		out = append(out, r.Name)
	}
	return out
}

// The life of a cluster's own user.
// TestLinksFollowTheCaller: whoever reaches the cloud by another address finds its services there.
func TestLinksFollowTheCaller(t *testing.T) {
	c := start(t, Options{})
	body := `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "demo", "password": "secret", "domain": {"id": "default"}}}}, "scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.AuthURL()+"/auth/tokens", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "192.0.2.1"
	answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(text), `"http://192.0.2.1/load-balancer"`) || strings.Contains(string(text), c.URL()) {
		t.Errorf("the catalogue: %s, %v", text, err)
	}
}

func TestServiceUser(t *testing.T) {
	c := start(t, Options{})
	service, demo, ctx := login(t, c, "jeroboam", "service"), login(t, c, "demo", "demo"), t.Context()
	found := must[[]domains.Domain](t)(domains.ExtractDomains(pages(t, domains.List(service.identity, domains.ListOpts{Name: "jeroboam"}))))
	o := users.CreateOpts{Name: "x-user", DomainID: found[0].ID, Password: "p1", DefaultProjectID: demo.project}
	u := must[*users.User](t)(users.Create(ctx, service.identity, o).Extract())
	refused(t, users.Create(ctx, service.identity, o).Err, 409, "Duplicate entry")
	if len(c.Resources(demo.project)["user"]) != 1 {
		t.Errorf("resources: %v", c.Resources(demo.project))
	}
	scope := func(password string) gophercloud.AuthOptions {
		return gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL(), UserID: u.ID, Password: password, Scope: &gophercloud.AuthScope{ProjectID: demo.project}}
	}
	_, err := authenticate(ctx, scope("p1"))
	refused(t, err, 401, "requires authentication") // no role yet
	grant := roles.AssignOpts{UserID: u.ID, ProjectID: demo.project}
	member := service.roleID(t, "member")
	ok(t, roles.Assign(ctx, service.identity, member, grant).ExtractErr())
	ok(t, roles.Assign(ctx, service.identity, member, grant).ExtractErr())
	own, err := authenticate(ctx, scope("p1"))
	ok(t, err)
	if names := roleNames(t, service, own.provider.Token()); len(names) != 2 || names[0] != "member" || names[1] != "reader" {
		t.Errorf("roles: %v", names)
	}
	_, err = authenticate(ctx, scope("wrong"))
	refused(t, err, 401, "requires authentication")
	assigned := must[[]roles.RoleAssignment](t)(roles.ExtractRoleAssignments(pages(t, roles.ListAssignments(service.identity, roles.ListAssignmentsOpts{UserID: u.ID, ScopeProjectID: demo.project}))))
	if len(assigned) != 1 || assigned[0].Role.ID != member {
		t.Errorf("assignments: %+v", assigned)
	}

	list := func() error {
		_, err := networks.List(own.network, nil).AllPages(ctx)
		return err
	}
	ok(t, list())
	must[*users.User](t)(users.Update(ctx, service.identity, u.ID, users.UpdateOpts{Password: "p2"}).Extract())
	refused(t, list(), 401, "requires authentication") // a new password ends the old tokens
	own, err = authenticate(ctx, scope("p2"))
	ok(t, err)
	ok(t, list())
	no := false
	must[*users.User](t)(users.Update(ctx, service.identity, u.ID, users.UpdateOpts{Enabled: &no}).Extract())
	refused(t, list(), 401, "requires authentication")
	ok(t, users.Delete(ctx, service.identity, u.ID).ExtractErr())
	refused(t, users.Delete(ctx, service.identity, u.ID).Err, 404, "Could not find user")
	refused(t, roles.Assign(ctx, service.identity, member, grant).Err, 404, "Could not find user")
	refused(t, users.Create(ctx, demo.identity, users.CreateOpts{Name: "y"}).Err, 403, "not authorized")
}

func TestTokenValidation(t *testing.T) {
	c := start(t, Options{})
	service, demo, other, ctx := login(t, c, "jeroboam", "service"), login(t, c, "demo", "demo"), login(t, c, "alt_demo", "alt_demo"), t.Context()
	token := demo.provider.Token()
	p := must[*tokens.Project](t)(tokens.Get(ctx, service.identity, token).ExtractProject())
	if p.Name != "demo" || p.Domain.Name != "Default" {
		t.Errorf("project: %+v", p)
	}
	must[*tokens.User](t)(tokens.Get(ctx, demo.identity, token).ExtractUser())
	refused(t, tokens.Get(ctx, other.identity, token).Err, 403, "validate_token")
	refused(t, tokens.Get(ctx, service.identity, "x").Err, 404, "Could not find token")
	c.mu.Lock()
	c.tokens[token].expires = time.Now().Add(-time.Minute)
	c.mu.Unlock()
	refused(t, tokens.Get(ctx, service.identity, token).Err, 404, "Could not find token")
	status, _, _ := ask(t, http.MethodGet, c.AuthURL()+"/auth/tokens?allow_expired=1", "", map[string]string{"X-Auth-Token": service.provider.Token(), "X-Subject-Token": token})
	if status != http.StatusOK {
		t.Errorf("with allow_expired: %d", status)
	}
}

func TestCatalogue(t *testing.T) {
	c := start(t, Options{ContainerInfraURL: "http://127.0.0.1:1/v1"})
	c.RegisterEndpoint("container-infra", "magnum", "http://127.0.0.1:2/v1")
	a := login(t, c, "demo", "demo")
	l := must[*tokens.ServiceCatalog](t)(tokens.Get(t.Context(), a.identity, a.provider.Token()).ExtractServiceCatalog())
	urls := map[string]string{}
	for _, e := range l.Entries {
		urls[e.Type] = e.Endpoints[0].URL
	}
	if urls["container-infra"] != "http://127.0.0.1:2/v1" || urls["block-storage"] != c.URL()+"/volume/v3/"+a.project || len(urls) != 12 {
		t.Errorf("catalogue: %v", urls)
	}
}

func TestApplicationCredential(t *testing.T) {
	c := start(t, Options{})
	a, service, ctx := login(t, c, "demo", "demo"), login(t, c, "jeroboam", "service"), t.Context()
	me := must[*tokens.User](t)(tokens.Get(ctx, a.identity, a.provider.Token()).ExtractUser()).ID
	o := applicationcredentials.CreateOpts{Name: "x", Roles: []applicationcredentials.Role{{Name: "reader"}}}
	made := must[*applicationcredentials.ApplicationCredential](t)(applicationcredentials.Create(ctx, a.identity, me, o).Extract())
	refused(t, applicationcredentials.Create(ctx, a.identity, me, o).Err, 409, "Duplicate")
	by, err := authenticate(ctx, gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL(), ApplicationCredentialID: made.ID, ApplicationCredentialSecret: made.Secret})
	ok(t, err)
	if names := roleNames(t, service, by.provider.Token()); len(names) != 1 || names[0] != "reader" {
		t.Errorf("roles: %v", names)
	}
	refused(t, applicationcredentials.Create(ctx, by.identity, me, applicationcredentials.CreateOpts{Name: "y"}).Err, 403, "may not be used")
	_, err = authenticate(ctx, gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL(), ApplicationCredentialID: made.ID, ApplicationCredentialSecret: "x"})
	refused(t, err, 401, "requires authentication")
	ok(t, applicationcredentials.Delete(ctx, a.identity, me, made.ID).ExtractErr())
	refused(t, tokens.Get(ctx, by.identity, by.provider.Token()).Err, 401, "requires authentication")
}

func TestScopes(t *testing.T) {
	c := start(t, Options{})
	admin, ctx := login(t, c, "admin", "admin"), t.Context()
	base := gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL(), Username: "admin", Password: "secret", DomainName: "Default"}
	for _, test := range []struct {
		name  string
		scope *gophercloud.AuthScope
		roles int
	}{{"system", &gophercloud.AuthScope{System: true}, 4}, {"domain", &gophercloud.AuthScope{DomainID: "default"}, 4}, {"unscoped", nil, 0}} {
		t.Run(test.name, func(t *testing.T) {
			o := base
			o.Scope = test.scope
			client := must[*gophercloud.ProviderClient](t)(openstack.NewClient(c.AuthURL()))
			result := tokens.Create(ctx, &gophercloud.ServiceClient{ProviderClient: client, Endpoint: c.AuthURL() + "/"}, &o)
			ok(t, result.Err)
			if names := must[[]tokens.Role](t)(result.ExtractRoles()); len(names) != test.roles {
				t.Errorf("roles: %v", names)
			}
		})
	}
	// what a deleted project leaves: tokens for it are worth nothing
	p := must[*projects.Project](t)(projects.Create(ctx, admin.identity, projects.CreateOpts{Name: "p"}).Extract())
	me := must[*tokens.User](t)(tokens.Get(ctx, admin.identity, admin.provider.Token()).ExtractUser()).ID
	ok(t, roles.Assign(ctx, admin.identity, admin.roleID(t, "member"), roles.AssignOpts{UserID: me, ProjectID: p.ID}).ExtractErr())
	in, err := authenticate(ctx, gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL(), Username: "admin", Password: "secret", DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectID: p.ID}})
	ok(t, err)
	ok(t, projects.Delete(ctx, admin.identity, p.ID).ExtractErr())
	_, err = networks.List(in.network, nil).AllPages(ctx)
	refused(t, err, 401, "requires authentication")
}

// A second cloud that asks the Keystone of the first.
func TestForeignKeystone(t *testing.T) {
	first := start(t, Options{})
	second := start(t, Options{PublicCIDR: "127.94.0.0/16", LANCIDR: "127.95.0.0/16", Keystone: &Keystone{
		URL: first.AuthURL(), Username: "jeroboam", Password: "secret", UserDomain: "Default", Project: "service", ProjectDomain: "Default",
	}})
	a := login(t, first, "demo", "demo")
	client := &gophercloud.ServiceClient{ProviderClient: a.provider, Endpoint: second.URL() + "/networking/", ResourceBase: second.URL() + "/networking/v2.0/"}
	n := must[*networks.Network](t)(networks.Create(t.Context(), client, networks.CreateOpts{Name: "n"}).Extract())
	if n.ProjectID != a.project || len(second.Resources(a.project)["network"]) != 1 || len(first.Resources(a.project)["network"]) != 0 {
		t.Errorf("network: %+v", n)
	}
	client.ProviderClient = &gophercloud.ProviderClient{TokenID: "nonsense"}
	refused(t, networks.Get(t.Context(), client, n.ID).Err, 401, "requires authentication")
}
