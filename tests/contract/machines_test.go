package contract

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/quotasets"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/drivertest"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
	"github.com/jeroboam-cloud/jeroboam/drivers/vm"
)

// TestVirtualMachines is the driver as a whole.
func TestVirtualMachines(t *testing.T) { drivertest.Machines(t, newCluster) }

// newCluster makes network and security groups of a cluster, on its tenant's behalf.
func newCluster(t *testing.T) *drivertest.Bed {
	b := newBed(t)
	id := uuid.NewString()
	c := drivers.Cluster{UUID: id, Name: "cluster", Prefix: "cluster-" + id[:8], ProjectID: b.projectID, ExternalNetworkID: only(b.network().Networks(t.Context(), external))(b).ID,
		SubnetCIDR: "10.0.0.0/24", APIPort: 6443, PodCIDR: "10.100.0.0/16", ServerGroupPolicy: "soft-anti-affinity"}
	network := infra.New(infra.Config{OwnCredentials: true}, b.factory, nil)
	x := &drivertest.Bed{Machines: vm.New(b.factory, network, nil), Cluster: c, Ledger: &drivertest.Ledger{}, Host: b.anyHost(), Patience: patience, Hosts: hosts,
		Writes: func() int { return int(b.loses.changes.Load()) }, Lose: func() { b.loses.armed.Store(true) },
		Objects: func(_ *testing.T, kind, name string) int { return b.objects(kind, name, c.Tag()) }, Fill: func(*testing.T) { b.noServers() },
		Snatch: func(t *testing.T, id string) {
			b.must(b.compute().DeleteServer(t.Context(), id))
			b.server(id, "gone")
		},
		Stranger: func(t *testing.T) string {
			id, err := b.compute().CreateServer(t.Context(), b.host("stranger", b.lan()))
			b.must(err)
			b.gone(id)
			b.server(id, "ACTIVE")
			return id
		}}
	site := func() *drivers.Site { return &drivers.Site{Cluster: c, Ledger: x.Ledger, Memo: &drivers.Memo{}} }
	b.later("removing the network", func(ctx context.Context) error {
		for l := x.Ledger.All(); len(l) > 0; l = l[:len(l)-1] {
			b.step("removing "+l[len(l)-1].Kind, func() drivers.Result { return network.Remove(ctx, site(), l[len(l)-1]) })
		}
		return nil
	})
	b.step("the network", func() drivers.Result { return network.EnsureNetwork(t.Context(), site()) })
	b.step("the security groups", func() drivers.Result { return network.EnsureSecurityGroups(t.Context(), site()) })
	return x
}

// step is repeated until it is done.
func (b *bed) step(what string, do func() drivers.Result) {
	b.t.Helper()
	b.eventually(what, func() bool { return do().IsDone() })
}

// anyHost has a flavor and an image that fit.
func (b *bed) anyHost() drivers.Host {
	b.t.Helper()
	f, err := b.compute().Flavor(b.t.Context(), flavor)
	b.must(err)
	images, err := b.tenant.Image()
	b.must(err)
	return drivers.Host{FlavorID: f.ID, ImageID: only(images.Images(b.t.Context(), image))(b).ID}
}

// objects counts what is there, whether the driver would find it or not.
func (b *bed) objects(kind, name, tag string) int {
	b.t.Helper()
	ctx := context.Background() // also when the test is over
	n, err := 0, error(nil)
	switch kind {
	case drivers.KindServerGroup:
		var l []string
		l, err = b.compute().FindServerGroups(ctx, name)
		n = len(l)
	case drivers.KindPort:
		var l []cloud.Port
		l, err = b.network().FindPorts(ctx, name, tag)
		n = len(l)
	case drivers.KindServer:
		var l []cloud.Server
		l, err = b.compute().ServersNamed(ctx, name, tag)
		n = len(l)
	default:
		b.t.Fatalf("nobody counts %s", kind)
	}
	b.must(err)
	return n
}

// noServers leaves no room for another server in the project.
func (b *bed) noServers() {
	b.t.Helper()
	admin, err := openstack.NewComputeV2(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	none := 0
	_, err = quotasets.Update(b.t.Context(), admin, b.projectID, quotasets.UpdateOpts{Instances: &none, ServerGroups: &none}).Extract()
	b.must(err)
}
