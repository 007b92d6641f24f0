package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// budgeted puts a pod on a node, and a budget that wants so many of its kind.
func budgeted(node string, available int) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: default, labels: {app: db}}
spec: {nodeName: %s, containers: [{name: db, image: db}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: db, namespace: default}
spec: {minAvailable: %d, selector: {matchLabels: {app: db}}}
`, node, available)
}

// TestRemovalUnderABudget: a node goes when the budgets of what runs there let it, or when the time of a drain is over.
func TestRemovalUnderABudget(t *testing.T) {
	for _, tc := range []struct {
		name  string
		drain time.Duration // 0: budgets hold for longer than the test
	}{{"that gives way", 0}, {"that never does", time.Second}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			b.secrets, b.drain = b.rows(), tc.drain
			b.run(b.conductor("one"))
			id := b.completed(order{name: "dev", masters: 1, workers: 2})
			v, err := b.store.Cluster(context.Background(), id, "")
			if err != nil {
				t.Fatal(err)
			}
			victim, c := b.namesOf(id, "default-worker")[1], b.kube(v, b.secrets)
			if err := c.Apply(context.Background(), budgeted(victim, 1), "test"); err != nil {
				t.Fatal(err)
			}
			b.giveUp(id, victim)
			b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 1 })
			testenv.Eventually(t, eventually, "the drain to be held by the budget", func() bool { return strings.Contains(b.events(id), "held by a disruption budget") })
			if n := b.kubeNodes(v, b.secrets)[victim]; n.Name == "" || !n.Unschedulable {
				t.Errorf("while it is drained the node is %+v", n)
			}
			if tc.drain == 0 {
				if err := c.Apply(context.Background(), budgeted(victim, 0), "test"); err != nil {
					t.Fatal(err)
				}
			}
			b.reaches(id, ops.UpdateComplete)
			if _, there := b.kubeNodes(v, b.secrets)[victim]; there || len(b.cloud.Resources(b.project)["server"]) != 2 {
				t.Errorf("the node is still there\n%s", b.events(id))
			}
		})
	}
}

// TestAPodThatNeverGoes: a finalizer that nobody takes away keeps a pod's record, and not its node.
func TestAPodThatNeverGoes(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets, b.drain = b.rows(), time.Second
	worker := b.conductor("one")
	b.run(worker)
	id := b.completed(order{name: "dev", masters: 1, workers: 2})
	victim, c := b.namesOf(id, "default-worker")[1], b.kube(b.view(id), b.secrets)
	if err := c.Apply(context.Background(), fmt.Appendf(nil, `apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: default, finalizers: [example.org/never]}
spec: {nodeName: %s, containers: [{name: db, image: db}]}
`, victim), "test"); err != nil {
		t.Fatal(err)
	}
	b.giveUp(id, victim)
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 1 })
	testenv.Eventually(t, eventually, "the drain to wait for the pod", func() bool { return strings.Contains(b.events(id), "db-0: terminating") })
	hurry(t, worker, 60)
	b.reaches(id, ops.UpdateComplete)
}

// TestAVolumeThatIsNeverDetached: what lets go of volumes may be broken; the node goes all the same, and a word says so.
func TestAVolumeThatIsNeverDetached(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets, b.drain = b.rows(), time.Second
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 2})
	victim, c := b.namesOf(id, "default-worker")[1], b.kube(b.view(id), b.secrets)
	if err := c.Apply(t.Context(), fmt.Appendf(nil, `apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: csi-1, finalizers: [external-attacher/cinder-csi-openstack-org]}
spec: {attacher: cinder.csi.openstack.org, nodeName: %s, source: {persistentVolumeName: pv-1}}
`, victim), "test"); err != nil {
		t.Fatal(err)
	}
	b.giveUp(id, victim)
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 1 })
	b.reaches(id, ops.UpdateComplete)
	for _, words := range []string{"1 volumes to leave " + victim, "1 volumes are still attached to " + victim} {
		if b.told(id, "volumes leave "+victim, words) != 1 {
			t.Errorf("nobody says %q\n%s", words, b.events(id))
		}
	}
}

// TestControlPlanesThatCameAfterACancel: an operation is cancelled while its hosts boot. They join all the same, with members
// of etcd whose kubelets nobody has given serving certificates, so that none of them can be asked how it is. They leave again.
func TestControlPlanesThatCameAfterACancel(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
	v, err := b.store.Cluster(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	b.request(id, ops.NodeGroupResize, "default-master", func(g *db.NodeGroup) { g.NodeCount = 3 })
	testenv.Eventually(t, eventually, "two more hosts to be asked for", func() bool {
		l := b.recorded(id, drivers.KindServer)
		return len(l) == 4 && l[2].CloudID != "" && l[3].CloudID != ""
	})
	b.cancel(id)
	b.reaches(id, ops.UpdateFailed)
	testenv.Eventually(t, eventually, "both to join all the same", func() bool { return len(b.kubeNodes(v, b.secrets)) == 4 })
	b.request(id, ops.NodeGroupResize, "default-master", func(g *db.NodeGroup) { g.NodeCount = 1 })
	b.reaches(id, ops.UpdateComplete)
	b.soundControlPlane(id, 1)
}
