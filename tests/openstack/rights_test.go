package openstack

import (
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/trusts"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// memberRoles are what a tenant's user has in the cloud.
var memberRoles = []string{"load-balancer_member", "member"}

// TestRights holds who may do what to real services, in both forms of the policies that their packages bring.
func TestRights(t *testing.T) {
	testenv.Require(t, testenv.OpenStack)
	for _, form := range []string{"legacy", "new"} {
		t.Run(form, func(t *testing.T) {
			enforce(t, form)
			rights(t, form)
		})
	}
}

// enforce has all services take a form of their policies until the test ends. Legacy is the one that they come with.
func enforce(t *testing.T, form string) {
	t.Helper()
	if form == "legacy" {
		return
	}
	take := func(form string) {
		if out, err := exec.Command(testenv.Require(t, testenv.OpenStack), "policies", form).CombinedOutput(); err != nil { //nolint:gosec // our own script
			t.Fatalf("policies %s: %v\n%s", form, err, out)
		}
	}
	t.Cleanup(func() { take("legacy") })
	take(form)
}

func rights(t *testing.T, form string) {
	var ironic []string
	if form == "new" {
		ironic = []string{"[ironic]\nsystem_scope = all"}
	}
	s := stack.Start(t, stack.Options{Real: true, Conductors: 1, Sections: ironic})
	if form == "new" { // then an administrator is none to Octavia without a role of its own, and none to Ironic in a project
		testenv.Grant(t, roles.AssignOpts{UserID: s.Service.UserID, System: true}, "member")
		for _, x := range []*stack.Tenant{s.Service, s.Admin} {
			testenv.Grant(t, roles.AssignOpts{UserID: x.UserID, ProjectID: x.ProjectID}, "load-balancer_admin")
		}
	}
	c := administrator(t, s)
	boot(t)
	for _, x := range []*stack.Tenant{s.One, s.Two} {
		template(t, x, nil)
	}
	t.Run("without rights", func(t *testing.T) { withoutRights(t, s, c) })
	t.Run("together", func(t *testing.T) {
		t.Run("the creator leaves", func(t *testing.T) { t.Parallel(); creatorLeaves(t, s, c) })
		t.Run("the project is deleted", func(t *testing.T) { t.Parallel(); projectDeleted(t, s, c) })
		t.Run("a machine", func(t *testing.T) {
			t.Parallel()
			create(t, s.One, "machine", map[string]any{"node_count": 1, "flavor_id": "bm.general", "labels": map[string]any{"server_type": "bm"}})
			remove(t, s.One, "machine")
		})
	})
	for _, x := range []*stack.Tenant{s.One, s.Two} {
		nothing(t, c.of(x.ProjectID, s.DomainID))
	}
}

// withoutRights: what a caller cannot have is said at once, and nothing is made.
func withoutRights(t *testing.T, s *stack.Stack, c *cloud) {
	for _, x := range []struct {
		name  string
		roles []string
		says  string
	}{
		{"a reader", []string{"reader"}, "Policy doesn't allow cluster:create"},
		{"a member without Octavia's roles", []string{"member"}, "load-balancer_member"},
		{"one with Octavia's roles alone", []string{"load-balancer_member"}, "Policy doesn't allow cluster:create"},
	} {
		who := s.One.Colleague(t, x.roles...)
		a := who.Do(t, "POST", "/v1/clusters", map[string]any{"name": "refused", "cluster_template_id": "k8s"})
		if a.Status != http.StatusForbidden || !strings.Contains(a.Detail(t), x.says) {
			t.Errorf("%s: %d %s", x.name, a.Status, a.Body)
		}
	}
	if l := s.One.Want(t, 200, "GET", "/v1/clusters", nil).JSON(t)["clusters"].([]any); len(l) > 0 {
		t.Errorf("clusters: %v", l)
	}
	nothing(t, c.of(s.One.ProjectID, s.DomainID))
}

// creatorLeaves: a program makes a cluster by an application credential; its owner leaves; colleagues resize and delete.
func creatorLeaves(t *testing.T, s *stack.Stack, c *cloud) {
	creator := s.One.Colleague(t, memberRoles...)
	program := creator.Program(t)
	refusesTrusts(t, program)
	id := create(t, program, "dev", map[string]any{"node_count": 1})
	c.serviceUser(s.DomainID, id, s.One.ProjectID)

	off := false
	if _, err := users.Update(t.Context(), c.identity, creator.UserID, users.UpdateOpts{Enabled: &off}).Extract(); err != nil {
		t.Fatal(err)
	}
	s.One.Want(t, 202, "POST", "/v1/clusters/dev/actions/resize", map[string]any{"node_count": 2})
	s.One.Settled(t, "dev", "UPDATE_COMPLETE", patience)
	l := slices.DeleteFunc(c.of(s.One.ProjectID, "")["server"], func(name string) bool { return !strings.HasPrefix(name, "dev-") })
	if len(l) != 3 {
		t.Errorf("servers after the resize: %q", l)
	}
	remove(t, s.One.Program(t), "dev")
}

// refusesTrusts shows why clusters have users of their own: an application credential makes no trust.
func refusesTrusts(t *testing.T, program *stack.Tenant) {
	t.Helper()
	identity, err := openstack.NewIdentityV3(program.Provider(), gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatal(err)
	}
	_, err = trusts.Create(t.Context(), identity, trusts.CreateOpts{TrustorUserID: program.UserID, TrusteeUserID: program.UserID, ProjectID: program.ProjectID,
		Roles: []trusts.Role{{Name: "member"}}}).Extract()
	if !gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		t.Errorf("an application credential makes a trust: %v", err)
	}
}

// serviceUser looks for the one user of a cluster: it has the configured roles on the project, and nothing else anywhere.
func (c *cloud) serviceUser(domainID, cluster, project string) {
	c.t.Helper()
	l := list(c.t, users.List(c.identity, users.ListOpts{DomainID: domainID, Name: "jeroboam-" + cluster}), users.ExtractUsers)
	if len(l) != 1 {
		c.t.Fatalf("service users of the cluster: %v", l)
	}
	yes := true
	var held []string
	for _, a := range list(c.t, roles.ListAssignments(c.identity, roles.ListAssignmentsOpts{UserID: l[0].ID, IncludeNames: &yes}), roles.ExtractRoleAssignments) {
		if held = append(held, a.Role.Name); a.Scope.Project.ID != project {
			c.t.Errorf("the service user has role %s on %+v", a.Role.Name, a.Scope)
		}
	}
	if slices.Sort(held); !slices.Equal(held, memberRoles) {
		c.t.Errorf("the service user has the roles %q", held)
	}
}

// projectDeleted: the service itself cleans up when nobody else can.
func projectDeleted(t *testing.T, s *stack.Stack, c *cloud) {
	id := create(t, s.Two, "orphan", map[string]any{"node_count": 1})
	if err := projects.Delete(t.Context(), c.identity, s.Two.ProjectID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	remove(t, s.Admin, id)
}
