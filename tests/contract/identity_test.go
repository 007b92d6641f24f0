package contract

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

func TestIdentity(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	k, err := b.service.Identity()
	b.must(err)
	domain := b.newDomain()

	id, err := k.DomainID(ctx, domain.Name)
	if b.must(err); id != domain.ID {
		t.Errorf("the domain is %s, not %s", id, domain.ID)
	}
	_, err = k.DomainID(ctx, "no such domain")
	b.want(err, cloud.IsNotFound, "a domain that is not there")
	b.must(k.ProjectExists(ctx, b.projectID))
	b.want(k.ProjectExists(ctx, uuid.NewString()), cloud.IsNotFound, "a project that is not there")

	roles, err := k.RoleIDs(ctx, []string{"member", "admin", "no such role"})
	if b.must(err); len(roles) != 2 {
		t.Errorf("roles: %v", roles)
	}
	name := "cluster-" + uuid.NewString()
	if found, err := k.FindUser(ctx, name, domain.ID); err != nil || found != "" {
		t.Errorf("a user that is not there: %q, %v", found, err)
	}
	b.lost(func() error {
		_, err := k.CreateUser(ctx, name, domain.ID, b.projectID, "first", "of a test")
		return err
	})
	user, err := k.FindUser(ctx, name, domain.ID)
	b.must(err)
	_, err = k.CreateUser(ctx, name, domain.ID, b.projectID, "other", "the same name")
	b.want(err, cloud.IsConflict, "a second user of one name")
	_, err = k.CreateUser(ctx, name, uuid.NewString(), b.projectID, "x", "")
	b.want(err, func(err error) bool { return cloud.IsNotFound(err) || cloud.IsInvalid(err) }, "a user of no domain")
	b.must(k.AssignRole(ctx, roles["member"], user, b.projectID))
	b.must(k.AssignRole(ctx, roles["member"], user, b.projectID)) // to have it already is fine
	b.want(k.AssignRole(ctx, roles["member"], uuid.NewString(), b.projectID), cloud.IsNotFound, "a role for nobody")
	b.must(k.SetPassword(ctx, user, "second"))

	f, err := cloud.NewFactory(cloud.Config{AuthURL: b.authURL, AuthType: "password", Interface: "public"})
	b.must(err)
	t.Cleanup(f.Close)
	clients, err := f.User(ctx, cloud.User{ID: user, Password: "second", ProjectID: b.projectID})
	b.must(err)
	if own, err := clients.UserID(ctx); err != nil || own != user {
		t.Errorf("the user is %q to itself, %v", own, err)
	}
	_, err = f.User(ctx, cloud.User{ID: user, Password: "first", ProjectID: b.projectID})
	b.want(err, cloud.IsUnauthorized, "the old password")

	member, err := clients.Identity()
	b.must(err)
	_, err = member.CreateUser(ctx, "x", domain.ID, "", "x", "")
	b.want(err, cloud.IsForbidden, "a member who makes users")

	b.must(k.DeleteUser(ctx, user))
	b.want(k.DeleteUser(ctx, user), cloud.IsNotFound, "deleting a user twice")
	network, err := clients.Network()
	b.must(err)
	_, err = network.FindNetworks(ctx, "x", "y")
	b.want(err, cloud.IsUnauthorized, "the token of a user who is gone")
	if !cloud.IsLoggedOut(err) {
		t.Errorf("it is not told that there is no way back: %v", err)
	}
}

// newDomain makes a domain that goes with the test.
func (b *bed) newDomain() *domains.Domain {
	b.t.Helper()
	k := b.identity()
	d, err := domains.Create(b.t.Context(), k, domains.CreateOpts{Name: "contract-" + uuid.NewString()}).Extract()
	b.must(err)
	b.later("deleting the domain", func(ctx context.Context) error {
		off := false // Keystone deletes no domain that is enabled
		if _, err := domains.Update(ctx, k, d.ID, domains.UpdateOpts{Enabled: &off}).Extract(); err != nil {
			return err
		}
		return domains.Delete(ctx, k, d.ID).ExtractErr()
	})
	return d
}
