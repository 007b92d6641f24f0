package openstack

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// metal is Ironic for an administrator.
type metal struct {
	t testing.TB
	c *gophercloud.ServiceClient
}

func newMetal(t testing.TB) metal {
	t.Helper()
	c, err := openstack.NewBareMetalV1(testenv.KeystoneAdmin(t), gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatal(err)
	}
	c.Microversion = "1.78"
	return metal{t, c}
}

// nodes of the class that the flavour bm.general asks for.
func (m metal) nodes() []nodes.Node {
	m.t.Helper()
	return list(m.t, nodes.ListDetail(m.c, nodes.ListOpts{ResourceClass: "baremetal"}), nodes.ExtractNodes)
}

// of a project: those that it leases, by id.
func (m metal) of(projectID string) map[string]nodes.Node {
	m.t.Helper()
	out := map[string]nodes.Node{}
	for _, n := range m.nodes() {
		if n.Lessee == projectID {
			out[n.UUID] = n
		}
	}
	return out
}

// free tells how many can be had.
func (m metal) free() int {
	m.t.Helper()
	return len(slices.DeleteFunc(m.nodes(), func(n nodes.Node) bool {
		return n.ProvisionState != string(nodes.Available) || n.InstanceUUID != "" || n.Lessee != "" || n.Maintenance
	}))
}

// anotherImage is one with the same Kubernetes in it.
func anotherImage(t *testing.T) string {
	t.Helper()
	glance, err := openstack.NewImageV2(testenv.KeystoneAdmin(t), gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatal(err)
	}
	public := images.ImageVisibilityPublic
	x, err := images.Create(t.Context(), glance, images.CreateOpts{Name: "another-" + uuid.NewString()[:8], ContainerFormat: "bare", DiskFormat: "raw", Visibility: &public,
		Properties: map[string]string{"os_distro": "ubuntu", "kube_version": rig.Version, "architecture": "x86_64"}}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := images.Delete(context.Background(), glance, x.ID).ExtractErr(); err != nil {
			t.Errorf("deleting an image: %v", err)
		}
	})
	if err := imagedata.Upload(t.Context(), glance, x.ID, bytes.NewReader([]byte("nothing boots here\n"))).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	return x.ID
}

// upgrade brings a cluster to another image, and insists on its machines being those of before, made anew.
func upgrade(t *testing.T, x *stack.Tenant, m metal, cluster string, more map[string]any) {
	t.Helper()
	since, before, image := time.Now(), m.of(x.ProjectID), anotherImage(t)
	template(t, x, body(map[string]any{"name": "other", "image_id": image}, more))
	x.Want(t, 202, "POST", "/v1/clusters/"+cluster+"/actions/upgrade", map[string]any{"cluster_template": "other", "max_batch_size": 2})
	x.Settled(t, cluster, "UPDATE_COMPLETE", patience)
	took(t, "an upgrade of machines where they are", since)
	after := m.of(x.ProjectID)
	for id, n := range before {
		if after[id].InstanceUUID != n.InstanceUUID || after[id].InstanceInfo["image_source"] != image || after[id].ProvisionUpdatedAt.Equal(n.ProvisionUpdatedAt) {
			t.Errorf("node %s: instance %s, before %s; image %v; it changed at %s, before at %s", n.Name, after[id].InstanceUUID, n.InstanceUUID,
				after[id].InstanceInfo["image_source"], after[id].ProvisionUpdatedAt, n.ProvisionUpdatedAt)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d machines, before the upgrade %d", len(after), len(before))
	}
}

// TestMixed is the life of a cluster of servers and machines: three control planes and two workers on Nova, two workers on
// Ironic's nodes, in one network.
func TestMixed(t *testing.T) {
	testenv.Require(t, testenv.OpenStack)
	s := stack.Start(t, stack.Options{Real: true, Conductors: 1, Sections: []string{"[kubernetes]\nhealth_polling_interval = 5", "[periodic]\nheal_after = 5"}})
	x, c, m := s.One, administrator(t, s), newMetal(t)
	boot(t)
	all := m.free()
	if all < 3 {
		t.Fatalf("%d nodes can be had, 3 are needed", all)
	}
	labels := map[string]any{"auto_healing_enabled": "true"}
	template(t, x, map[string]any{"labels": labels})
	id := create(t, x, "mix", map[string]any{"master_count": 3, "node_count": 2})

	since := time.Now()
	x.Want(t, 202, "POST", "/v1/clusters/mix/nodegroups", map[string]any{"name": "metal", "node_count": 2, "flavor_id": "bm.general", "merge_labels": true, "labels": map[string]any{"server_type": "bm"}})
	x.Settled(t, "mix", "UPDATE_COMPLETE", patience)
	took(t, "two machines", since)
	mine := m.of(x.ProjectID)
	racks := map[any]bool{}
	for _, n := range mine {
		racks[n.Properties["rack"]] = true
		if n.ProvisionState != string(nodes.Active) {
			t.Errorf("node %s is %s", n.Name, n.ProvisionState)
		}
	}
	if len(mine) != 2 || len(racks) != 2 {
		t.Errorf("%d nodes in racks %v", len(mine), racks)
	}

	for _, size := range []int{3, 2} {
		since = time.Now()
		x.Want(t, 202, "POST", "/v1/clusters/mix/actions/resize", map[string]any{"node_count": size, "nodegroup": "metal"})
		x.Settled(t, "mix", "UPDATE_COMPLETE", patience)
		took(t, fmt.Sprintf("a resize to %d machines", size), since)
		if n := len(m.of(x.ProjectID)); n != size {
			t.Errorf("%d nodes after a resize to %d", n, size)
		}
	}
	heal(t, x, m)

	removeAll(t, s, c, m, id, all)
}

// ready counts the nodes of a cluster that are.
func ready(t *testing.T, x *stack.Tenant, cluster string) int {
	t.Helper()
	count := 0
	for _, n := range x.Want(t, 200, "GET", "/v1/clusters/"+cluster+"/nodes", nil).JSON(t)["nodes"].([]any) {
		if n.(map[string]any)["ready"] == true {
			count++
		}
	}
	return count
}

// TestMixedUpgrade of a cluster of servers and machines: others take the servers' places, and the machines are made anew.
func TestMixedUpgrade(t *testing.T) {
	testenv.Require(t, testenv.OpenStack)
	s := stack.Start(t, stack.Options{Real: true, Conductors: 1})
	x, c, m := s.One, administrator(t, s), newMetal(t)
	boot(t)
	all := m.free()
	template(t, x, nil)
	id := create(t, x, "mix", map[string]any{"master_count": 1, "node_count": 1})
	x.Want(t, 202, "POST", "/v1/clusters/mix/nodegroups", map[string]any{"name": "metal", "node_count": 2, "flavor_id": "bm.general", "merge_labels": true, "labels": map[string]any{"server_type": "bm"}})
	x.Settled(t, "mix", "UPDATE_COMPLETE", patience)
	upgrade(t, x, m, "mix", nil)
	if n := ready(t, x, "mix"); n != 4 {
		t.Errorf("%d nodes are ready, want 4", n)
	}

	removeAll(t, s, c, m, id, all)
}

// TestMetalControlPlane is the life of a cluster whose three control planes are machines, and its worker a server: an upgrade
// makes each of them anew where it is, and none leaves etcd without a quorum.
func TestMetalControlPlane(t *testing.T) {
	testenv.Require(t, testenv.OpenStack)
	s := stack.Start(t, stack.Options{Real: true, Conductors: 1})
	x, c, m := s.One, administrator(t, s), newMetal(t)
	boot(t)
	all := m.free()
	masters := map[string]any{"labels": map[string]any{"master_server_type": "bm"}, "master_flavor_id": "bm.general"}
	template(t, x, masters)
	id := create(t, x, "metal", map[string]any{"master_count": 3, "node_count": 1})
	if n := len(m.of(x.ProjectID)); n != 3 {
		t.Errorf("%d machines are the project's, want 3", n)
	}
	upgrade(t, x, m, "metal", masters)
	if n := ready(t, x, "metal"); n != 4 {
		t.Errorf("%d nodes are ready, want 4", n)
	}

	removeAll(t, s, c, m, id, all)
}

// removeAll deletes the cluster: nothing of it is left, and as many nodes are available as before it.
func removeAll(t *testing.T, s *stack.Stack, c *cloud, m metal, id string, free int) {
	t.Helper()
	remove(t, s.One, id)
	left := c.of(s.One.ProjectID, s.DomainID)
	c.parts(left, s.One.ProjectID)
	nothingLeft(t, left)
	testenv.Eventually(t, patience, "all nodes to be available again", func() bool { return m.free() >= free })
}

// heal takes the power from a machine, and waits until it serves again.
func heal(t *testing.T, x *stack.Tenant, m metal) {
	t.Helper()
	since := time.Now()
	var victim nodes.Node
	for _, victim = range m.of(x.ProjectID) {
		break
	}
	if err := nodes.ChangePowerState(t.Context(), m.c, victim.UUID, nodes.PowerStateOpts{Target: nodes.PowerOff}).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "the healing of a machine", func() bool {
		a := x.Want(t, 200, "GET", "/v1/clusters/mix/operations", nil).JSON(t)["operations"].([]any)
		return slices.ContainsFunc(a, func(o any) bool {
			op := o.(map[string]any)
			return op["kind"] == "nodegroup.heal" && op["status"] == db.OpComplete
		})
	})
	x.Settled(t, "mix", "UPDATE_COMPLETE", patience)
	took(t, "healing a machine that had lost its power", since)
	if n := m.of(x.ProjectID)[victim.UUID]; n.InstanceUUID != victim.InstanceUUID || n.PowerState != string(nodes.PowerOn) {
		t.Errorf("node %s has instance %s, had %s, and is %s", n.Name, n.InstanceUUID, victim.InstanceUUID, n.PowerState)
	}
}
