package rig

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/ironic"
	"github.com/jeroboam-cloud/jeroboam/drivers/vm"
)

// The simulator's image and flavour that clusters are made of.
const (
	ImageName = imagePrefix + Version
	Version   = "v1.37.2"
	Flavor    = "m1.medium"
	// OldVersion is one that clusters can be upgraded from.
	OldVersion  = "v1.36.6"
	imagePrefix = "ubuntu-24.04-kube-"
)

// Shape of a cluster.
type Shape struct {
	Name             string
	Masters, Workers int
	LoadBalancer     bool
	Version          string // of Kubernetes; "": Version
	Addons           []string
	Metal            bool // the workers are Ironic's nodes
	MetalMasters     bool // the control planes are
}

// Recipe is a request of that shape resolved once: any number of clusters can be made of it.
type Recipe struct {
	shape   Shape
	cluster ops.ClusterSpec
	group   ops.GroupSpec
}

// Resolve looks up what clusters of the shape are made of.
func (r *Rig) Resolve(t testing.TB, shape Shape) *Recipe {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	shape.Version = cmp.Or(shape.Version, Version)
	glance, err := r.caller.Image()
	check(err)
	images, err := glance.Images(ctx, imagePrefix+shape.Version)
	check(err)
	nova, err := r.caller.Compute()
	check(err)
	flavors, err := nova.Flavors(ctx)
	check(err)
	neutron, err := r.caller.Network()
	check(err)
	public, err := neutron.Networks(ctx, "public")
	check(err)
	if len(images) != 1 || len(public) != 1 {
		t.Fatalf("the simulator has %d images and %d external networks of the expected names", len(images), len(public))
	}
	group := ops.GroupSpec{ImageID: images[0].ID, Distro: images[0].Properties["os_distro"], KubeVersion: shape.Version}
	for _, f := range flavors {
		if f.Name == Flavor {
			group.FlavorID = f.ID
		}
	}
	return &Recipe{shape: shape, group: group, cluster: ops.ClusterSpec{KubernetesVersion: shape.Version, Distro: group.Distro, ExternalNetworkID: public[0].ID,
		SubnetCIDR: "10.0.0.0/24", DNSNameservers: []string{"8.8.8.8"}, PodCIDR: "10.100.0.0/16", ServiceCIDR: "10.254.0.0/16", DNSDomain: "cluster.local",
		NetworkDriver: "calico", Addons: shape.Addons, APIPort: 6443, APIFloatingIP: true, ServerGroupPolicy: "soft-anti-affinity"}}
}

// Upgrade is what an upgrade of an older recipe's cluster to the newest one carries.
func (r *Rig) Upgrade(t testing.TB, clusterUUID string, from, to *Recipe, batch int) ops.Upgrade {
	t.Helper()
	v, err := r.Store.Cluster(t.Context(), clusterUUID, "")
	if err != nil {
		t.Fatal(err)
	}
	target := func(x *Recipe) ops.Target {
		return ops.Target{TemplateID: v.ClusterTemplateID, Image: imagePrefix + x.shape.Version, ImageID: x.group.ImageID, Distro: x.group.Distro, KubernetesVersion: x.shape.Version}
	}
	u := ops.Upgrade{Target: target(to), MaxBatchSize: batch, From: map[string]ops.Target{}}
	for _, g := range v.NodeGroups {
		u.From[g.UUID] = target(from)
	}
	return u
}

// Create stores a cluster and the operation that makes it.
func (r *Rig) Create(t testing.TB, recipe *Recipe) *db.Operation {
	t.Helper()
	raw := func(v any) db.RawJSON {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	s, flavor, now := recipe.shape, Flavor, time.Now()
	c := &db.Cluster{UUID: uuid.NewString(), ClusterTemplateID: dbtest.Template(t, r.Store, r.caller.ProjectID), ProjectID: r.caller.ProjectID, UserID: "somebody", Name: s.Name, StackID: ops.Label(s.Name, 20) + "-" + ops.Suffix(rand.Reader),
		FlavorID: &flavor, MasterFlavorID: &flavor, FloatingIPEnabled: true, MasterLBEnabled: s.LoadBalancer, Status: ops.CreateInProgress, CreatedAt: now, Spec: raw(recipe.cluster)}
	var groups []*db.NodeGroup
	for _, g := range []struct {
		name, role string
		count      int
	}{{"default-master", db.RoleMaster, s.Masters}, {"default-worker", db.RoleWorker, s.Workers}} {
		driver, spec := vm.Name, recipe.group
		if s.Metal && g.role == db.RoleWorker || s.MetalMasters && g.role == db.RoleMaster {
			driver, spec.ResourceClass = ironic.Name, "CUSTOM_BAREMETAL"
		}
		groups = append(groups, &db.NodeGroup{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: c.ProjectID, Name: g.name, Role: g.role, IsDefault: true, Driver: driver,
			FlavorID: flavor, ImageID: imagePrefix + s.Version, NodeCount: g.count, Status: ops.CreateInProgress, CreatedAt: now, Spec: raw(spec)})
	}
	op, err := ops.New(uuid.NewString(), ops.ClusterCreate, c, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Store.CreateCluster(context.Background(), c, groups, op, 1000); err != nil {
		t.Fatal(err)
	}
	return op
}

// Delete stores the operation that takes a cluster away.
func (r *Rig) Delete(t testing.TB, clusterUUID string) *db.Operation {
	t.Helper()
	var op *db.Operation
	err := r.Store.ChangeCluster(context.Background(), clusterUUID, func(s *db.Snapshot) error {
		var err error
		op, err = ops.New(uuid.NewString(), ops.ClusterDelete, s.Cluster, nil, nil)
		s.Operations = append(s.Operations, op)
		s.Cluster.Status = ops.DeleteInProgress
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// Request stores an operation about a whole cluster, as the API does.
func (r *Rig) Request(t testing.TB, clusterUUID string, kind ops.Kind) *db.Operation {
	t.Helper()
	return r.RequestWith(t, clusterUUID, kind, "", nil, nil)
}

// RequestWith stores an operation with parameters, about a node group unless that is empty, together with a change of that
// group.
func (r *Rig) RequestWith(t testing.TB, clusterUUID string, kind ops.Kind, group string, change func(*db.NodeGroup), params any) *db.Operation {
	t.Helper()
	var op *db.Operation
	err := r.Store.ChangeCluster(context.Background(), clusterUUID, func(s *db.Snapshot) error {
		var target *db.NodeGroup
		for _, g := range s.NodeGroups {
			if g.Name == group {
				target = g
				if change != nil {
					change(g)
				}
			}
			if g.Name == group || group == "" && kind.Concerns(g, "") {
				g.Status = kind.GroupProgress()
			}
		}
		var err error
		op, err = ops.New(uuid.NewString(), kind, s.Cluster, target, params)
		s.Operations = append(s.Operations, op)
		s.Cluster.Status = kind.Progress()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// AddGroup stores a node group of the default workers' kind and the operation that makes it.
func (r *Rig) AddGroup(t testing.TB, clusterUUID, name string, count int) *db.Operation {
	t.Helper()
	err := r.Store.ChangeCluster(context.Background(), clusterUUID, func(s *db.Snapshot) error {
		for _, g := range s.NodeGroups {
			if g.IsDefault && g.Role == db.RoleWorker {
				x := *g
				x.ID, x.UUID, x.Name, x.IsDefault, x.NodeCount, x.Status, x.CreatedAt = 0, uuid.NewString(), name, false, count, ops.CreateInProgress, time.Now()
				s.NodeGroups = append(s.NodeGroups, &x)
				return nil
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.RequestWith(t, clusterUUID, ops.NodeGroupCreate, name, nil, nil)
}

// Unplug deletes a host in the cloud behind the cluster's back.
func (r *Rig) Unplug(t testing.TB, clusterUUID, node string) {
	t.Helper()
	nova, err := r.caller.Compute()
	if err != nil {
		t.Fatal(err)
	}
	l, err := r.Store.Resources(t.Context(), clusterUUID)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range l {
		if x.Kind == drivers.KindServer && x.Name == node {
			if err := nova.DeleteServer(t.Context(), x.CloudID); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("node %s has no server", node)
}

// Serve gives a cluster what a Service of type LoadBalancer has in the cloud, as cloud-provider-openstack would have made it.
func (r *Rig) Serve(t testing.TB, clusterUUID string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	v, err := r.Store.Cluster(ctx, clusterUUID, "")
	check(err)
	resources, err := r.Store.Resources(ctx, clusterUUID)
	check(err)
	octavia, err := r.caller.LoadBalancer()
	check(err)
	neutron, err := r.caller.Network()
	check(err)
	public, err := neutron.Networks(ctx, "public")
	check(err)
	for _, x := range resources {
		if x.Kind == drivers.KindSubnet {
			name := "kube_service_" + v.StackID + "_default_web"
			lb, err := octavia.Create(ctx, cloud.LoadBalancerSpec{Name: name, Tag: name, SubnetID: x.CloudID})
			check(err)
			_, err = neutron.CreateFloatingIP(ctx, "Floating IP for Kubernetes external service default/web from cluster "+v.StackID, public[0].ID, lb.VIPPortID, "")
			check(err)
		}
	}
	_, err = neutron.CreateSecurityGroup(ctx, "lb-sg-"+uuid.NewString()+"-default-web", "Security Group for default/web Service LoadBalancer in cluster "+v.StackID)
	check(err)
}

// Expire lets the lease of an operation run out at once, as if its owner had been silent for long enough.
func (r *Rig) Expire(t testing.TB, op *db.Operation) {
	t.Helper()
	if err := r.Store.Exec(context.Background(), "UPDATE operation SET lease_expires_at = 0, wake_at = 0 WHERE uuid = '"+op.UUID+"'"); err != nil {
		t.Fatal(err)
	}
}
