// Package engine tests operations from row to cloud and back: conductors, drivers and the simulated OpenStack in one
// process, without the API.
package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/jeroboam-cloud/jeroboam/conductor"
	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
	"github.com/jeroboam-cloud/jeroboam/drivers/vm"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// bed is everything that a test of the engine needs.
type bed struct {
	t       *testing.T
	cloud   *sim.Cloud
	store   *db.Store
	queue   queue.Queue
	clouds  *cloud.Factory
	project string
	log     *zap.Logger
}

func newBed(t *testing.T, o sim.Options) *bed {
	t.Helper()
	if o.Speed == 0 {
		o.Speed = 40
	}
	c, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	clouds, err := cloud.NewFactory(cloud.Config{AuthURL: c.AuthURL(), Username: "jeroboam", Password: "secret", UserDomainName: "Default", ProjectName: "service", ProjectDomainName: "Default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clouds.Close)
	l := zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
	b := &bed{t: t, cloud: c, store: dbtest.SQLite(t), queue: queue.NewMemory(), clouds: clouds, log: l}
	b.project = b.projectID("demo")
	return b
}

// projectID of a project by name, as a member's token says it.
func (b *bed) projectID(name string) string {
	b.t.Helper()
	f, err := cloud.NewFactory(cloud.Config{AuthURL: b.cloud.AuthURL(), Username: name, Password: "secret", UserDomainName: "Default", ProjectName: name, ProjectDomainName: "Default"})
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	c, err := f.Service(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return c.ProjectID
}

func (b *bed) conductor(owner string) *conductor.Conductor {
	secrets, err := certmanager.NewRows(b.store, []string{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="})
	if err != nil {
		b.t.Fatal(err)
	}
	in := infra.New(infra.Config{UserDomain: "jeroboam", Roles: []string{"member"}}, b.clouds, nil)
	kube := &cluster.KubeClients{}
	b.t.Cleanup(kube.Close)
	e := &cluster.Executor{Store: b.store, Infra: in, Machines: map[string]drivers.Machines{vm.Name: vm.New(b.clouds, in, nil)}, Secrets: secrets, Kube: kube, Log: b.log,
		Runner: flow.Runner{Parallel: 16}, Now: time.Now, KeySize: 2048, Validity: 24 * time.Hour, PollInterval: 100 * time.Millisecond}
	return &conductor.Conductor{Config: conductor.Config{Workers: 16, Lease: 10 * time.Second, SweepInterval: 50 * time.Millisecond, RingAgain: time.Second},
		Host: owner, Owner: owner, Store: b.store, Queue: b.queue, Executor: e, Log: b.log}
}

// run starts conductors and stops them with the test.
func (b *bed) run(l ...*conductor.Conductor) {
	ctx, cancel := context.WithCancel(log.Into(context.Background(), b.log))
	var wg sync.WaitGroup
	for _, c := range l {
		wg.Go(func() {
			if err := c.Run(ctx); err != nil {
				b.t.Errorf("conductor %s: %v", c.Owner, err)
			}
		})
	}
	b.t.Cleanup(func() { cancel(); wg.Wait() })
}

func (b *bed) image(name string) cloud.ImageInfo {
	b.t.Helper()
	c, err := b.clouds.Service(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	g, err := c.Image()
	if err != nil {
		b.t.Fatal(err)
	}
	l, err := g.Images(context.Background(), name)
	if err != nil || len(l) != 1 {
		b.t.Fatalf("image %s: %d found, %v", name, len(l), err)
	}
	return l[0]
}

func (b *bed) external() string {
	b.t.Helper()
	c, err := b.clouds.Service(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	n, err := c.Network()
	if err != nil {
		b.t.Fatal(err)
	}
	l, err := n.Networks(context.Background(), "public")
	if err != nil || len(l) != 1 {
		b.t.Fatalf("external network: %v, %v", l, err)
	}
	return l[0].ID
}

// create stores a cluster as the API does, and rings for it.
func (b *bed) create(name string, masters, workers int, loadBalancer bool) string {
	b.t.Helper()
	image := b.image("ubuntu-24.04-kube-v1.37.2")
	spec, err := json.Marshal(ops.ClusterSpec{KubernetesVersion: "v1.37.2", Distro: "ubuntu", ExternalNetworkID: b.external(), SubnetCIDR: "10.0.0.0/24", PodCIDR: "10.100.0.0/16",
		ServiceCIDR: "10.254.0.0/16", DNSDomain: "cluster.local", APIPort: 6443, APIFloatingIP: true, ServerGroupPolicy: "soft-anti-affinity"})
	if err != nil {
		b.t.Fatal(err)
	}
	group, err := json.Marshal(ops.GroupSpec{FlavorID: "2", ImageID: image.ID, Distro: "ubuntu", KubeVersion: "v1.37.2"})
	if err != nil {
		b.t.Fatal(err)
	}
	c := &db.Cluster{UUID: uuid.NewString(), ProjectID: b.project, UserID: "u", Name: name, StackID: name + "-x2x2x", Spec: spec, MasterLBEnabled: loadBalancer,
		Status: ops.CreateInProgress, CreatedAt: time.Now()}
	var groups []*db.NodeGroup
	for _, g := range []struct {
		name, role string
		count      int
	}{{"default-master", db.RoleMaster, masters}, {"default-worker", db.RoleWorker, workers}} {
		groups = append(groups, &db.NodeGroup{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: b.project, Name: g.name, Role: g.role, NodeCount: g.count, IsDefault: true,
			Driver: vm.Name, Spec: group, Status: ops.CreateInProgress, CreatedAt: time.Now()})
	}
	op, err := ops.New(uuid.NewString(), ops.ClusterCreate, c, nil, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.CreateCluster(context.Background(), c, groups, op, 1000); err != nil {
		b.t.Fatal(err)
	}
	b.ring(op.UUID)
	return c.UUID
}

func (b *bed) ring(id string) {
	b.t.Helper()
	if err := b.queue.Publish(context.Background(), queue.Message{OperationID: id}); err != nil {
		b.t.Fatal(err)
	}
}

// request changes a cluster's rows and adds an operation, as the API does.
func (b *bed) request(clusterUUID string, kind ops.Kind, group string, change func(g *db.NodeGroup)) {
	b.t.Helper()
	id := uuid.NewString()
	err := b.store.ChangeCluster(context.Background(), clusterUUID, func(s *db.Snapshot) error {
		var target *db.NodeGroup
		for _, g := range s.NodeGroups {
			if g.Name == group {
				target = g
				change(g)
				g.Status = kind.GroupProgress()
			}
		}
		s.Cluster.Status = kind.Progress()
		op, err := ops.New(id, kind, s.Cluster, target, nil)
		s.Operations = append(s.Operations, op)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.ring(id)
}

// settle waits until nothing is under way and gives the cluster; nil when it is gone.
func (b *bed) settle(clusterUUID string) *db.ClusterView {
	b.t.Helper()
	ctx := context.Background()
	testenv.Eventually(b.t, 2*time.Minute, "all operations of the cluster to end", func() bool {
		l, err := b.store.Operations(ctx, clusterUUID, true)
		if err != nil {
			b.t.Fatal(err)
		}
		return len(l) == 0
	})
	v, err := b.store.Cluster(ctx, clusterUUID, "")
	if err != nil {
		return nil
	}
	return v
}

func (b *bed) events(clusterUUID string) string {
	l, err := b.store.Events(context.Background(), clusterUUID, 0, 1000)
	if err != nil {
		return err.Error()
	}
	out := ""
	for _, e := range l {
		out += fmt.Sprintf("%s %-8s %s: %s\n", e.Time.Format("15:04:05.000"), e.Level, e.Step, e.Message)
	}
	return out
}

func (b *bed) empty() {
	b.t.Helper()
	if left := b.cloud.Resources(b.project); len(left) != 0 {
		b.t.Errorf("left in the cloud: %v", left)
	}
}

func TestLifeOfACluster(t *testing.T) {
	for _, tc := range []struct {
		name         string
		masters      int
		loadBalancer bool
	}{{"three control planes behind a load balancer", 3, true}, {"one control plane by itself", 1, false}} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBed(t, sim.Options{})
			b.run(b.conductor("one"), b.conductor("two"))
			id := b.create("dev", tc.masters, 2, tc.loadBalancer)
			v := b.settle(id)
			if v == nil || v.Status != ops.CreateComplete {
				t.Fatalf("after create: %+v\n%s", v, b.events(id))
			}
			if v.APIAddress == nil || len(v.NodeAddresses) != 2 || len(v.MasterAddresses) != tc.masters || v.COEVersion == nil || v.HealthStatus == nil {
				t.Errorf("the row lacks what was reached: %+v", v)
			}
			for _, size := range []int{4, 1} {
				b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = size })
				if v = b.settle(id); v.Status != ops.UpdateComplete || len(v.NodeAddresses) != size {
					t.Fatalf("after resize to %d: %s, addresses %v\n%s", size, v.Status, v.NodeAddresses, b.events(id))
				}
				if n := len(b.cloud.Resources(b.project)["server"]); n != tc.masters+size {
					t.Errorf("%d servers in the cloud, want %d", n, tc.masters+size)
				}
			}
			b.request(id, ops.ClusterDelete, "", func(*db.NodeGroup) {})
			if v = b.settle(id); v != nil {
				t.Fatalf("after delete: %s %v\n%s", v.Status, v.StatusReason, b.events(id))
			}
			b.empty()
		})
	}
}

// hurry lets a conductor's clock run faster, from now on.
func hurry(t *testing.T, c *conductor.Conductor, factor int) {
	t.Helper()
	e, ok := c.Executor.(*cluster.Executor)
	if !ok {
		t.Fatal("the conductor has another executor")
	}
	start := time.Now()
	e.Now = func() time.Time { return start.Add(time.Since(start) * time.Duration(factor)) }
	e.Runner.Clock = e.Now
}
