package chaos

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// wish changes which add-ons a cluster is to have, and asks for that.
func (w *world) wish(t *testing.T, clusterUUID string, names ...string) *db.Operation {
	t.Helper()
	err := w.Store.ChangeCluster(context.Background(), clusterUUID, func(s *db.Snapshot) error {
		var spec ops.ClusterSpec
		if err := json.Unmarshal(s.Cluster.Spec, &spec); err != nil {
			return err
		}
		spec.Addons = names
		raw, err := json.Marshal(spec)
		s.Cluster.Spec = raw
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w.Request(t, clusterUUID, ops.ClusterUpdate)
}

// addons of a cluster by the labels of its objects.
func (w *world) addons(t *testing.T, clusterUUID string) []string {
	t.Helper()
	var names []string
	_, err := w.Kube(t, clusterUUID).Prune(t.Context(), addons.Label, func(o *unstructured.Unstructured) bool {
		names = append(names, o.GetLabels()[addons.Label])
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestCrashPointsOfAddons strikes one write after the other of operations that turn add-ons on and off, all on one cluster.
func TestCrashPointsOfAddons(t *testing.T) {
	w := newWorld(t)
	w.recipe = w.Resolve(t, rig.Shape{Name: "crash", Masters: 1, Workers: 1, LoadBalancer: true, Addons: []string{ops.AddonCloudProvider}})
	created := w.Create(t, w.recipe)
	w.finish(t, created)
	has, id := w.census(t), created.ClusterUUID
	more := []string{ops.AddonCloudProvider, ops.AddonCinderCSI, ops.AddonMetricsServer}
	wishes, next := [][]string{more, {ops.AddonCloudProvider, ops.AddonMetricsServer}}, 0
	strike := func(f fault, n int) *victim {
		wanted := wishes[next%2]
		next++
		op := w.wish(t, id, wanted...)
		v := w.victim(t, f, n)
		w.run(t, v, op)
		w.finish(t, op)
		w.sound(t, op, has)
		want := append([]string{addons.CoreDNS, addons.CloudConfig}, wanted...)
		slices.Sort(want)
		if d := cmp.Diff(want, w.addons(t, id)); d != "" {
			t.Errorf("after %s at write %d, add-ons (-want +got):\n%s", f, n, d)
		}
		return v
	}
	writes := slices.Clone(strike(never, 0).trace)
	t.Logf("it has %d writes", len(writes))
	for _, f := range []fault{diesBefore, diesAfter, refused, lost} {
		for _, n := range points(f, writes) {
			v := strike(f, n)
			t.Logf("write %d %s: %s", n, f, v.struck())
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	op := w.Delete(t, id)
	w.finish(t, op)
	w.nothing(t, op)
}
