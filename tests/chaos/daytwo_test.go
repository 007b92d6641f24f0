package chaos

import (
	"context"
	"slices"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// one completed cluster of a recipe.
func (w *world) one(t *testing.T, recipe *rig.Recipe) (uuid string) {
	t.Helper()
	op := w.Create(t, recipe)
	w.finish(t, op)
	return op.ClusterUUID
}

// gone deletes a cluster, which leaves nothing.
func (w *world) gone(t *testing.T, uuid string) {
	t.Helper()
	op := w.Delete(t, uuid)
	w.finish(t, op)
	w.nothing(t, op)
}

// nodesOf lists the names of a node group's nodes in the rows.
func (w *world) nodesOf(t *testing.T, uuid, group string) []string {
	t.Helper()
	v, err := w.Store.Cluster(context.Background(), uuid, "")
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := w.Store.Nodes(context.Background(), uuid)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range v.NodeGroups {
		for _, n := range nodes {
			if g.Name == group && n.NodeGroupUUID == g.UUID {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// versions fails the test unless all of a cluster's nodes run a version, as many as the rows have.
func (w *world) versions(t *testing.T, uuid, version string) {
	t.Helper()
	nodes := w.KubeNodes(t, uuid)
	for _, n := range nodes {
		if n.Version != version || !n.Ready || n.Unschedulable {
			t.Errorf("%s runs %s, ready: %t, cordoned: %t; want %s", n.Name, n.Version, n.Ready, n.Unschedulable, version)
		}
	}
	if want := len(w.nodesOf(t, uuid, "default-master")) + len(w.nodesOf(t, uuid, "default-worker")); len(nodes) != want {
		t.Errorf("the cluster has %d nodes, the rows %d", len(nodes), want)
	}
}

// struckAt strikes writes of one operation after the other, a sample of those that a peaceful one makes. Few: it is one that
// takes its time. Ask asks for the operation, peace says how the cluster stands after it.
func (w *world) struckAt(t *testing.T, few bool, ask func() *db.Operation, peace func(op *db.Operation, has map[string]int)) {
	t.Helper()
	op := ask()
	v := w.victim(t, never, 0)
	w.run(t, v, op)
	has, writes := w.census(t), slices.Clone(v.trace)
	peace(op, has)
	t.Logf("it has %d writes", len(writes))
	for _, f := range []fault{diesBefore, diesAfter, refused, lost} {
		at := points(f, writes)
		if few && len(at) == sampled {
			at = at[:1]
		}
		each(t, f, at, func(n int) string {
			op := ask()
			v := w.victim(t, f, n)
			w.run(t, v, op)
			w.finish(t, op)
			if peace(op, has); t.Failed() {
				t.Fatalf("after %s at write %d, %s", f, n, v.struck())
			}
			return v.struck()
		})
	}
}

// TestCrashPointsOfResizes strikes one write of a resize after the other, up and down, of workers and of the control plane
// with its etcd; another conductor goes on.
func TestCrashPointsOfResizes(t *testing.T) {
	for _, group := range []string{"default-worker", "default-master"} {
		t.Run(group, func(t *testing.T) {
			w := newWorld(t)
			uuid := w.one(t, w.recipe)
			to := func(count int) *db.Operation {
				return w.RequestWith(t, uuid, ops.NodeGroupResize, group, func(g *db.NodeGroup) { g.NodeCount = count }, nil)
			}
			stands := func(count int) func(*db.Operation, map[string]int) {
				return func(op *db.Operation, has map[string]int) {
					w.sound(t, op, has)
					if n := len(w.nodesOf(t, uuid, group)); n != count || has["server"] != count+1 {
						t.Errorf("%d nodes in the rows, %d servers in the cloud; want %d and %d", n, has["server"], count, count+1)
					}
				}
			}
			t.Run("up", func(t *testing.T) {
				w.struckAt(t, true, func() *db.Operation {
					if len(w.nodesOf(t, uuid, group)) > 1 {
						w.finish(t, to(1))
					}
					return to(3)
				}, stands(3))
			})
			t.Run("down", func(t *testing.T) {
				w.struckAt(t, true, func() *db.Operation {
					if len(w.nodesOf(t, uuid, group)) < 3 {
						w.finish(t, to(3))
					}
					return to(1)
				}, stands(1))
			})
			w.gone(t, uuid)
		})
	}
}

// TestCrashPointsOfHealing strikes one write after the other of the replacement of a node whose host is gone.
func TestCrashPointsOfHealing(t *testing.T) {
	w := newWorld(t)
	uuid := w.one(t, w.recipe)
	has := w.census(t)
	w.struckAt(t, false, func() *db.Operation {
		node := w.nodesOf(t, uuid, "default-worker")[0]
		w.Unplug(t, uuid, node)
		testenv.Eventually(t, patience, "the node to be missed", func() bool {
			return !slices.ContainsFunc(w.KubeNodes(t, uuid), func(n kube.Node) bool { return n.Name == node && n.Ready })
		})
		return w.RequestWith(t, uuid, ops.NodeGroupHeal, "default-worker", nil, ops.Heal{Nodes: []string{node}})
	}, func(op *db.Operation, _ map[string]int) {
		w.sound(t, op, has)
		w.versions(t, uuid, rig.Version)
	})
	w.gone(t, uuid)
}

// TestCrashPointsOfUpgrades strikes one write of an upgrade by one minor version: of all control planes, and of the workers.
func TestCrashPointsOfUpgrades(t *testing.T) {
	w := newWorld(t)
	old := w.Resolve(t, rig.Shape{Name: "crash", Masters: 1, Workers: 1, LoadBalancer: true, Version: rig.OldVersion})
	uuid := ""
	w.struckAt(t, true, func() *db.Operation {
		if uuid != "" {
			w.gone(t, uuid)
		}
		uuid = w.one(t, old)
		return w.RequestWith(t, uuid, ops.ClusterUpgrade, "", nil, w.Upgrade(t, uuid, old, w.recipe, 1))
	}, func(op *db.Operation, has map[string]int) {
		w.sound(t, op, has)
		w.versions(t, uuid, rig.Version)
	})
	w.gone(t, uuid)
}
