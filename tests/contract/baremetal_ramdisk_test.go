package contract

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/drivertest"
	baremetal "github.com/jeroboam-cloud/jeroboam/drivers/ironic"
)

// virtualMedia is a boot interface that boots ramdisks. On hardware that only pretends it is as good as any as long as nobody
// deploys: there is no BMC.
const virtualMedia = "redfish-virtual-media"

// set changes what only an operator changes. Ironic takes other interfaces for a node that is somebody's in maintenance alone.
func (m *metal) set(id string, changes ...cloud.Change) {
	m.t.Helper()
	ctx := m.t.Context()
	deployed := m.node(id).State == "active"
	if deployed {
		m.must(nodes.SetMaintenance(ctx, m.admin, id, nodes.MaintenanceOpts{Reason: "the test changes it"}).ExtractErr())
	}
	m.must(m.ChangeNode(ctx, id, changes...))
	if deployed {
		m.must(nodes.UnsetMaintenance(ctx, m.admin, id).ExtractErr())
	}
}

// bootParts makes a node boot a kernel and a ramdisk. Cleaning would want images of the operator's for that.
func (m *metal) bootParts(id string) {
	m.t.Helper()
	m.set(id, cloud.Change{Path: "/deploy_interface", Value: cloud.RamdiskDeploy}, cloud.Change{Path: "/boot_interface", Value: virtualMedia}, cloud.Change{Path: "/automated_clean", Value: false})
}

// bootAny undoes that.
func (m *metal) bootAny(id string) {
	m.t.Helper()
	m.set(id, cloud.Change{Path: "/deploy_interface", Value: "fake"}, cloud.Change{Path: "/boot_interface", Value: "fake"})
}

// TestBaremetalParts: a node whose deploy interface is ramdisk wants a kernel and a ramdisk by themselves, and a boot
// interface that boots them.
func TestBaremetalParts(t *testing.T) {
	b := newBed(t)
	ctx, m := t.Context(), b.metal("r1")
	id, image := m.ids[0], b.anyHost().ImageID
	validated := func(words string) {
		t.Helper()
		if bad, err := m.Validate(ctx, id); err != nil || !strings.Contains(bad["deploy"], words) {
			t.Errorf("validation: %v, %v, want %q", bad, err, words)
		}
	}
	said := func(words string) {
		t.Helper()
		validated(words)
		err := m.Deploy(ctx, id, cloud.ConfigDrive{UserData: "#cloud-config\n{}\n"})
		b.want(err, cloud.IsInvalid, "a deploy of "+words)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("a deploy: %v, want %q", err, words)
		}
		if n := m.node(id); n.State != "available" || n.LastError != "" {
			t.Errorf("after the refusal: %+v", n)
		}
	}
	b.want(m.ChangeNode(ctx, id, cloud.Change{Path: "/deploy_interface", Value: "nonsense"}), cloud.IsInvalid, "an interface that there is not")
	m.set(id, cloud.Change{Path: "/deploy_interface", Value: cloud.RamdiskDeploy})
	said("`ramdisk_boot` capability")
	m.bootParts(id)
	said("Missing are: ['kernel', 'ramdisk']")
	b.must(m.ChangeNode(ctx, id, cloud.Change{Path: "/instance_info/image_source", Value: image})) // it is not looked into
	validated("Missing are: ['kernel', 'ramdisk']")
	b.must(m.ChangeNode(ctx, id, cloud.Change{Path: "/instance_info/image_source"}, cloud.Change{Path: "/instance_info/kernel", Value: image}))
	said("Missing are: ['ramdisk']")
	b.must(m.ChangeNode(ctx, id, cloud.Change{Path: "/instance_info/ramdisk", Value: image}))
	if bad, err := m.Validate(ctx, id); err != nil || len(bad) != 0 {
		t.Errorf("validation with both: %v, %v", bad, err)
	}
}

// driven is the driver on nodes of the test's own.
type driven struct {
	*drivertest.Bed
	b    *bed
	m    *metal
	host drivers.Host
	made *baremetal.Machines
}

// newDriven has an address for one host.
func newDriven(t *testing.T) *driven {
	t.Helper()
	b, x, m := newBaremetalBed(t)
	made, is := x.Machines.(*baremetal.Machines)
	if !is {
		t.Fatalf("the driver is %T", x.Machines)
	}
	d := &driven{x, b, m, x.Host, made}
	d.host.Name, d.host.NodeGroup = x.Cluster.Prefix+"-0", "workers"
	t.Cleanup(func() {
		b.step("removing the host", func() drivers.Result {
			return x.Machines.RemoveHost(context.Background(), d.slice(), d.host.Name)
		})
	})
	b.step("the address", func() drivers.Result { return x.Machines.EnsureAddress(t.Context(), d.slice(), d.host) })
	return d
}

func (d *driven) slice() *drivers.Site {
	return &drivers.Site{Cluster: d.Cluster, Credential: d.Credential, Ledger: d.Ledger, Memo: &drivers.Memo{}}
}

func userData(context.Context) ([]byte, error) { return []byte("#cloud-config\n{}\n"), nil }

func (d *driven) ensure() drivers.Result {
	return d.Machines.EnsureHost(d.b.t.Context(), d.slice(), d.host, userData)
}

func (d *driven) rebuild(token string) drivers.Result {
	return d.made.RebuildHost(d.b.t.Context(), d.slice(), d.host, token, userData)
}

// deployed waits for the host, and gives its node.
func (d *driven) deployed() cloud.BaremetalNode {
	d.b.t.Helper()
	d.b.step("the host", d.ensure)
	r, _ := d.Ledger.Find(drivers.KindAllocation, d.host.Name)
	return only(d.m.Nodes(d.b.t.Context(), cloud.NodeFilter{InstanceID: r.ID}))(d.b)
}

// refuses expects a step to fail for good, in words, with nothing asked of the cloud and no node avoided.
func (d *driven) refuses(step func() drivers.Result, class drivers.Class, changes int, words ...string) {
	d.b.t.Helper()
	before := d.Writes()
	r := step()
	final := false
	r.Switch(func() {}, func(time.Duration, string) {}, func(error) { final = true }, func(error) {})
	if !final || drivers.ClassOf(r.Err()) != class || slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(r.Err().Error(), w) }) {
		d.b.t.Fatalf("%v, expected a failure of class %s with the words %q", r, class, words)
	}
	if n := d.Writes() - before; n != changes {
		d.b.t.Errorf("it asked for %d changes, not %d", n, changes)
	}
	for _, id := range d.m.ids {
		if n := d.m.node(id); n.Extra[cloud.AvoidKey] != nil {
			d.b.t.Errorf("node %s is avoided: %v", n.Title(), n.Extra)
		}
	}
}

// TestBaremetalWithoutKernel: an image that lacks what a node boots is its user's fault. No node is asked for it or avoided.
func TestBaremetalWithoutKernel(t *testing.T) {
	d := newDriven(t)
	words := []string{image, "has no kernel_id and no ramdisk_id"}
	for _, id := range d.m.ids {
		d.m.bootParts(id)
	}
	d.refuses(d.ensure, drivers.ClassUser, 0, words...)

	able := d.m.ids[len(d.m.ids)-1] // one that takes any image is taken
	d.m.bootAny(able)
	for waits := true; waits; {
		r := d.ensure()
		d.b.must(r.Err())
		a, _ := d.Ledger.Find(drivers.KindAllocation, d.host.Name)
		waits = a.ID == ""
	}
	if a := d.m.allocated(d.host.Name, "active"); a.NodeID != able {
		t.Fatalf("the host got node %s, not %s", a.NodeID, able)
	}
	d.m.bootParts(able) // behind the driver's back
	d.refuses(d.ensure, drivers.ClassUser, 0, words...)
	d.m.bootAny(able)
	n := d.deployed()

	d.m.bootParts(n.ID)
	d.refuses(func() drivers.Result { return d.rebuild("once") }, drivers.ClassUser, 0, words...)
	d.m.bootAny(n.ID)
	d.b.step("the rebuild", func() drivers.Result { return d.rebuild("once") })
}

// TestBaremetalRefusesRebuild: a rebuild that Ironic does not want fails at once, with its words.
func TestBaremetalRefusesRebuild(t *testing.T) {
	d := newDriven(t)
	n := d.deployed()
	d.m.set(n.ID, cloud.Change{Path: "/instance_info/traits", Value: []string{"CUSTOM_NOBODY_HAS_IT"}})
	d.refuses(func() drivers.Result { return d.rebuild("once") }, drivers.ClassCloud, 1, "cannot be rebuilt on node "+n.Title(), "CUSTOM_NOBODY_HAS_IT")
	if now := d.m.node(n.ID); now.State != "active" || now.StateSince != n.StateSince {
		t.Errorf("after the refusal: %+v", now)
	}
	d.m.set(n.ID, cloud.Change{Path: "/instance_info/traits", Value: []string{}})
	d.b.step("the rebuild", func() drivers.Result { return d.rebuild("once") })
	if now := d.m.node(n.ID); now.State != "active" || now.StateSince == n.StateSince {
		t.Errorf("after the rebuild: %+v", now)
	}
}
