package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/ports"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// metal is Ironic with nodes that are the test's own, of a resource class of their own.
type metal struct {
	*bed
	*cloud.Baremetal
	admin *gophercloud.ServiceClient
	class string
	ids   []string
}

// metal enrols nodes until they can be had, each in a rack, and takes them away in the end.
func (b *bed) metal(racks ...string) *metal {
	b.t.Helper()
	service, err := b.service.Baremetal(b.t.Context())
	b.must(err)
	admin, err := openstack.NewBareMetalV1(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	admin.Microversion = "1.82"
	m := &metal{bed: b, Baremetal: service, admin: admin, class: "contract-" + uuid.NewString()[:8]}
	for _, rack := range racks {
		m.enrol(rack)
	}
	for _, to := range []struct {
		target nodes.TargetProvisionState
		state  string
	}{{nodes.TargetManage, "manageable"}, {nodes.TargetProvide, "available"}} {
		for _, id := range m.ids {
			b.must(nodes.ChangeProvisionState(b.t.Context(), admin, id, nodes.ProvisionStateOpts{Target: to.target}).ExtractErr())
		}
		for _, id := range m.ids {
			m.await(id, to.state)
			m.powerKnown(id)
		}
	}
	return m
}

func (m *metal) enrol(rack string) {
	m.t.Helper()
	ctx := m.t.Context()
	n, err := nodes.Create(ctx, m.admin, nodes.CreateOpts{Driver: "fake-hardware", Name: m.class + "-" + fmt.Sprint(len(m.ids)), ResourceClass: m.class,
		Properties: map[string]any{"rack": rack, "cpu_arch": "x86_64"}}).Extract()
	m.must(err)
	m.later("deleting a node", func(ctx context.Context) error { return m.discard(ctx, n.UUID) })
	_, err = ports.Create(ctx, m.admin, ports.CreateOpts{NodeUUID: n.UUID, Address: card()}).Extract()
	m.must(err)
	m.ids = append(m.ids, n.UUID)
}

// powerKnown: hardware that only pretends has no power state until it was given one, and one without is not allocated.
func (m *metal) powerKnown(id string) {
	m.t.Helper()
	if m.node(id).PowerState != "" {
		return
	}
	m.must(nodes.ChangePowerState(m.t.Context(), m.admin, id, nodes.PowerStateOpts{Target: nodes.PowerOff}).ExtractErr())
	m.eventually("the power of node "+id+" to be known", func() bool {
		n := m.node(id)
		return n.PowerState != "" && n.TargetPowerState == "" && n.Reservation == ""
	})
}

// discard takes a node out of Ironic, whatever became of it: what is deleted in maintenance is not looked at.
func (m *metal) discard(ctx context.Context, id string) error {
	var err error
	m.eventually("node "+id+" to be left alone", func() bool {
		err = errors.Join(nodes.SetMaintenance(ctx, m.admin, id, nodes.MaintenanceOpts{Reason: "the test is over"}).ExtractErr(), nodes.Delete(ctx, m.admin, id).ExtractErr())
		return err == nil || !gophercloud.ResponseCodeIs(err, 409)
	})
	return err
}

func (m *metal) node(id string) cloud.BaremetalNode {
	m.t.Helper()
	n, err := m.Node(m.t.Context(), id)
	m.must(err)
	return n
}

// await waits until a node is in a state, and nobody is busy with it.
func (m *metal) await(id, state string) cloud.BaremetalNode {
	m.t.Helper()
	var n cloud.BaremetalNode
	m.eventually("node "+id+" to be "+state, func() bool {
		n = m.node(id)
		return n.State == state && n.Reservation == ""
	})
	return n
}

// allocated waits for what becomes of an allocation.
func (m *metal) allocated(name, state string) cloud.Allocation {
	m.t.Helper()
	var a cloud.Allocation
	m.eventually("allocation "+name+" to be "+state, func() bool {
		var err error
		a, err = m.Allocation(m.t.Context(), name)
		m.must(err)
		if a.State != "allocating" && a.State != state {
			m.t.Fatalf("allocation %s is in state %s: %s", name, a.State, a.LastError)
		}
		return a.State == state
	})
	return a
}

// unallocate takes an allocation away in the end, if it is there.
func (m *metal) unallocate(name string) {
	m.later("deleting an allocation", func(ctx context.Context) error {
		a, err := m.Allocation(ctx, name)
		if err != nil {
			return err
		}
		return m.DeleteAllocation(ctx, a.ID)
	})
}

func TestBaremetalNodes(t *testing.T) {
	b := newBed(t)
	ctx, m := t.Context(), b.metal("r1", "r2")
	l, err := m.Nodes(ctx, cloud.NodeFilter{ResourceClass: m.class, State: "available"})
	b.must(err)
	if len(l) != 2 || l[0].Properties["rack"] == l[1].Properties["rack"] || l[0].InstanceID != "" || l[0].NetworkInterface == "" || l[0].DeployInterface == "" || l[0].StateSince == "" {
		t.Fatalf("nodes: %+v", l)
	}
	first := l[0].ID
	none(m.Nodes(ctx, cloud.NodeFilter{ResourceClass: m.class, State: "active"}))(b)
	none(m.Nodes(ctx, cloud.NodeFilter{ResourceClass: m.class, Associated: true}))(b)
	b.must(m.ChangeNode(ctx, first, cloud.Change{Path: "/owner", Value: b.projectID}))
	if n := only(m.Nodes(ctx, cloud.NodeFilter{Pool: cloud.Pool{Owner: b.projectID}}))(b); n.ID != first {
		t.Errorf("by its owner: %+v", n)
	}
	b.want(m.ChangeNode(ctx, first, cloud.Change{Path: "/shard", Value: m.class}), cloud.IsForbidden, "an administrator of a project puts a node into a shard")
	none(m.Nodes(ctx, cloud.NodeFilter{ResourceClass: m.class, Pool: cloud.Pool{Shard: m.class}}))(b)
	if n, err := m.Node(ctx, l[0].Name); err != nil || n.ID != first || n.Owner != b.projectID {
		t.Errorf("by its name: %+v, %v", n, err)
	}
	_, err = m.Node(ctx, uuid.NewString())
	b.want(err, cloud.IsNotFound, "a node that is not there")
	b.lost(func() error {
		return m.ChangeNode(ctx, first, cloud.Change{Path: "/extra/jeroboam", Value: map[string]string{"cluster": "c1"}}, cloud.Change{Path: "/instance_info/display_name", Value: "host"})
	})
	if n := m.node(first); n.InstanceInfo["display_name"] != "host" || fmt.Sprint(n.Extra["jeroboam"]) != "map[cluster:c1]" {
		t.Errorf("after the change whose answer was lost: %+v", n)
	}
	b.must(m.ChangeNode(ctx, first, cloud.Change{Path: "/extra/jeroboam"}, cloud.Change{Path: "/lessee", Value: b.projectID}))
	if n := m.node(first); len(n.Extra) != 0 || n.Lessee != b.projectID {
		t.Errorf("without it: %+v", n)
	}
	b.want(m.ChangeNode(ctx, first, cloud.Change{Path: "/extra/jeroboam"}), cloud.IsInvalid, "removing what is not there")
	b.want(m.ChangeNode(ctx, first, cloud.Change{Path: "/provision_state", Value: "active"}), cloud.IsInvalid, "changing what is Ironic's")
	b.want(m.ChangeNode(ctx, first, cloud.Change{Path: "/name", Value: l[1].Name}), cloud.IsConflict, "the name of another")
	b.want(m.ChangeNode(ctx, first, cloud.Change{Path: "/retired", Value: true}), cloud.IsConflict, "retiring what is available")
	b.want(m.ChangeNode(ctx, uuid.NewString(), cloud.Change{Path: "/extra/a", Value: 1}), cloud.IsNotFound, "changing a node that is not there")
	if l, err := m.NICs(ctx, first); err != nil || len(l) != 1 || l[0].Address == "" || l[0].VIF() != "" || !l[0].PXE {
		t.Errorf("its cards: %+v, %v", l, err)
	}
	none(m.Bonds(ctx, first))(b)
	none(m.VIFs(ctx, first))(b)
}

func TestBaremetalAllocations(t *testing.T) {
	b := newBed(t)
	ctx, m := t.Context(), b.metal("r1", "r2")
	name := func(s string) string { return m.class + "-" + s }
	for _, s := range []string{"a", "b", "c", "traits", "class"} {
		m.unallocate(name(s))
	}
	b.lost(func() error {
		_, err := m.Allocate(ctx, cloud.AllocationSpec{Name: name("a"), ResourceClass: m.class, Candidates: []string{m.ids[1]}, Extra: map[string]any{"cluster": "c1"}})
		return err
	})
	a := m.allocated(name("a"), "active") // it is there, and found by its name
	if a.NodeID != m.ids[1] || a.Extra["cluster"] != "c1" {
		t.Errorf("the allocation: %+v", a)
	}
	if n := m.node(a.NodeID); n.InstanceID != a.ID || n.State != "available" {
		t.Errorf("its node: %+v", n)
	}
	if n := only(m.Nodes(ctx, cloud.NodeFilter{InstanceID: a.ID}))(b); n.ID != a.NodeID {
		t.Errorf("by its instance: %+v", n)
	}
	_, err := m.Allocate(ctx, cloud.AllocationSpec{Name: name("a"), ResourceClass: m.class})
	b.want(err, cloud.IsConflict, "the same name once more")
	refused := func(s cloud.AllocationSpec, words string) {
		t.Helper()
		_, err := m.Allocate(ctx, s)
		b.must(err)
		if a := m.allocated(s.Name, "error"); !strings.Contains(a.LastError, words) || a.NodeID != "" {
			t.Errorf("%+v has to say %q", a, words)
		}
	}
	refused(cloud.AllocationSpec{Name: name("b"), ResourceClass: m.class, Candidates: []string{m.ids[1]}}, "none of the requested nodes are available")
	_, err = m.Allocate(ctx, cloud.AllocationSpec{Name: name("b"), ResourceClass: m.class})
	b.want(err, cloud.IsConflict, "the name of one in error")
	refused(cloud.AllocationSpec{Name: name("traits"), ResourceClass: m.class, Traits: []string{"CUSTOM_NOBODY_HAS_IT"}}, "no suitable nodes have the requested traits")
	refused(cloud.AllocationSpec{Name: name("class"), ResourceClass: m.class + "-no"}, "no available nodes match the resource class")
	_, err = m.Allocate(ctx, cloud.AllocationSpec{Name: name("c"), ResourceClass: m.class, Candidates: []string{uuid.NewString()}})
	b.want(err, cloud.IsInvalid, "a candidate that is not there")
	all, err := m.Allocations(ctx, "")
	b.must(err)
	for _, s := range []string{"a", "b", "traits", "class"} {
		if !slices.ContainsFunc(all, func(a cloud.Allocation) bool { return a.Name == name(s) }) {
			t.Errorf("%s is not in the list", s)
		}
	}
	b.must(m.DeleteAllocation(ctx, a.ID))
	if n := m.node(a.NodeID); n.InstanceID != "" {
		t.Errorf("its node afterwards: %+v", n)
	}
	b.want(m.DeleteAllocation(ctx, a.ID), cloud.IsNotFound, "deleting it twice")
	_, err = m.Allocation(ctx, name("a"))
	b.want(err, cloud.IsNotFound, "an allocation that is gone")
	_, err = m.Allocate(ctx, cloud.AllocationSpec{Name: name("c"), ResourceClass: m.class, Owner: b.projectID})
	b.must(err)
	m.allocated(name("c"), "error") // none of the nodes is the owner's
}

func TestBaremetalInstance(t *testing.T) {
	b := newBed(t)
	ctx, m, l := t.Context(), b.metal("r1"), b.lan()
	id, name := m.ids[0], m.class+"-host"
	m.unallocate(name)
	_, err := m.Allocate(ctx, cloud.AllocationSpec{Name: name, ResourceClass: m.class})
	b.must(err)
	a := m.allocated(name, "active")
	b.must(m.ChangeNode(ctx, id, cloud.Change{Path: "/instance_info/image_source", Value: b.anyHost().ImageID}, cloud.Change{Path: "/instance_info/display_name", Value: name},
		cloud.Change{Path: "/lessee", Value: b.projectID}))
	port, err := b.network().CreateBaremetalPort(ctx, name, mark, l.network, l.subnet, nil)
	b.must(err)
	b.later("deleting a port", func(ctx context.Context) error { return b.network().DeletePort(ctx, port.ID) })
	address := only(m.NICs(ctx, id))(b).Address

	b.lost(func() error { return m.AttachVIF(ctx, id, port.ID, "", "") })
	if got := only(m.VIFs(ctx, id))(b); got != port.ID {
		t.Errorf("attached: %s", got)
	}
	b.want(m.AttachVIF(ctx, id, port.ID, "", ""), cloud.IsConflict, "attaching it twice")
	second, err := b.network().CreateBaremetalPort(ctx, name, mark, l.network, l.subnet, nil)
	b.must(err)
	b.later("deleting a port", func(ctx context.Context) error { return b.network().DeletePort(ctx, second.ID) })
	b.want(m.AttachVIF(ctx, id, second.ID, "", ""), cloud.IsInvalid, "attaching more ports than the node has cards")
	if p, err := b.network().Port(ctx, port.ID); err != nil || p.MAC != address {
		t.Errorf("the port of the card %s: %+v, %v", address, p, err)
	}
	if bad, err := m.Validate(ctx, id); err != nil || len(bad) != 0 {
		t.Errorf("validation: %v, %v", bad, err)
	}

	drive := cloud.ConfigDrive{MetaData: map[string]any{"hostname": name}, UserData: "#cloud-config\n{}\n", NetworkData: map[string]any{"links": []any{}, "networks": []any{}, "services": []any{}}}
	b.lost(func() error { return m.Deploy(ctx, id, drive) })
	b.want(m.ChangeNode(ctx, id, cloud.Change{Path: "/extra/a", Value: 1}), cloud.IsConflict, "changing what is being deployed")
	m.await(id, "active")
	n := only(m.Nodes(ctx, cloud.NodeFilter{ResourceClass: m.class, Associated: true}))(b)
	if n.State != "active" || n.TargetState != "" || n.InstanceID != a.ID || n.LastError != "" || n.Lessee != b.projectID {
		t.Errorf("deployed: %+v", n)
	}
	b.want(m.Deploy(ctx, id, drive), cloud.IsInvalid, "deploying it twice")
	b.want(m.DeleteAllocation(ctx, a.ID), cloud.IsConflict, "deleting the allocation of a host")
	for _, hard := range []bool{false, true} {
		b.must(m.Reboot(ctx, id, hard))
		b.eventually("the node to be rebooted", func() bool {
			n := m.node(id)
			return n.PowerState == "power on" && n.TargetPowerState == "" && n.Reservation == ""
		})
	}
	b.must(m.ChangeNode(ctx, id, cloud.Change{Path: "/instance_info/display_name", Value: "again"}))
	b.must(m.Rebuild(ctx, id, drive))
	m.await(id, "active")
	if got := only(m.VIFs(ctx, id))(b); got != port.ID {
		t.Errorf("attached after the rebuild: %s", got)
	}

	// a node that is retired does not come back by itself; where it is not cleaned nobody looks at that
	b.must(m.ChangeNode(ctx, id, cloud.Change{Path: "/retired", Value: true}, cloud.Change{Path: "/automated_clean", Value: true}))
	b.lost(func() error { return m.Undeploy(ctx, id) })
	b.want(m.Undeploy(ctx, id), cloud.IsConflict, "undeploying it twice")
	n = m.await(id, "manageable")
	if n.InstanceID != "" || len(n.InstanceInfo) != 0 || !n.Retired {
		t.Errorf("afterwards: %+v", n)
	}
	_, err = m.Allocation(ctx, name)
	b.want(err, cloud.IsNotFound, "its allocation")
	none(m.VIFs(ctx, id))(b)
	if p, err := b.network().Port(ctx, port.ID); err != nil || p.MAC == address {
		t.Errorf("the port afterwards: %+v, %v", p, err)
	}
	b.want(m.Undeploy(ctx, id), cloud.IsInvalid, "undeploying what is not deployed")
	b.want(m.Undeploy(ctx, uuid.NewString()), cloud.IsNotFound, "undeploying a node that is not there")
}

func TestBaremetalTenant(t *testing.T) {
	b := newBed(t)
	ctx, m := t.Context(), b.metal("r1")
	tenant, err := b.tenant.Baremetal(ctx)
	b.must(err)
	none(tenant.Nodes(ctx, cloud.NodeFilter{}))(b)
	_, err = tenant.Node(ctx, m.ids[0])
	b.want(err, cloud.IsNotFound, "a node of nobody's")
	m.unallocate(m.class)
	a, err := tenant.Allocate(ctx, cloud.AllocationSpec{Name: m.class, ResourceClass: m.class})
	b.must(err)
	if m.allocated(m.class, "error"); a.Owner != b.projectID {
		t.Errorf("a member gets what is his own project's: %+v", a)
	}
	if got := only(tenant.Allocations(ctx, ""))(b); got.ID != a.ID {
		t.Errorf("a member sees %+v", got)
	}
	m.unallocate(m.class + "-others")
	a, err = tenant.Allocate(ctx, cloud.AllocationSpec{Name: m.class + "-others", ResourceClass: m.class, Owner: m.class})
	b.must(err) // so the legacy policies want it
	if a.Owner != m.class {
		t.Errorf("a member asks for another's: %+v", a)
	}
	b.must(m.ChangeNode(ctx, m.ids[0], cloud.Change{Path: "/lessee", Value: b.projectID}))
	if n := only(tenant.Nodes(ctx, cloud.NodeFilter{}))(b); n.ID != m.ids[0] {
		t.Errorf("a lessee sees %+v", n)
	}
	b.want(tenant.Undeploy(ctx, m.ids[0]), cloud.IsForbidden, "a lessee undeploys")
	b.want(tenant.ChangeNode(ctx, m.ids[0], cloud.Change{Path: "/lessee"}), cloud.IsForbidden, "a lessee changes who that is")
}
