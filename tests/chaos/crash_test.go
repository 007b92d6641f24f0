package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/conductor"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

const (
	// full asks for every crash point; without it a sample is taken, another one each time.
	full     = "JEROBOAM_TEST_FULL"
	sampled  = 4 // points per fault and operation
	poll     = 20 * time.Millisecond
	patience = 2 * time.Minute // for an operation that takes about a second
)

// world is a rig with one shape of cluster.
type world struct {
	*rig.Rig
	recipe *rig.Recipe
	path   string // of the database
	only   string // what writes contain that are struck
	lives  int    // victims so far
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, rig.Shape{Name: "crash", Masters: 1, Workers: 1, LoadBalancer: true})
}

func newWorldOf(t *testing.T, shape rig.Shape) *world {
	t.Helper()
	path := t.TempDir() + "/world.sqlite"
	// No faster than this: the time-outs of kubeadm run in the cloud's time, and have to outlast a busy machine.
	r := rig.New(t, rig.Options{Connection: "sqlite:///" + path, Haste: 20, Sim: sim.Options{Speed: 50}})
	return &world{Rig: r, recipe: r.Resolve(t, shape), path: path}
}

// victim is a conductor with a cutter around it.
type victim struct {
	*cutter
	conductor *conductor.Conductor
	ctx       context.Context //nolint:containedctx // the life of the process that it stands for
	store     *db.Store
	gate      *httptest.Server
}

// victim makes a conductor that f strikes at its n-th write.
func (w *world) victim(t *testing.T, f fault, n int) *victim {
	t.Helper()
	ctx, kill := context.WithCancel(context.Background())
	t.Cleanup(kill)
	w.lives++
	c := &cutter{fault: f, at: n, only: w.only, kill: kill}
	dir, file := w.path[:strings.LastIndex(w.path, "/")], w.path[strings.LastIndex(w.path, "/"):]
	path := dir + strings.Repeat("/.", w.lives) + file
	hooks.watch(path, c)
	v := &victim{cutter: c, ctx: ctx, store: rig.Open(t, "sqlite:///"+path), gate: c.gate(t, w.Cloud.URL())}
	v.conductor = w.Conductor(t, rig.ConductorOptions{Owner: fmt.Sprintf("victim-%d", w.lives), Store: v.store, Gate: v.gate.URL, Poll: poll})
	return v
}

// run lets the victim work until it is dead or the operation ended. A slice of its that could not be recorded is run
// again when the lease ends, which is at once.
func (w *world) run(t *testing.T, v *victim, op *db.Operation) {
	t.Helper()
	testenv.Eventually(t, patience, "the end of the operation or of the conductor", func() bool {
		w.Expire(t, op)
		_ = v.conductor.ProcessOne(v.ctx, op.UUID) // a database that fails is what this is about
		return v.isDead() || w.Ended(t, op)
	})
	v.gate.Close()
	if err := v.store.Close(); err != nil {
		t.Errorf("closing the victim's database: %v", err)
	}
}

// finish lets a healthy conductor bring the operation to its end, and fails the test when that is not a good one.
func (w *world) finish(t *testing.T, op *db.Operation) {
	t.Helper()
	heir := w.Conductor(t, rig.ConductorOptions{Owner: "heir", Poll: poll})
	ended := false
	defer func() {
		if !ended {
			w.story(t, op)
		}
	}()
	testenv.Eventually(t, patience, "the end of the operation", func() bool {
		if w.Ended(t, op) {
			return true
		}
		w.Expire(t, op)
		if err := heir.ProcessOne(context.Background(), op.UUID); err != nil {
			t.Fatal(err)
		}
		return false
	})
	if o, err := w.Store.Operation(context.Background(), op.UUID); err != nil || o.Status != db.OpComplete {
		t.Fatalf("the operation ended as %q: %s (%v)", o.Status, o.Fault, err)
	}
	ended = true
}

// story logs what is known of an operation that has come to no good end.
func (w *world) story(t *testing.T, op *db.Operation) {
	t.Helper()
	l, err := w.Store.Events(context.Background(), op.ClusterUUID, db.EventFilter{OperationUUID: op.UUID, Limit: 1000})
	if err != nil {
		t.Log(err)
	}
	for _, e := range l {
		t.Logf("%s %s %s: %s", e.Time.Format("15:04:05.000"), e.Level, e.Step, e.Message)
	}
	for name, lines := range w.Cloud.Consoles() {
		t.Logf("console of %s:\n%s", name, strings.Join(lines, "\n"))
	}
}

// census counts what there is in the cloud by kind, and fails the test when two objects of a kind have one name.
func (w *world) census(t *testing.T) map[string]int {
	t.Helper()
	count, left := map[string]int{}, w.Left()
	once(t, left, nil)
	for kind, l := range left {
		count[kind] = len(l)
	}
	return count
}

// whole fails the test unless the cluster stands as one made without faults does.
func (w *world) whole(t *testing.T, op *db.Operation, want map[string]int) {
	t.Helper()
	v, err := w.Store.Cluster(context.Background(), op.ClusterUUID, "")
	if err != nil || v.Status != ops.CreateComplete {
		t.Fatalf("the cluster is %s, want %s (%v)", v.Status, ops.CreateComplete, err)
	}
	if diff := cmp.Diff(want, w.census(t)); diff != "" {
		t.Errorf("what a cluster has in the cloud (-) and what this one has (+):\n%s", diff)
	}
	w.told(t, op)
}

// told fails the test unless other services hear of an operation's begin and of its success, of each once.
func (w *world) told(t *testing.T, op *db.Operation) {
	t.Helper()
	all, err := w.Store.Notifications(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range all {
		var p struct {
			Action, Outcome string
			Target          struct{ ID string }
		}
		if err := json.Unmarshal(n.Payload, &p); err != nil {
			t.Fatal(err)
		}
		if p.Target.ID == op.ClusterUUID && "cluster."+p.Action == op.Kind {
			got = append(got, p.Outcome)
		}
	}
	if diff := cmp.Diff([]string{"pending", "success"}, got); diff != "" {
		t.Errorf("what is told of %s (-want +got):\n%s", op.Kind, diff)
	}
}

// nothing fails the test unless cloud and database are as before the cluster.
func (w *world) nothing(t *testing.T, op *db.Operation) {
	t.Helper()
	if left := w.Left(); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
	if _, err := w.Store.Cluster(context.Background(), op.ClusterUUID, ""); err != db.ErrNotFound { //nolint:errorlint // it is that very error
		t.Errorf("the cluster's row is still there: %v", err)
	}
	for _, n := range w.Machines(t) {
		if n.InstanceID != "" || n.Lessee != "" {
			t.Errorf("node %s is still %s, of instance %q and lessee %q", n.Title(), n.State, n.InstanceID, n.Lessee)
		}
	}
	if l, err := w.Store.Resources(context.Background(), op.ClusterUUID); err != nil || len(l) > 0 {
		t.Errorf("left in the ledger: %d rows, %v", len(l), err)
	}
	w.told(t, op)
}

// baseline makes and deletes one cluster in peace and gives the writes of both and what the cluster had.
func baseline(t *testing.T) (create, remove []string, has map[string]int) {
	t.Helper()
	w := newWorld(t)
	create, remove, has = w.peace(t)
	if has["server"] != 2 || has["load_balancer"] != 1 || has["network"] != 1 {
		t.Fatalf("a cluster of two hosts behind a load balancer has %v in the cloud", has)
	}
	return create, remove, has
}

// peace makes and deletes one cluster without faults.
func (w *world) peace(t *testing.T) (create, remove []string, has map[string]int) {
	t.Helper()
	op := w.Create(t, w.recipe)
	v := w.victim(t, never, 0)
	w.run(t, v, op)
	has, create = w.census(t), slices.Clone(v.trace)
	w.whole(t, op, has)
	w.Serve(t, op.ClusterUUID)
	op = w.Delete(t, op.ClusterUUID)
	v = w.victim(t, never, 0)
	w.run(t, v, op)
	w.nothing(t, op)
	return create, slices.Clone(v.trace), has
}

// points are the writes that a fault strikes: all of them or a sample. Only the cloud's answers can get lost.
func points(f fault, writes []string) []int {
	var all []int
	for i, w := range writes {
		if f != lost || w != commit {
			all = append(all, i+1)
		}
	}
	if os.Getenv(full) == "1" || len(all) <= sampled {
		return all
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.Sort(all[:sampled])
	return all[:sampled]
}

// beyond is how many points in a row are struck in vain before the others are let be.
const beyond = 8

// each strikes at one point after the other; strike tells what it met. How many writes an operation makes depends on how often
// it is looked at, so the last points may be beyond its end.
func each(t *testing.T, f fault, at []int, strike func(n int) (struck string)) {
	t.Helper()
	for i, missed := 0, 0; i < len(at) && missed < beyond; i++ {
		struck := strike(at[i])
		t.Logf("write %d %s: %s", at[i], f, struck)
		if missed++; struck != "" {
			missed = 0
		}
	}
}

// TestCrashPoints strikes one write of a create or of a delete; another conductor goes on.
func TestCrashPoints(t *testing.T) {
	create, remove, has := baseline(t)
	t.Logf("a create has %d writes, a delete %d", len(create), len(remove))
	for _, f := range []fault{diesBefore, diesAfter, refused, lost} {
		t.Run(string(f), func(t *testing.T) {
			w := newWorld(t)
			each(t, f, points(f, create), func(n int) string { return w.strike(t, f, n, 0, has) })
			each(t, f, points(f, remove), func(n int) string { return w.strike(t, f, 0, n, has) })
		})
	}
}

// TestCrashPointsOnMetal strikes every write to Ironic of a cluster whose worker is one of its nodes.
func TestCrashPointsOnMetal(t *testing.T) {
	shape := rig.Shape{Name: "metal", Masters: 1, Workers: 1, Metal: true}
	create, remove, has := newWorldOf(t, shape).peace(t)
	t.Logf("a create has %d writes, a delete %d", len(create), len(remove))
	for _, f := range []fault{diesBefore, diesAfter, lost} {
		t.Run(string(f), func(t *testing.T) {
			w := newWorldOf(t, shape)
			for i, write := range create {
				if strings.Contains(write, " /baremetal/") {
					t.Logf("create, write %d %s: %s", i+1, f, w.strike(t, f, i+1, 0, has))
				}
			}
			for i, write := range remove {
				if strings.Contains(write, " /baremetal/") {
					t.Logf("delete, write %d %s: %s", i+1, f, w.strike(t, f, 0, i+1, has))
				}
			}
		})
	}
}

// strike makes and deletes a cluster with a fault at one write of either; 0 is none. It tells which write that was.
func (w *world) strike(t *testing.T, f fault, create, remove int, has map[string]int) (struck string) {
	t.Helper()
	op := w.Create(t, w.recipe)
	if v := w.victim(t, f, create); create > 0 {
		w.run(t, v, op)
		struck = v.struck()
	}
	w.finish(t, op)
	w.whole(t, op, has)
	w.Serve(t, op.ClusterUUID)
	op = w.Delete(t, op.ClusterUUID)
	if v := w.victim(t, f, remove); remove > 0 {
		w.run(t, v, op)
		struck = v.struck()
	}
	w.finish(t, op)
	w.nothing(t, op)
	if t.Failed() {
		t.Fatalf("after %s at write %d of the create or %d of the delete", f, create, remove)
	}
	return struck
}

// TestAConductorThatDiesAtEveryWrite lets each conductor do next to nothing before it dies.
func TestAConductorThatDiesAtEveryWrite(t *testing.T) {
	_, _, has := baseline(t)
	w := newWorld(t)
	op := w.Create(t, w.recipe)
	created := w.dieAgainAndAgain(t, op)
	w.finish(t, op)
	w.whole(t, op, has)
	w.Serve(t, op.ClusterUUID)
	op = w.Delete(t, op.ClusterUUID)
	deleted := w.dieAgainAndAgain(t, op)
	w.finish(t, op)
	w.nothing(t, op)
	t.Logf("%d conductors died while it was created, %d while it was deleted", created, deleted)
}

// dieAgainAndAgain gives an operation to one victim after the other. What each of them writes whatever it finds is its claim,
// the rows under the fence, the role of the service user, its events and the parked operation: with that many writes, and
// none more, one of them gets somewhere now and then.
func (w *world) dieAgainAndAgain(t *testing.T, op *db.Operation) (deaths int) {
	t.Helper()
	const writes, most = 5, 500
	for ; !w.Ended(t, op); deaths++ {
		w.Expire(t, op)
		v := w.victim(t, diesBefore, writes+1)
		w.run(t, v, op)
		if deaths == most {
			t.Fatalf("%d conductors died and the operation has not ended; the last one wrote %v", most, v.trace)
		}
	}
	return deaths
}
