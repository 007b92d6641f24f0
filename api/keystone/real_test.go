package keystone

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// realClient validates at the real Keystone, as a service user with role service.
func realClient(t *testing.T, cacheTime time.Duration) *Client {
	t.Helper()
	project, user, password := testenv.NewProject(t, "service", "admin")
	c, err := New(Config{AuthURL: testenv.Require(t, testenv.KeystoneURL), AuthType: "password", Username: user.Name, Password: password, UserDomainName: "Default",
		ProjectName: project.Name, ProjectDomainName: "Default", Interface: "internal", TokenCacheTime: cacheTime, HTTPConnectTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func login(t *testing.T, o gophercloud.AuthOptions) string {
	t.Helper()
	return testenv.Login(t, o).Token()
}

func TestRealKeystone(t *testing.T) {
	c := realClient(t, 0)
	project, user, password := testenv.NewProject(t, "member")
	other, stranger, strangersPassword := testenv.NewProject(t, "reader")
	as := func(name, password, project string) gophercloud.AuthOptions {
		return gophercloud.AuthOptions{Username: name, Password: password, DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: project, DomainName: "Default"}}
	}
	testenv.Grant(t, roles.AssignOpts{UserID: user.ID, ProjectID: other.ID}, "member")
	token := login(t, as(user.Name, password, project.Name))
	for _, tc := range []struct{ name, token, user, project, system string }{
		{"own project", token, user.ID, project.ID, ""},
		{"another project of the same user", login(t, as(user.Name, password, other.Name)), user.ID, other.ID, ""},
		{"another user", login(t, as(stranger.Name, strangersPassword, other.Name)), stranger.ID, other.ID, ""},
		{"system scope", login(t, gophercloud.AuthOptions{Username: "admin", Password: testenv.Require(t, testenv.KeystoneAdminPassword), DomainName: "Default", Scope: &gophercloud.AuthScope{System: true}}), "", "", "all"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, err := c.Validate(t.Context(), tc.token, false)
			if err != nil {
				t.Fatal(err)
			}
			if tc.user != "" && id.UserID != tc.user || id.ProjectID != tc.project || id.SystemScope != tc.system || len(id.Roles) == 0 || len(id.Catalog) == 0 || id.UserDomainID != "default" || !id.ExpiresAt.After(time.Now()) {
				t.Errorf("%+v, roles %q, %d services, expires %v", id, id.Roles, len(id.Catalog), id.ExpiresAt)
			}
		})
	}
	for name, bad := range map[string]string{"garbage": "garbage", "a damaged one": token[:len(token)-4] + "AAAA"} {
		if _, err := c.Validate(t.Context(), bad, false); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	revoke(t, as(user.Name, password, project.Name), token)
	for _, allowExpired := range []bool{false, true} {
		if _, err := c.Validate(t.Context(), token, allowExpired); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("revoked, allowExpired %v: error %v", allowExpired, err)
		}
	}
}

// A service whose own token is revoked logs in again.
func TestRealKeystoneOwnTokenRevoked(t *testing.T) {
	c := realClient(t, time.Minute)
	project, user, password := testenv.NewProject(t)
	o := gophercloud.AuthOptions{Username: user.Name, Password: password, DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: project.Name, DomainName: "Default"}}
	if _, err := c.Validate(t.Context(), login(t, o), false); err != nil {
		t.Fatal(err)
	}
	own := c.session.Load()
	before := own.Token()
	if err := tokens.Revoke(t.Context(), own, before).Err; err != nil {
		t.Fatal(err)
	}
	if _, err := c.Validate(t.Context(), login(t, o), false); err != nil {
		t.Fatal(err)
	}
	if own.Token() == before {
		t.Error("it has the same token as before")
	}
}

// Both ends by application credential: the service's log-in, and a token that was made from one.
func TestRealKeystoneApplicationCredential(t *testing.T) {
	project, user, password := testenv.NewProject(t, "admin")
	o := gophercloud.AuthOptions{Username: user.Name, Password: password, DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: project.Name, DomainName: "Default"}}
	client, err := openstack.NewIdentityV3(testenv.Login(t, o), gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatal(err)
	}
	create := func(name string, rules []applicationcredentials.AccessRule) *applicationcredentials.ApplicationCredential {
		made, err := applicationcredentials.Create(t.Context(), client, user.ID, applicationcredentials.CreateOpts{Name: name, AccessRules: rules}).Extract()
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	own := create("own", nil)
	c, err := New(Config{AuthURL: testenv.Require(t, testenv.KeystoneURL), AuthType: "v3applicationcredential", ApplicationCredentialID: own.ID, ApplicationCredentialSecret: own.Secret, HTTPConnectTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	id, err := c.Validate(t.Context(), login(t, gophercloud.AuthOptions{ApplicationCredentialID: own.ID, ApplicationCredentialSecret: own.Secret}), false)
	if err != nil || id.UserID != user.ID || id.ProjectID != project.ID {
		t.Errorf("%v, error %v", id, err)
	}
	// We do not say that we enforce access rules, so Keystone declares such tokens not valid.
	limited := create("limited", []applicationcredentials.AccessRule{{Path: "/v1/stats", Method: "GET", Service: "container-infra"}})
	_, err = c.Validate(t.Context(), login(t, gophercloud.AuthOptions{ApplicationCredentialID: limited.ID, ApplicationCredentialSecret: limited.Secret}), false)
	if !errors.Is(err, ErrInvalidToken) {
		t.Errorf("with access rules: error %v", err)
	}
}

func revoke(t *testing.T, o gophercloud.AuthOptions, token string) {
	t.Helper()
	client, err := openstack.NewIdentityV3(testenv.Login(t, o), gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := tokens.Revoke(ctx, client, token).Err; err != nil {
		t.Fatal(err)
	}
}
