package contract

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/quotasets"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/drivertest"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
	baremetal "github.com/jeroboam-cloud/jeroboam/drivers/ironic"
	"github.com/jeroboam-cloud/jeroboam/drivers/vm"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestVirtualMachines is the driver as a whole.
func TestVirtualMachines(t *testing.T) { drivertest.Machines(t, newCluster) }

// TestBaremetalMachines is the driver as a whole.
func TestBaremetalMachines(t *testing.T) { drivertest.Machines(t, newBaremetalCluster) }

const nothing = "00000000-0000-4000-8000-000000000000"

// newCluster makes network and security groups of a cluster of servers, on its tenant's behalf.
func newCluster(t *testing.T) *drivertest.Bed {
	b := newBed(t)
	x, network := b.cluster(t, "soft-anti-affinity")
	x.Machines, x.Kind, x.Host, x.Hosts = vm.New(b.factory, network, nil), drivers.KindServer, b.anyHost(), hosts
	x.Fill = func(*testing.T) { b.noServers() }
	x.Spoil = map[string]func(*drivers.Host){
		"flavor": func(h *drivers.Host) { h.FlavorID = nothing }, "image": func(h *drivers.Host) { h.ImageID = nothing }, "zone": func(h *drivers.Host) { h.AvailabilityZone = "nowhere" },
	}
	x.Snatch = func(t *testing.T, id string) {
		b.must(b.compute().DeleteServer(t.Context(), id))
		b.server(id, "gone")
	}
	x.Stranger = func(t *testing.T) string {
		id, err := b.compute().CreateServer(t.Context(), b.host("stranger", b.lan()))
		b.must(err)
		b.gone(id)
		b.server(id, "ACTIVE")
		return id
	}
	return x
}

// newBaremetalCluster is one of Ironic's nodes. The service acts on them, the tenant on everything else.
func newBaremetalCluster(t *testing.T) *drivertest.Bed {
	_, x, _ := newBaremetalBed(t)
	return x
}

func newBaremetalBed(t *testing.T) (*bed, *drivertest.Bed, *metal) {
	t.Helper()
	b := newBed(t)
	x, network := b.cluster(t, "")
	adminPassword := "secret"
	if b.real {
		adminPassword = testenv.Require(t, testenv.KeystoneAdminPassword)
	}
	service, m := b.newFactory("admin", adminPassword, "admin"), b.metal("r1", "r2", "r2")
	x.Machines, x.Kind, x.Credential = baremetal.New(baremetal.Config{RackProperty: "rack", AvoidFor: time.Hour}, service, network, nil), drivers.KindAllocation, b.user
	x.Host = b.anyHost()
	x.Host.FlavorID, x.Host.ResourceClass, x.Hosts = "", cloud.PlacementClass(m.class), len(m.ids)
	x.Spoil = map[string]func(*drivers.Host){"image": func(h *drivers.Host) { h.ImageID = nothing }}
	x.Snatch = func(t *testing.T, id string) {
		nodes, err := m.Nodes(t.Context(), cloud.NodeFilter{InstanceID: id})
		b.must(m.Undeploy(t.Context(), only(nodes, err)(b).ID))
		b.eventually("the host to be gone", func() bool { _, err := m.Allocation(t.Context(), id); return cloud.IsNotFound(err) })
	}
	x.Stranger = func(t *testing.T) string {
		a, err := m.Allocate(t.Context(), cloud.AllocationSpec{Name: "stranger-" + x.Cluster.UUID, ResourceClass: m.class})
		b.must(err)
		b.later("giving the stranger's node back", func(ctx context.Context) error { return m.DeleteAllocation(ctx, a.ID) })
		b.eventually("the stranger to have a node", func() bool {
			a, err := m.Allocation(t.Context(), a.ID)
			return err == nil && a.State == "active"
		})
		return a.ID
	}
	objects := x.Objects
	x.Objects = func(t *testing.T, kind, name string) int {
		if kind != drivers.KindAllocation {
			return objects(t, kind, name)
		}
		l, err := m.Allocations(context.Background(), "")
		b.must(err)
		return len(slices.DeleteFunc(l, func(a cloud.Allocation) bool { return a.Name != name }))
	}
	b.t.Cleanup(func() {
		b.eventually("all nodes to be available again", func() bool {
			l, err := m.Nodes(context.Background(), cloud.NodeFilter{ResourceClass: m.class})
			return err == nil && !slices.ContainsFunc(l, func(n cloud.BaremetalNode) bool { return n.Unusable(time.Now()) != "" })
		})
	})
	return b, x, m
}

// cluster makes network and security groups. What makes hosts there, the caller fills in.
func (b *bed) cluster(t *testing.T, affinity string) (*drivertest.Bed, drivers.Infrastructure) {
	t.Helper()
	id := uuid.NewString()
	c := drivers.Cluster{UUID: id, Name: "cluster", Prefix: "cluster-" + id[:8], ProjectID: b.projectID, ExternalNetworkID: only(b.network().Networks(t.Context(), external))(b).ID,
		SubnetCIDR: "10.0.0.0/24", APIPort: 6443, PodCIDR: "10.100.0.0/16", ServerGroupPolicy: affinity}
	network := infra.New(infra.Config{OwnCredentials: true}, b.factory, nil)
	x := &drivertest.Bed{Cluster: c, Ledger: &drivertest.Ledger{}, Patience: patience,
		Writes: func() int { return int(b.loses.changes.Load()) }, Lose: func() { b.loses.armed.Store(true) },
		Objects: func(_ *testing.T, kind, name string) int { return b.objects(kind, name, c.Tag()) }}
	site := func() *drivers.Site { return &drivers.Site{Cluster: c, Ledger: x.Ledger, Memo: &drivers.Memo{}} }
	b.later("removing the network", func(ctx context.Context) error {
		for l := x.Ledger.All(); len(l) > 0; l = l[:len(l)-1] {
			b.step("removing "+l[len(l)-1].Kind, func() drivers.Result { return network.Remove(ctx, site(), l[len(l)-1]) })
		}
		return nil
	})
	b.step("the network", func() drivers.Result { return network.EnsureNetwork(t.Context(), site()) })
	b.step("the security groups", func() drivers.Result { return network.EnsureSecurityGroups(t.Context(), site()) })
	return x, network
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
