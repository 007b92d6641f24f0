package engine

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// TestCoreDNS: a drain takes one of its pods at a time, also after somebody deleted the budget that says so; and where both
// started on one node, the next node that joins brings them apart.
func TestCoreDNS(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 0})
	v := b.view(id)
	c := b.clientset(v)
	budget := func() error {
		p, err := c.PolicyV1().PodDisruptionBudgets("kube-system").Get(t.Context(), "coredns", metav1.GetOptions{})
		if err == nil && (p.Spec.MaxUnavailable.IntValue() != 1 || p.Spec.Selector.MatchLabels["k8s-app"] != "kube-dns") {
			t.Errorf("the budget is %+v", p.Spec)
		}
		return err
	}
	if err := budget(); err != nil {
		t.Fatal(err)
	}
	if err := c.PolicyV1().PodDisruptionBudgets("kube-system").Delete(t.Context(), "coredns", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.drift(w)
	b.reaches(id, ops.UpdateComplete)
	if err := budget(); err != nil {
		t.Errorf("after a look for drift: %v", err)
	}

	// the simulator runs no CoreDNS
	first := b.namesOf(id, "default-master")[0]
	for _, name := range []string{"coredns-a", "coredns-b"} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "kube-system", Labels: map[string]string{"k8s-app": "kube-dns"}},
			Spec: corev1.PodSpec{NodeName: first, Containers: []corev1.Container{{Name: "coredns", Image: "coredns"}}}}
		if _, err := c.CoreV1().Pods("kube-system").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, count := range []int{1, 2} { // one pod has left then, and nothing makes another
		b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = count })
		b.reaches(id, ops.UpdateComplete)
		if l, err := c.CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"}); err != nil || len(l.Items) != 1 {
			t.Fatalf("%d pods of CoreDNS are on the first node with %d workers, %v\n%s", len(l.Items), count, err, b.events(id))
		}
	}
	b.deleted(id)
}
