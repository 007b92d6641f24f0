package engine

import (
	"slices"
	"testing"

	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// runtimeClasses of a cluster, as its API tells them to an administrator.
func (b *bed) runtimeClasses(v *db.ClusterView) map[string]nodev1.RuntimeClass {
	b.t.Helper()
	l, err := b.clientset(v).NodeV1().RuntimeClasses().List(b.t.Context(), metav1.ListOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	classes := map[string]nodev1.RuntimeClass{}
	for _, class := range l.Items {
		classes[class.Name] = class
	}
	return classes
}

// TestSandboxedPools: a pool of Kata gets label, taint and RuntimeClass; the class stays as long as any pool has it.
func TestSandboxedPools(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	b.run(b.conductor("one"), b.conductor("two"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true, group: func(g *db.NodeGroup, s *ops.GroupSpec) {
		s.Runtime = ops.RuntimeGVisor // of the workers: the control plane stays as it is
	}})
	v, err := b.store.Cluster(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	if classes := b.runtimeClasses(v); len(classes) != 1 || classes["gvisor"].Handler != "runsc" {
		t.Errorf("after the create: %v", classes)
	}
	sandbox := func(g *db.NodeGroup, s *ops.GroupSpec) {
		s.Runtime = ops.RuntimeKata
		g.NodeLabels = db.Strings{"example.org/colour": "green"}
		g.NodeTaints = db.Taints{{Key: "gpu", Value: "yes", Effect: "NoSchedule"}}
	}
	b.addGroup(id, b.group("one", db.RoleWorker, 1, sandbox))
	b.addGroup(id, b.group("two", db.RoleWorker, 2, sandbox))
	v = b.reaches(id, ops.UpdateComplete)
	class := b.runtimeClasses(v)["kata"]
	if class.Handler != "kata" || class.Overhead.PodFixed.Cpu().String() != "250m" || class.Overhead.PodFixed.Memory().String() != "160Mi" ||
		class.Scheduling.NodeSelector[ops.RuntimeLabel] != "kata" || len(class.Scheduling.Tolerations) != 1 || class.Scheduling.Tolerations[0].Key != ops.RuntimeLabel {
		t.Errorf("RuntimeClass %+v", class)
	}
	nodes, taint := b.kubeNodes(v, b.secrets), kube.Taint{Key: ops.RuntimeLabel, Value: "kata", Effect: "NoSchedule"}
	for name, n := range nodes {
		walled := slices.Contains(slices.Concat(b.namesOf(id, "one"), b.namesOf(id, "two")), name)
		if (n.Labels[ops.RuntimeLabel] == "kata") != walled || slices.Contains(n.Taints, taint) != walled {
			t.Errorf("%s has labels %v and taints %v", name, n.Labels, n.Taints)
		}
		if walled && (n.Labels["example.org/colour"] != "green" || !slices.Contains(n.Taints, kube.Taint{Key: "gpu", Value: "yes", Effect: "NoSchedule"})) {
			t.Errorf("%s lost its user's labels or taints: %v, %v", name, n.Labels, n.Taints)
		}
	}

	b.request(id, ops.NodeGroupDelete, "one", nil)
	v = b.reaches(id, ops.UpdateComplete)
	if _, there := b.runtimeClasses(v)["kata"]; !there {
		t.Error("the class went with the first of two pools")
	}
	b.request(id, ops.NodeGroupDelete, "two", nil)
	v = b.reaches(id, ops.UpdateComplete)
	if classes := b.runtimeClasses(v); len(classes) != 1 {
		t.Errorf("after the last pool: %v", classes)
	}
	b.deleted(id)
}
