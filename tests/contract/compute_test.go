package contract

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

const clusterTag = "jeroboam-cluster=00000000-0000-0000-0000-000000000001"

func (b *bed) compute() *cloud.Compute {
	b.t.Helper()
	n, err := b.tenant.Compute()
	b.must(err)
	return n
}

// host is what a server of a cluster is asked for with.
func (b *bed) host(name string, l lan) cloud.ServerSpec {
	b.t.Helper()
	ctx, n := b.t.Context(), b.network()
	p, err := n.CreatePort(ctx, name, mark, l.network, l.subnet, nil)
	b.must(err)
	b.later("deleting a port", func(ctx context.Context) error { return n.DeletePort(ctx, p.ID) })
	h := b.anyHost()
	return cloud.ServerSpec{Name: name, FlavorID: h.FlavorID, ImageID: h.ImageID, PortID: p.ID, UserData: []byte("#cloud-config\n{}\n"),
		Tags: []string{clusterTag}, Metadata: map[string]string{"jeroboam-cluster": "1"}}
}

// gone deletes a server, if it is there, and waits for the end of it.
func (b *bed) gone(id string) {
	b.later("deleting a server", func(ctx context.Context) error { return b.compute().DeleteServer(ctx, id) })
}

func (b *bed) server(id, status string) cloud.Server {
	b.t.Helper()
	var s cloud.Server
	b.eventually("server "+id+" to be "+status, func() bool {
		var err error
		s, err = b.compute().Server(b.t.Context(), id)
		if status == "gone" && cloud.IsNotFound(err) {
			return true
		}
		b.must(err)
		if s.Status == "ERROR" && status == "ACTIVE" {
			b.t.Fatalf("the server is in error: %s", s.Fault)
		}
		return s.Status == status
	})
	return s
}

func TestComputeOffers(t *testing.T) {
	b := newBed(t)
	ctx, n := t.Context(), b.compute()
	f, err := n.Flavor(ctx, flavor)
	b.must(err)
	if f == nil || f.Name != flavor || f.VCPUs != 2 || f.RAM != 2048 || f.Disk != 20 {
		t.Errorf("the flavor: %+v", f)
	}
	if by, err := n.Flavor(ctx, f.ID); err != nil || by == nil || !reflect.DeepEqual(by, f) {
		t.Errorf("by its id: %+v, %v", by, err)
	}
	if all, err := n.Flavors(ctx); err != nil || !slices.ContainsFunc(all, func(x cloud.Flavor) bool { return reflect.DeepEqual(x, *f) }) {
		t.Errorf("all flavors: %+v, %v", all, err)
	}
	if no, err := n.Flavor(ctx, "no such flavor"); err != nil || no != nil {
		t.Errorf("a flavor that is not there: %+v, %v", no, err)
	}
	if zones, err := n.AvailabilityZones(ctx); err != nil || !slices.Contains(zones, "nova") {
		t.Errorf("zones: %v, %v", zones, err)
	}
	own, err := openstack.NewComputeV2(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	name := "key-" + uuid.NewString()
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtQPLsL2TYjcqVvdyjhyJHCnnXcMBpNvCGGzbC3Eyyx someone"
	_, err = keypairs.Create(ctx, own, keypairs.CreateOpts{Name: name, PublicKey: key}).Extract()
	b.must(err)
	b.later("deleting the key", func(ctx context.Context) error { return keypairs.Delete(ctx, own, name, nil).ExtractErr() })
	admin, err := b.service.Compute()
	b.must(err)
	if got, err := admin.PublicKey(ctx, name); err != nil || strings.TrimSpace(got) != key {
		t.Errorf("the key: %q, %v", got, err)
	}
	_, err = n.PublicKey(ctx, name)
	b.want(err, cloud.IsNotFound, "a key of somebody else")
}

func TestServerGroups(t *testing.T) {
	b := newBed(t)
	ctx, n := t.Context(), b.compute()
	none(n.FindServerGroups(ctx, "masters"))(b)
	b.lost(func() error { _, err := n.CreateServerGroup(ctx, "masters", "soft-anti-affinity"); return err })
	id := only(n.FindServerGroups(ctx, "masters"))(b)
	b.later("deleting the group", func(ctx context.Context) error { return n.DeleteServerGroup(ctx, id) })
	if name, err := n.ServerGroupName(ctx, id); err != nil || name != "masters" {
		t.Errorf("name %q, %v", name, err)
	}
	_, err := n.CreateServerGroup(ctx, "x", "no such policy")
	b.want(err, cloud.IsInvalid, "a policy that is none")
	none(newBedBeside(t, b).compute().FindServerGroups(ctx, "masters"))(b)

	all, err := b.service.ForProject(b.projectID).Compute() // the service, where the project's user is gone
	b.must(err)
	if found := only(all.FindServerGroups(ctx, "masters"))(b); found != id {
		t.Errorf("the service found %s", found)
	}
	b.must(all.DeleteServerGroup(ctx, id))
	b.want(n.DeleteServerGroup(ctx, id), cloud.IsNotFound, "deleting a group twice")
	_, err = n.ServerGroupName(ctx, id)
	b.want(err, cloud.IsNotFound, "reading a group that is gone")
}

func TestServers(t *testing.T) {
	b := newBed(t)
	ctx, n, l := t.Context(), b.compute(), b.lan()
	group, err := n.CreateServerGroup(ctx, "workers", "soft-anti-affinity")
	b.must(err)
	b.later("deleting the group", func(ctx context.Context) error { return n.DeleteServerGroup(ctx, group) })
	spec := b.host("cluster-w-0", l)
	spec.ServerGroupID = group
	id, err := n.CreateServer(ctx, spec)
	b.must(err)
	b.gone(id)
	s := b.server(id, "ACTIVE")
	port, err := b.network().Port(ctx, spec.PortID)
	b.must(err)
	if s.Name != spec.Name || !slices.Equal(s.Tags, spec.Tags) || !slices.Equal(s.Addresses, []string{port.Address}) || s.Fault != "" {
		t.Errorf("the server: %+v, its port: %+v", s, port)
	}
	if port.DeviceID != id {
		t.Errorf("the port belongs to %q", port.DeviceID)
	}
	b.eventually("the port to be ACTIVE", func() bool {
		p, err := b.network().Port(ctx, spec.PortID)
		return err == nil && p.Status == "ACTIVE"
	})

	for _, hard := range []bool{false, true, true} { // also while it is being rebooted
		b.must(n.RebootServer(ctx, id, hard))
		if hard {
			continue
		}
		b.server(id, "ACTIVE")
	}
	b.server(id, "ACTIVE")

	second := spec
	second.Name = "cluster-w-0b"
	_, err = n.CreateServer(ctx, second)
	b.want(err, func(err error) bool { return cloud.IsConflict(err) || cloud.IsInvalid(err) }, "a second server on one port")
	for what, broken := range map[string]func(*cloud.ServerSpec){
		"no such flavor": func(s *cloud.ServerSpec) { s.FlavorID = uuid.NewString() }, "no such image": func(s *cloud.ServerSpec) { s.ImageID = uuid.NewString() },
		"no such zone": func(s *cloud.ServerSpec) { s.AvailabilityZone = "nowhere" }, "no such group": func(s *cloud.ServerSpec) { s.ServerGroupID = uuid.NewString() }} {
		x := b.host("broken", l)
		broken(&x)
		_, err := n.CreateServer(ctx, x)
		b.want(err, cloud.IsInvalid, what)
	}

	lost := b.host("cluster-w-1", l)
	b.lost(func() error { _, err := n.CreateServer(ctx, lost); return err })
	adopted := only(n.ServersNamed(ctx, "cluster-w-1", clusterTag))(b)
	b.gone(adopted.ID)
	none(n.ServersNamed(ctx, "cluster-w-", clusterTag))(b) // a name is matched as a whole
	none(n.ServersNamed(ctx, "cluster-w-1", "jeroboam-cluster=other"))(b)
	none(n.Servers(ctx, "jeroboam-cluster=other"))(b)
	both, err := n.Servers(ctx, clusterTag)
	b.must(err)
	ids := []string{id, adopted.ID}
	if len(both) != 2 || !slices.Contains(ids, both[0].ID) || !slices.Contains(ids, both[1].ID) || both[0].ID == both[1].ID {
		t.Errorf("servers of the cluster: %+v", both)
	}
	all, err := b.service.ForProject(b.projectID).Compute()
	b.must(err)
	if l, err := all.Servers(ctx, clusterTag); err != nil || len(l) != 2 {
		t.Errorf("the service sees %v, %v", l, err)
	}
	beside := newBedBeside(t, b)
	none(beside.compute().Servers(ctx, clusterTag))(beside)
	b.want(beside.compute().DeleteServer(ctx, id), cloud.IsNotFound, "deleting another's server")

	b.must(n.DeleteServer(ctx, adopted.ID)) // while it is built, maybe
	b.must(n.ForceDeleteServer(ctx, id))
	if err := n.DeleteServer(ctx, id); err != nil && !cloud.IsNotFound(err) && !cloud.IsConflict(err) {
		t.Errorf("deleting a server twice: %v", err)
	}
	b.server(id, "gone")
	b.server(adopted.ID, "gone")
	b.want(n.DeleteServer(ctx, id), cloud.IsNotFound, "deleting a server that is gone")
	if p, err := b.network().Port(ctx, spec.PortID); err != nil || p.DeviceID != "" { // it was ours, so it stays
		t.Errorf("its port: %+v, %v", p, err)
	}
}

func TestServersFromVolumes(t *testing.T) {
	b := newBed(t)
	ctx, n, l := t.Context(), b.compute(), b.lan()
	volumes, err := b.tenant.Volume()
	b.must(err)
	used := func() int {
		q, err := volumes.Quotas(ctx, b.projectID)
		b.must(err)
		return q["volumes"].Used
	}
	spec := b.host("cluster-w-0", l)
	spec.BootVolumeSize, spec.DataVolumeSize, spec.DataVolumeType = 20, 5, "ssd"
	if types, err := volumes.Types(ctx); err != nil || !slices.Contains(types, "ssd") {
		spec.DataVolumeType = only(types, err)(b)
	}
	id, err := n.CreateServer(ctx, spec)
	b.must(err)
	b.gone(id)
	b.server(id, "ACTIVE")
	if got := used(); got != 2 {
		t.Errorf("%d volumes", got)
	}
	b.must(n.DeleteServer(ctx, id))
	b.server(id, "gone")
	b.eventually("the volumes to go with the server", func() bool { return used() == 0 })

	b.volumeQuota(1, 1000)
	spec = b.host("cluster-w-1", l)
	spec.BootVolumeSize, spec.DataVolumeSize = 20, 5
	id, err = n.CreateServer(ctx, spec)
	b.must(err) // Nova finds out when it builds
	b.gone(id)
	if s := b.server(id, "ERROR"); !strings.Contains(strings.ToLower(s.Fault), "quota") {
		t.Errorf("a volume too many: %q", s.Fault)
	}
	b.must(n.DeleteServer(ctx, id))
	b.server(id, "gone")
	b.eventually("what was made before to go with the server", func() bool { return used() == 0 })
}

func TestComputeQuota(t *testing.T) {
	b := newBed(t)
	ctx, n, l := t.Context(), b.compute(), b.lan()
	b.noServers()
	_, err := n.CreateServer(ctx, b.host("one", l))
	b.want(err, cloud.IsQuota, "a server too many")
	if cloud.IsForbidden(err) {
		t.Error("an exceeded quota is told as a missing right")
	}
	_, err = n.CreateServerGroup(ctx, "one", "anti-affinity")
	b.want(err, cloud.IsQuota, "a server group too many")
	q, err := n.Quotas(ctx, b.projectID)
	b.must(err)
	if q["instances"].Left() != 0 || q["server_groups"].Left() != 0 || q["cores"].Limit == 0 || q["ram"].Limit == 0 {
		t.Errorf("quotas: %+v", q)
	}
}
