package chaos

import (
	"context"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// TestCrashPointsOfNodeGroups strikes one write after the other of the making of a node group and of its removal, all in one
// cluster, which stands as before in the end.
func TestCrashPointsOfNodeGroups(t *testing.T) {
	const group = "pool"
	w := newWorld(t)
	uuid := w.one(t, w.recipe)
	alone := w.census(t)
	groups := func() int {
		v, err := w.Store.Cluster(context.Background(), uuid, "")
		if err != nil {
			t.Fatal(err)
		}
		return len(v.NodeGroups)
	}
	drop := func() *db.Operation { return w.RequestWith(t, uuid, ops.NodeGroupDelete, group, nil, nil) }
	t.Run("made", func(t *testing.T) {
		w.struckAt(t, true, func() *db.Operation {
			if groups() > 2 {
				w.finish(t, drop())
			}
			return w.AddGroup(t, uuid, group, 2)
		}, func(op *db.Operation, has map[string]int) {
			w.sound(t, op, has)
			if n := len(w.nodesOf(t, uuid, group)); n != 2 || has["server"] != alone["server"]+2 || groups() != 3 {
				t.Errorf("%d nodes in the rows of %d groups, %d servers in the cloud", n, groups(), has["server"])
			}
		})
	})
	t.Run("removed", func(t *testing.T) {
		w.struckAt(t, true, func() *db.Operation {
			if groups() == 2 {
				w.finish(t, w.AddGroup(t, uuid, group, 2))
			}
			return drop()
		}, func(op *db.Operation, _ map[string]int) {
			w.sound(t, op, alone)
			if groups() != 2 {
				t.Errorf("there are %d groups", groups())
			}
		})
	})
	w.gone(t, uuid)
}
