// Package engine tests operations from row to cloud and back: conductors, drivers and the simulated OpenStack in one
// process, without the API.
package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
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
	"github.com/jeroboam-cloud/jeroboam/drivers/ironic"
	"github.com/jeroboam-cloud/jeroboam/drivers/vm"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// eventually is how long a test waits for what has to come.
const eventually = 4 * time.Minute

// bed is everything that a test of the engine needs.
type bed struct {
	t       *testing.T
	cloud   *sim.Cloud
	store   *db.Store
	queue   queue.Queue
	clouds  *cloud.Factory
	project string
	log     *zap.Logger
	secrets certmanager.Manager // nil: rows of the database
	drain   time.Duration       // how long budgets count; 0: a quarter of an hour
	own     bool                // the service acts for all clusters by itself: own-credentials mode

	addons cluster.AddonSources

	publisher string // of notifications; "": none are written
}

func newBed(t *testing.T, o sim.Options) *bed {
	t.Helper()
	if o.Speed == 0 {
		o.Speed = 40
	}
	o.PublicCIDR, o.LANCIDR = loopbacks(t)
	c, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	l := zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
	b := &bed{t: t, cloud: c, store: dbtest.SQLite(t), queue: queue.NewMemory(), log: l}
	b.clouds = b.factory("jeroboam", "service")
	b.project = b.projectID("demo")
	return b
}

// factory of one of the simulator's users.
func (b *bed) factory(user, project string) *cloud.Factory {
	b.t.Helper()
	return b.factoryOf(cloud.Config{Username: user, ProjectName: project})
}

func (b *bed) factoryOf(c cloud.Config) *cloud.Factory {
	b.t.Helper()
	c.AuthURL, c.Password, c.UserDomainName, c.ProjectDomainName = b.cloud.AuthURL(), "secret", "Default", "Default"
	f, err := cloud.NewFactory(c)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(f.Close)
	return f
}

// projectID of a project by name, as a member's token says it.
func (b *bed) projectID(name string) string {
	b.t.Helper()
	c, err := b.factory(name, name).Service(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return c.ProjectID
}

func (b *bed) conductor(owner string) *conductor.Conductor {
	secrets := b.secrets
	if secrets == nil {
		secrets = b.rows()
	}
	in := infra.New(infra.Config{UserDomain: "jeroboam", Roles: []string{"member"}, OwnCredentials: b.own}, b.clouds, nil)
	kube := &cluster.KubeClients{}
	b.t.Cleanup(kube.Close)
	e := &cluster.Executor{Store: b.store, Infra: in, Machines: map[string]drivers.Machines{vm.Name: vm.New(b.clouds, in, nil),
		ironic.Name: ironic.New(ironic.Config{RackProperty: "rack", AvoidFor: time.Hour}, b.clouds, in, nil)}, Secrets: secrets, Kube: kube, Log: b.log, DrainTimeout: cmp.Or(b.drain, 15*time.Minute), RebootTimeout: 5 * time.Minute,
		Runner: flow.Runner{Parallel: 16}, Now: time.Now, KeySize: 2048, Validity: 24 * time.Hour, PollInterval: 100 * time.Millisecond, OwnCredentials: b.own, Addons: b.addons, Publisher: b.publisher}
	return &conductor.Conductor{Config: conductor.Config{Workers: 16, Lease: 10 * time.Second, SweepInterval: 50 * time.Millisecond, RingAgain: time.Second},
		Host: owner, Owner: owner, Store: b.store, Queue: b.queue, Executor: e, Log: b.log}
}

// run starts conductors and stops them with the test, or earlier.
func (b *bed) run(l ...*conductor.Conductor) (stop func()) {
	ctx, cancel := context.WithCancel(log.Into(context.Background(), b.log))
	var wg sync.WaitGroup
	for _, c := range l {
		wg.Go(func() {
			if err := c.Run(ctx); err != nil {
				b.t.Errorf("conductor %s: %v", c.Owner, err)
			}
		})
	}
	stop = func() { cancel(); wg.Wait() }
	b.t.Cleanup(stop)
	return stop
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

// network is the id of one that is there from the start.
func (b *bed) network(name string) string {
	b.t.Helper()
	c, err := b.clouds.Service(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	n, err := c.Network()
	if err != nil {
		b.t.Fatal(err)
	}
	l, err := n.Networks(context.Background(), name)
	if err != nil || len(l) != 1 {
		b.t.Fatalf("network %s: %v, %v", name, l, err)
	}
	return l[0].ID
}

// order is a cluster to be made. The functions, where there are any, change what the API would have resolved.
type order struct {
	name             string
	masters, workers int
	loadBalancer     bool
	cluster          func(*ops.ClusterSpec)
	group            func(*db.NodeGroup, *ops.GroupSpec)
}

// create stores a cluster of the usual kind.
func (b *bed) create(name string, masters, workers int, loadBalancer bool) string {
	b.t.Helper()
	return b.order(order{name: name, masters: masters, workers: workers, loadBalancer: loadBalancer})
}

// order stores a cluster as the API does, and rings for it.
func (b *bed) order(o order) string {
	b.t.Helper()
	spec := ops.ClusterSpec{KubernetesVersion: "v1.37.2", Distro: "ubuntu", ExternalNetworkID: b.network("public"), SubnetCIDR: "10.0.0.0/24", PodCIDR: "10.100.0.0/16",
		ServiceCIDR: "10.254.0.0/16", DNSDomain: "cluster.local", APIPort: 6443, APIFloatingIP: true, ServerGroupPolicy: "soft-anti-affinity"}
	if o.cluster != nil {
		o.cluster(&spec)
	}
	c := &db.Cluster{UUID: uuid.NewString(), ClusterTemplateID: dbtest.Template(b.t, b.store, b.project), ProjectID: b.project, UserID: "u", Name: o.name, StackID: o.name + "-x2x2x", Spec: b.json(spec), MasterLBEnabled: o.loadBalancer,
		Status: ops.CreateInProgress, CreatedAt: time.Now()}
	masters, workers := b.group("default-master", db.RoleMaster, o.masters, o.group), b.group("default-worker", db.RoleWorker, o.workers, o.group)
	for _, g := range []*db.NodeGroup{masters, workers} {
		g.ClusterUUID, g.IsDefault = c.UUID, true
	}
	op, err := ops.New(uuid.NewString(), ops.ClusterCreate, c, nil, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.CreateCluster(context.Background(), c, []*db.NodeGroup{masters, workers}, op, 1000); err != nil {
		b.t.Fatal(err)
	}
	b.ring(op.UUID)
	return c.UUID
}

func (b *bed) group(name, role string, count int, change func(*db.NodeGroup, *ops.GroupSpec)) *db.NodeGroup {
	b.t.Helper()
	g := &db.NodeGroup{UUID: uuid.NewString(), ProjectID: b.project, Name: name, Role: role, NodeCount: count, Driver: vm.Name, Status: ops.CreateInProgress, CreatedAt: time.Now()}
	spec := ops.GroupSpec{FlavorID: "2", ImageID: b.image("ubuntu-24.04-kube-v1.37.2").ID, Distro: "ubuntu", KubeVersion: "v1.37.2"}
	if change != nil {
		change(g, &spec)
	}
	g.Spec = b.json(spec)
	return g
}

func (b *bed) json(v any) db.RawJSON {
	b.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
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
	b.requestWith(clusterUUID, kind, group, change, nil)
}

// requestWith does so with parameters; it gives the operation's id.
func (b *bed) requestWith(clusterUUID string, kind ops.Kind, group string, change func(g *db.NodeGroup), params any) string {
	b.t.Helper()
	id := uuid.NewString()
	err := b.store.ChangeCluster(context.Background(), clusterUUID, func(s *db.Snapshot) error {
		var target *db.NodeGroup
		for _, g := range s.NodeGroups {
			if g.Name == group {
				target = g
				if change != nil {
					change(g)
				}
				g.Status = kind.GroupProgress()
			}
			if group == "" && kind.Concerns(g, "") {
				g.Status = kind.GroupProgress()
			}
		}
		s.Cluster.Status = kind.Progress()
		for _, o := range s.Operations {
			o.CancelRequested = o.CancelRequested || kind == ops.ClusterDelete
		}
		op, err := ops.New(id, kind, s.Cluster, target, params)
		s.Operations = append(s.Operations, op)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.ring(id)
	return id
}

// settle waits until nothing is under way and gives the cluster; nil when it is gone.
func (b *bed) settle(clusterUUID string) *db.ClusterView {
	b.t.Helper()
	ctx, ended := context.Background(), false
	defer func() {
		if !ended {
			b.story(clusterUUID)
		}
	}()
	testenv.Eventually(b.t, eventually, "all operations of the cluster to end", func() bool {
		l, err := b.store.Operations(ctx, clusterUUID, db.OperationFilter{Active: true})
		if err != nil {
			b.t.Fatal(err)
		}
		return len(l) == 0
	})
	ended = true
	v, err := b.store.Cluster(ctx, clusterUUID, "")
	if err != nil {
		return nil
	}
	return v
}

// story logs what is known of a cluster that does not come to an end: its operations, its events, and what its hosts say.
func (b *bed) story(clusterUUID string) {
	b.t.Helper()
	l, err := b.store.Operations(context.Background(), clusterUUID, db.OperationFilter{})
	if err != nil {
		b.t.Log(err)
	}
	for _, o := range l {
		b.t.Logf("operation %s: %s, of %q until %d, woken at %d, at %d; %s", o.Kind, o.Status, o.Owner, o.LeaseExpiresAt, o.WakeAt, time.Now().UnixMilli(), o.State)
	}
	b.t.Logf("events:\n%s", b.events(clusterUUID))
	for name, lines := range b.cloud.Consoles() {
		b.t.Logf("console of %s:\n%s", name, strings.Join(lines, "\n"))
	}
}

func (b *bed) events(clusterUUID string) string {
	l, err := b.store.Events(context.Background(), clusterUUID, db.EventFilter{Limit: 1000})
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
			t.Parallel()
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
