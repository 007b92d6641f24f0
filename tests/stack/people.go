package stack

import (
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// Colleague makes another user in the tenant's project, who has the roles on it.
func (x *Tenant) Colleague(t testing.TB, roleNames ...string) *Tenant {
	t.Helper()
	user, password := testenv.NewUser(t, "default", "colleague-"+uuid.NewString())
	testenv.Grant(t, roles.AssignOpts{UserID: user.ID, ProjectID: x.ProjectID}, roleNames...)
	return &Tenant{Name: user.Name, Password: password, ProjectID: x.ProjectID, UserID: user.ID, stack: x.stack,
		token: testenv.Login(t, gophercloud.AuthOptions{UserID: user.ID, Password: password, Scope: &gophercloud.AuthScope{ProjectID: x.ProjectID}})}
}

// Program is the same user by an application credential, as programs use them. It dies with the user.
func (x *Tenant) Program(t testing.TB) *Tenant {
	t.Helper()
	identity, err := openstack.NewIdentityV3(x.token, gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatal(err)
	}
	c, err := applicationcredentials.Create(t.Context(), identity, x.UserID, applicationcredentials.CreateOpts{Name: "program-" + uuid.NewString()}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	p := *x
	p.token = testenv.Login(t, gophercloud.AuthOptions{ApplicationCredentialID: c.ID, ApplicationCredentialSecret: c.Secret})
	return &p
}
