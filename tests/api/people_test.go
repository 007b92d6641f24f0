package api

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"golang.org/x/crypto/ssh"
)

// cloud is what a user talks to Keystone and Neutron with.
func (b *bed) cloud(name, project string) *gophercloud.ProviderClient {
	b.t.Helper()
	p, err := openstack.AuthenticatedClient(b.t.Context(), gophercloud.AuthOptions{IdentityEndpoint: b.Cloud.AuthURL(), Username: name, Password: "secret", DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: project, DomainName: "Default"}})
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// person makes another user of a project, with one role.
func (b *bed) person(name, role, project string) *client {
	b.t.Helper()
	identity := must(openstack.NewIdentityV3(b.cloud("admin", "admin"), gophercloud.EndpointOpts{}))(b.t)
	user := must(users.Create(b.t.Context(), identity, users.CreateOpts{Name: name, DomainID: "default", Password: "secret"}).Extract())(b.t)
	all := must(roles.ExtractRoles(must(roles.List(identity, roles.ListOpts{Name: role}).AllPages(b.t.Context()))(b.t)))(b.t)
	projectID := b.login(project).project
	if err := roles.Assign(b.t.Context(), identity, all[0].ID, roles.AssignOpts{UserID: user.ID, ProjectID: projectID}).ExtractErr(); err != nil {
		b.t.Fatal(err)
	}
	return &client{t: b.t, url: b.url, token: b.cloud(name, project).Token(), version: "container-infra latest", project: projectID, user: user.ID}
}

// network makes a network with a subnet of the same name.
func (b *bed) network(name, cidr string) {
	b.t.Helper()
	neutron := must(openstack.NewNetworkV2(b.cloud("demo", "demo"), gophercloud.EndpointOpts{}))(b.t)
	n := must(networks.Create(b.t.Context(), neutron, networks.CreateOpts{Name: name}).Extract())(b.t)
	must(subnets.Create(b.t.Context(), neutron, subnets.CreateOpts{Name: name, NetworkID: n.ID, CIDR: cidr, IPVersion: 4}).Extract())(b.t)
}

// must ends the test when something that a test only prepares with fails.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// keypair makes a key pair of demo's.
func (b *bed) keypair(name string) {
	b.t.Helper()
	nova := must(openstack.NewComputeV2(b.cloud("demo", "demo"), gophercloud.EndpointOpts{}))(b.t)
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	key := ssh.MarshalAuthorizedKey(must(ssh.NewPublicKey(public))(b.t))
	must(keypairs.Create(b.t.Context(), nova, keypairs.CreateOpts{Name: name, PublicKey: string(key)}).Extract())(b.t)
}
