package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/conductor"
	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/conductor/periodic"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// watcher of one conductor, whose looks are due at once. The test makes them.
func (b *bed) watcher(c *conductor.Conductor) *periodic.Watcher {
	e, ok := c.Executor.(*cluster.Executor)
	if !ok {
		b.t.Fatal("the conductor has another executor")
	}
	return &periodic.Watcher{Config: periodic.Config{DriftInterval: time.Nanosecond, HealAfter: time.Millisecond, HealShare: 34, HealPerHour: 3, Parallel: 4},
		Health: periodic.KubernetesConfig{HealthInterval: time.Nanosecond}, Store: b.store, Sights: e, ApproveServing: e.ApproveServing, Ring: c.Ring, Jitter: func() float64 { return 0 },
		NewUUID: uuid.NewString, CertificateLeft: func(time.Duration) {}, Log: b.log}
}

// look makes one look at every cluster's health, drift one comparison with the cloud.
func (b *bed) look(w *periodic.Watcher) {
	b.t.Helper()
	if n, err := w.ProcessHealth(b.t.Context()); err != nil || n == 0 {
		b.t.Fatalf("%d clusters were looked at, %v", n, err)
	}
}

// lookUntilHealing looks until healing is asked for. Two looks may not be enough: an API may be away, and time is counted in
// milliseconds, of which a node has to be ill for one.
func (b *bed) lookUntilHealing(w *periodic.Watcher, id string) {
	b.t.Helper()
	testenv.Eventually(b.t, eventually, "the healing to begin", func() bool {
		b.look(w)
		return len(b.operations(id, ops.NodeGroupHeal)) > 0
	})
}

func (b *bed) drift(w *periodic.Watcher) {
	b.t.Helper()
	if n, err := w.ProcessDrift(b.t.Context()); err != nil || n == 0 {
		b.t.Fatalf("%d clusters were compared with the cloud, %v", n, err)
	}
}

// everything of a cluster in the database, to see that nothing was written. A change of the cluster counts its seq up.
func (b *bed) everything(id string) string {
	b.t.Helper()
	ctx := context.Background()
	v, err := b.store.Cluster(ctx, id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	nodes, err := b.store.Nodes(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	events, err := b.store.Events(ctx, id, db.EventFilter{Limit: 10000})
	if err != nil {
		b.t.Fatal(err)
	}
	resources, err := b.store.Resources(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	operations, err := b.store.Operations(ctx, id, db.OperationFilter{})
	if err != nil {
		b.t.Fatal(err)
	}
	raw, err := json.MarshalIndent([]any{v, nodes, events, resources, operations}, "", " ")
	if err != nil {
		b.t.Fatal(err)
	}
	return string(raw)
}

// quiet insists that something writes nothing, to the database or to the cloud.
func (b *bed) quiet(id, what string, do func()) {
	b.t.Helper()
	rows, calls := b.everything(id), b.writes()
	do()
	if d := cmp.Diff(rows, b.everything(id)); d != "" {
		b.t.Errorf("%s writes to the database:\n%s", what, d)
	}
	if d := cmp.Diff(calls, b.writes()); d != "" {
		b.t.Errorf("%s writes to the cloud:\n%s", what, d)
	}
}

// labelled gives a cluster a label.
func (b *bed) labelled(id, key, value string) {
	b.t.Helper()
	err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
		if s.Cluster.Labels == nil {
			s.Cluster.Labels = db.Strings{}
		}
		s.Cluster.Labels[key] = value
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) node(id, name string) *db.Node {
	b.t.Helper()
	l, err := b.store.Nodes(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	i := slices.IndexFunc(l, func(n *db.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return l[i]
}

func (b *bed) health(id string) (status string, reason db.Strings) {
	b.t.Helper()
	v, err := b.store.Cluster(context.Background(), id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	if v.HealthStatus != nil {
		status = *v.HealthStatus
	}
	return status, v.HealthStatusReason
}

// told counts the events of a step whose message has the words.
func (b *bed) told(id, step, words string) int {
	b.t.Helper()
	l, err := b.store.Events(context.Background(), id, db.EventFilter{Limit: 10000})
	if err != nil {
		b.t.Fatal(err)
	}
	n := 0
	for _, e := range l {
		if e.Step == step && strings.Contains(e.Message, words) {
			n++
		}
	}
	return n
}

// stop switches a node's server off, as its user can, and waits until Kubernetes misses it.
func (b *bed) stop(id, name string) {
	b.t.Helper()
	b.person("demo").must(http.MethodPost, "/compute/v2.1/servers/"+b.node(id, name).HostID+"/action", map[string]any{"os-stop": nil}, nil)
	b.missed(id, name)
}

func (b *bed) missed(id, name string) {
	b.t.Helper()
	testenv.Eventually(b.t, eventually, "the node to be not ready", func() bool {
		v, err := b.store.Cluster(context.Background(), id, "")
		if err != nil {
			b.t.Fatal(err)
		}
		nodes, err := b.askNodes(v, b.secrets)
		return err == nil && !nodes[name].Ready
	})
}

func (b *bed) operations(id string, kind ops.Kind) []*db.Operation {
	b.t.Helper()
	l, err := b.store.Operations(context.Background(), id, db.OperationFilter{})
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.DeleteFunc(l, func(o *db.Operation) bool { return o.Kind != string(kind) })
}

func watched(t *testing.T, o order) (*bed, *conductor.Conductor, *periodic.Watcher, string) {
	t.Helper()
	return watchedIn(t, sim.Options{}, o)
}

func watchedIn(t *testing.T, cloud sim.Options, o order) (*bed, *conductor.Conductor, *periodic.Watcher, string) {
	t.Helper()
	b := newBed(t, cloud)
	b.secrets = b.rows()
	c := b.conductor("one")
	b.run(c)
	return b, c, b.watcher(c), b.completed(o)
}

// TestHealthIsSeen: a healthy cluster costs no write, a node that is away is told once, and a host that was switched off is
// started again with its server and its name.
func TestHealthIsSeen(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 2})
	b.look(w)
	b.quiet(id, "a look at a healthy cluster", func() { b.look(w) })
	if status, _ := b.health(id); status != "HEALTHY" {
		t.Fatalf("the cluster is %s", status)
	}

	name := b.namesOf(id, "default-worker")[0]
	server := b.node(id, name).HostID
	b.stop(id, name)
	b.look(w)
	status, reason := b.health(id)
	if status != "UNHEALTHY" || reason["api"] != "ok" || reason[name+".Ready"] != "False" {
		t.Errorf("%s: %v", status, reason)
	}
	if n := b.node(id, name); n.UnhealthySince == nil || !slices.ContainsFunc(n.Conditions, func(c db.Condition) bool { return c.Type == "Ready" && c.Status == "Unknown" }) {
		t.Errorf("the node's row: %+v", n)
	}
	b.quiet(id, "a second look", func() { b.look(w) })
	if n := len(b.operations(id, ops.NodeGroupHeal)); n != 0 {
		t.Errorf("without the label %d operations heal", n)
	}

	b.labelled(id, "auto_healing_enabled", "true")
	b.lookUntilHealing(w, id)
	if v := b.reaches(id, ops.UpdateComplete); v.NodeCount != 2 {
		t.Errorf("%d workers", v.NodeCount)
	}
	if n := b.node(id, name); n == nil || n.HostID != server {
		t.Errorf("the node was not kept: %+v\n%s", n, b.events(id))
	}
	heal := b.operations(id, ops.NodeGroupHeal)
	if len(heal) != 1 || heal[0].UserID != "" || heal[0].RequestID != "req-"+heal[0].UUID {
		t.Errorf("healed by %+v", heal)
	}
	b.look(w)
	if status, reason := b.health(id); status != "HEALTHY" || reason[name+".Ready"] != "True" {
		t.Errorf("after the healing: %s, %v", status, reason)
	}
	if n := b.told(id, "healing of default-worker", name+": to be healed"); n != 1 {
		t.Errorf("the decision was told %d times\n%s", n, b.events(id))
	}
	b.quiet(id, "a look after the healing", func() { b.look(w) })
	b.deleted(id)
}

// TestAHostThatHangsIsRebooted: softly, which is enough, and the node keeps its server and its name.
func TestAHostThatHangsIsRebooted(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 1})
	b.labelled(id, "auto_healing_enabled", "true")
	name := b.namesOf(id, "default-worker")[0]
	server := b.node(id, name).HostID
	if err := b.cloud.Crash(server); err != nil {
		t.Fatal(err)
	}
	b.missed(id, name)
	b.lookUntilHealing(w, id)
	b.reaches(id, ops.UpdateComplete)
	if n := b.node(id, name); n == nil || n.HostID != server {
		t.Errorf("the node was not kept: %+v\n%s", n, b.events(id))
	}
	if n := b.writes()["compute POST /servers/{id}/action"]; n != 1 {
		t.Errorf("%d actions on servers, want the one soft reboot: %v", n, b.writes())
	}
	b.look(w)
	if status, _ := b.health(id); status != "HEALTHY" {
		t.Errorf("it is %s", status)
	}
	b.deleted(id)
}

// TestAHostThatDoesNotComeBackIsReplaced: two reboots do not help, so another node takes its place before it goes.
func TestAHostThatDoesNotComeBackIsReplaced(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	c := b.conductor("one")
	hurry(t, c, 60) // five minutes are five seconds
	b.run(c)
	w, id := b.watcher(c), b.completed(order{name: "dev", masters: 1, workers: 2})
	b.labelled(id, "auto_healing_enabled", "true")
	name := b.namesOf(id, "default-worker")[0]
	b.stop(id, name)
	if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/action$", Name: name, Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	b.lookUntilHealing(w, id)
	v := b.reaches(id, ops.UpdateComplete)
	now := b.namesOf(id, "default-worker")
	if len(now) != 2 || slices.Contains(now, name) || b.node(id, name) != nil {
		t.Fatalf("the workers are %v, %s was to be replaced\n%s", now, name, b.events(id))
	}
	if nodes := b.kubeNodes(v, b.secrets); len(nodes) != 3 || !nodes[now[0]].Ready || !nodes[now[1]].Ready {
		t.Errorf("Kubernetes has %v", nodes)
	}
	if n := len(b.cloud.Resources(b.project)["server"]); n != 3 {
		t.Errorf("%d servers in the cloud", n)
	}
	b.look(w)
	if status, _ := b.health(id); status != "HEALTHY" {
		t.Errorf("it is %s", status)
	}
	b.deleted(id)
}

// TestAControlPlaneIsHealed while the others keep the quorum.
func TestAControlPlaneIsHealed(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 3, workers: 1, loadBalancer: true})
	b.labelled(id, "auto_healing_enabled", "true")
	masters := b.namesOf(id, "default-master")
	server := b.node(id, masters[1]).HostID
	b.stop(id, masters[1])
	b.lookUntilHealing(w, id)
	b.reaches(id, ops.UpdateComplete)
	if now := b.namesOf(id, "default-master"); !slices.Equal(now, masters) || b.node(id, masters[1]).HostID != server {
		t.Errorf("control planes are %v, were %v\n%s", now, masters, b.events(id))
	}
	if heal := b.operations(id, ops.NodeGroupHeal)[0]; heal.Scope != db.ScopeCluster {
		t.Errorf("it had the scope %s", heal.Scope)
	}
	b.deleted(id)
}

// TestAControlPlaneIsReplaced: etcd is asked first, and has three members again in the end.
func TestAControlPlaneIsReplaced(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	c := b.conductor("one")
	hurry(t, c, 60)
	b.run(c)
	w, id := b.watcher(c), b.completed(order{name: "dev", masters: 3, workers: 1, loadBalancer: true})
	b.labelled(id, "auto_healing_enabled", "true")
	masters := b.namesOf(id, "default-master")
	first := masters[slices.IndexFunc(masters, func(name string) bool { return b.node(id, name).First })]
	if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/action$", Name: first, Nth: 2, Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	b.stop(id, first)
	b.lookUntilHealing(w, id)
	v := b.reaches(id, ops.UpdateComplete)
	now := b.namesOf(id, "default-master")
	if len(now) != 3 || slices.Contains(now, first) || len(b.kubeNodes(v, b.secrets)) != 4 {
		t.Errorf("control planes are %v, %s was to be replaced\n%s", now, first, b.events(id))
	}
	testenv.Eventually(t, eventually, "the cluster to be healthy", func() bool {
		b.look(w)
		status, _ := b.health(id)
		return status == "HEALTHY"
	})
	b.quiet(id, "the comparison after it", func() { b.drift(w) })
	b.deleted(id)
}

// TestAServerThatIsDeletedIsReplaced: with healing off too, as a part of the cluster that is gone; where Nova keeps what was
// deleted as well.
func TestAServerThatIsDeletedIsReplaced(t *testing.T) {
	for name, cloud := range map[string]sim.Options{"gone": {}, "kept": {KeepDeleted: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replacesADeletedServer(t, cloud)
		})
	}
}

func replacesADeletedServer(t *testing.T, cloud sim.Options) {
	b, _, w, id := watchedIn(t, cloud, order{name: "dev", masters: 1, workers: 2})
	b.look(w)
	names := b.namesOf(id, "default-worker")
	b.person("demo").must(http.MethodDelete, "/compute/v2.1/servers/"+b.node(id, names[1]).HostID, nil, nil)
	b.missed(id, names[1])
	b.drift(w)
	b.reaches(id, ops.UpdateComplete)
	now := b.namesOf(id, "default-worker")
	if len(now) != 2 || now[0] != names[0] || now[1] == names[1] {
		t.Fatalf("the workers are %v, were %v\n%s", now, names, b.events(id))
	}
	if n := b.told(id, "drift", "server "+names[1]+" is gone"); n != 1 {
		t.Errorf("the loss was told %d times\n%s", n, b.events(id))
	}
	b.look(w)
	b.quiet(id, "a second comparison", func() { b.drift(w) })
	b.deleted(id)
}

// TestNothingIsHealedBehindAnAPIThatIsAway: nobody knows then what is wrong. The words stay the same, so they are told once.
func TestNothingIsHealedBehindAnAPIThatIsAway(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 2})
	b.labelled(id, "auto_healing_enabled", "true")
	w.Config.HealAfter = time.Hour
	worker := b.namesOf(id, "default-worker")[0]
	b.stop(id, worker)
	b.look(w)
	master := b.node(id, b.namesOf(id, "default-master")[0])
	b.person("demo").must(http.MethodPost, "/compute/v2.1/servers/"+master.HostID+"/action", map[string]any{"os-stop": nil}, nil)
	testenv.Eventually(t, eventually, "the API to be away", func() bool {
		b.look(w)
		status, reason := b.health(id)
		return status == "UNHEALTHY" && reason["api"] != "ok"
	})
	w.Config.HealAfter = time.Millisecond
	for range 3 {
		b.look(w)
	}
	if n := len(b.operations(id, ops.NodeGroupHeal)); n != 0 {
		t.Errorf("%d operations heal", n)
	}
	if n := b.told(id, "healing of default-worker", "the Kubernetes API does not answer"); n != 1 {
		t.Errorf("the brake was told %d times\n%s", n, b.events(id))
	}
	b.quiet(id, "a look at a cluster that is away", func() { b.look(w) })
	b.deleted(id)
}

// calm waits until the cluster's load balancer is not being changed: nobody can tell then what it lacks.
func (b *bed) calm(id string) {
	b.t.Helper()
	_, o := b.owner()
	testenv.Eventually(b.t, eventually, "the load balancer to be calm", func() bool {
		x, err := o.Get(b.t.Context(), b.recorded(id, drivers.KindLoadBalancer)[0].CloudID)
		return err != nil || !strings.HasPrefix(x.Status, "PENDING_")
	})
}
