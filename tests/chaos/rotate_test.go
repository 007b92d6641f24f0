package chaos

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// sound fails the test unless a cluster stands after a rotation as before: the same in the cloud, one authority of each
// kind and one credential, both of which work, and every node ready.
func (w *world) sound(t *testing.T, op *db.Operation, has map[string]int) {
	t.Helper()
	v, err := w.Store.Cluster(context.Background(), op.ClusterUUID, "")
	if err != nil {
		t.Fatal(err)
	}
	if v.Status != ops.UpdateComplete {
		w.story(t, op)
		t.Fatalf("the cluster is %s, want %s", v.Status, ops.UpdateComplete)
	}
	for name := range v.SecretRefs {
		if !slices.Contains(append(ops.SecretNames(), ops.Generation, ops.CredentialGeneration), name) {
			t.Errorf("%s is left", name)
		}
	}
	if diff := cmp.Diff(has, w.census(t)); diff != "" {
		t.Errorf("what the cluster had in the cloud (-) and has (+):\n%s", diff)
	}
	for _, n := range w.KubeNodes(t, op.ClusterUUID) {
		if !n.Ready {
			t.Errorf("%s is not ready: %s", n.Name, n.Reason)
		}
	}
}

// TestCrashPointsOfRotations strikes one write of a rotation after the other, all on one cluster; another conductor goes on.
func TestCrashPointsOfRotations(t *testing.T) {
	for _, kind := range []ops.Kind{ops.ClusterRotateCA, ops.ClusterRotateCredential} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t)
			created := w.Create(t, w.recipe)
			w.finish(t, created)
			has := w.census(t)
			op := w.Request(t, created.ClusterUUID, kind)
			v := w.victim(t, never, 0)
			w.run(t, v, op)
			w.sound(t, op, has)
			writes := slices.Clone(v.trace)
			t.Logf("it has %d writes", len(writes))
			for _, f := range []fault{diesBefore, diesAfter, refused, lost} {
				at := points(f, writes)
				if kind == ops.ClusterRotateCA && len(at) == sampled { // they take their time
					at = at[:1]
				}
				each(t, f, at, func(n int) string {
					op := w.Request(t, created.ClusterUUID, kind)
					v := w.victim(t, f, n)
					w.run(t, v, op)
					w.finish(t, op)
					w.sound(t, op, has)
					if t.Failed() {
						t.Fatalf("after %s at write %d, %s", f, n, v.struck())
					}
					return v.struck()
				})
			}
			op = w.Delete(t, created.ClusterUUID)
			w.finish(t, op)
			w.nothing(t, op)
		})
	}
}
