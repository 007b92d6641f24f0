package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

// signed gives one of the cluster's authorities and an administrator's certificate that it has signed.
func (b *bed) signed(v *db.ClusterView, secrets certmanager.Manager, authority string) (ca pki.Bundle, cert, key []byte) {
	b.t.Helper()
	ca, err := secrets.Get(context.Background(), certmanager.Owner{ClusterUUID: v.UUID, ProjectID: v.ProjectID}, v.SecretRefs[authority])
	if err != nil {
		b.t.Fatal(err)
	}
	csr, key := adminRequest(b.t)
	cert, err = pki.SignCSR(ca, csr, pki.Options{TermOfValidity: time.Hour, Source: pki.Source{Now: time.Now(), Rand: rand.Reader}})
	if err != nil {
		b.t.Fatal(err)
	}
	return ca, cert, key
}

// kube is a client of the cluster as its administrator's, over its own API; until the end of the test.
func (b *bed) kube(v *db.ClusterView, secrets certmanager.Manager) *kube.Client {
	b.t.Helper()
	ca, cert, key := b.signed(v, secrets, ops.SecretCA)
	c, err := kube.New(kube.Access{Endpoint: *v.APIAddress, CA: ca.Certificate, ClientCert: cert, ClientKey: key})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

// kubeNodes lists the cluster's nodes.
func (b *bed) kubeNodes(v *db.ClusterView, secrets certmanager.Manager) map[string]kube.Node {
	b.t.Helper()
	nodes, err := b.askNodes(v, secrets)
	if err != nil {
		b.t.Fatal(err)
	}
	return nodes
}

// askNodes is kubeNodes for an API that may not answer just now.
func (b *bed) askNodes(v *db.ClusterView, secrets certmanager.Manager) (map[string]kube.Node, error) {
	b.t.Helper()
	c := b.kube(v, secrets)
	defer c.Close()
	l, err := c.Nodes(context.Background())
	nodes := map[string]kube.Node{}
	for _, n := range l {
		nodes[n.Name] = n
	}
	return nodes, err
}

// addGroup stores a new node group and its operation, as the API does.
func (b *bed) addGroup(clusterUUID string, g *db.NodeGroup) {
	b.t.Helper()
	id := uuid.NewString()
	g.ClusterUUID = clusterUUID
	err := b.store.ChangeCluster(context.Background(), clusterUUID, func(s *db.Snapshot) error {
		s.NodeGroups = append(s.NodeGroups, g)
		s.Cluster.Status = ops.UpdateInProgress
		op, err := ops.New(id, ops.NodeGroupCreate, s.Cluster, g, nil)
		s.Operations = append(s.Operations, op)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.ring(id)
}

// giveUp marks a node as removed, as the API does for a resize that names it.
func (b *bed) giveUp(clusterUUID, node string) {
	b.t.Helper()
	err := b.store.ChangeCluster(context.Background(), clusterUUID, func(s *db.Snapshot) error {
		for _, n := range s.Nodes {
			if n.Name == node {
				n.State = db.NodeRemoving
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// namesOf the nodes of a group that are wanted.
func (b *bed) namesOf(clusterUUID, group string) []string {
	b.t.Helper()
	g, err := b.store.NodeGroup(context.Background(), clusterUUID, group)
	if err != nil {
		b.t.Fatal(err)
	}
	l, err := b.store.Nodes(context.Background(), clusterUUID)
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, n := range l {
		if n.NodeGroupUUID == g.UUID && n.State == db.NodeWanted {
			names = append(names, n.Name)
		}
	}
	return names
}

// TestNodeGroups goes through the life of a group beside another one, and looks at the Kubernetes nodes.
func TestNodeGroups(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	b.run(b.conductor("one"), b.conductor("two"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})

	b.addGroup(id, b.group("gpu", db.RoleWorker, 2, func(g *db.NodeGroup, _ *ops.GroupSpec) {
		g.NodeLabels = db.Strings{"example.org/colour": "green", "node-role.kubernetes.io/gpu": ""}
		g.NodeTaints = db.Taints{{Key: "gpu", Value: "yes", Effect: "NoSchedule"}}
	}))
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 3 })
	v := b.reaches(id, ops.UpdateComplete)
	nodes, gpu := b.kubeNodes(v, b.secrets), b.namesOf(id, "gpu")
	if len(nodes) != 6 || len(gpu) != 2 || len(b.namesOf(id, "default-worker")) != 3 {
		t.Fatalf("%d nodes, %d in the new group\n%s", len(nodes), len(gpu), b.events(id))
	}
	for _, name := range gpu {
		n := nodes[name]
		if _, ok := n.Labels["node-role.kubernetes.io/gpu"]; !ok || n.Labels["example.org/colour"] != "green" || n.Labels["jeroboam.cloud/nodegroup"] != "gpu" {
			t.Errorf("labels of %s: %v", name, n.Labels)
		}
		if !slices.Contains(n.Taints, kube.Taint{Key: "gpu", Value: "yes", Effect: "NoSchedule"}) {
			t.Errorf("taints of %s: %v", name, n.Taints)
		}
	}

	victim, stays := gpu[0], gpu[1]
	b.giveUp(id, victim)
	b.request(id, ops.NodeGroupResize, "gpu", nil)
	v = b.reaches(id, ops.UpdateComplete)
	nodes, gpu = b.kubeNodes(v, b.secrets), b.namesOf(id, "gpu")
	if _, there := nodes[victim]; there || len(nodes) != 6 || len(gpu) != 2 || !slices.Contains(gpu, stays) {
		t.Errorf("after the replacement of %s: nodes of the group %v, %d in all", victim, gpu, len(nodes))
	}

	b.request(id, ops.NodeGroupDelete, "gpu", nil)
	v = b.reaches(id, ops.UpdateComplete)
	if nodes = b.kubeNodes(v, b.secrets); len(nodes) != 4 {
		t.Errorf("after the delete of the group there are %d nodes, want 4", len(nodes))
	}
	if left := b.cloud.Resources(b.project); len(left["server"]) != 4 || len(left["server_group"]) != 2 {
		t.Errorf("after the delete of the group the cloud has servers %v, groups %v", left["server"], left["server_group"])
	}
	b.deleted(id)
}

// TestNothingToDo: what is so already is left alone. A resize to the same size only renews the join token.
func TestNothingToDo(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 3, workers: 2, loadBalancer: true})
	reads, total := b.cloud.Calls(), 0
	for service, calls := range reads {
		for call, n := range calls {
			t.Logf("%4d %s %s", n, service, call)
			total += n
			bound := 10 // what is made, and its tags and rules
			if strings.HasPrefix(call, "GET ") {
				bound = 30 // a few looks while something is being built, never one per host and slice
			}
			if n > bound {
				t.Errorf("%s %s was called %d times, at most %d are reasonable", service, call, n, bound)
			}
		}
	}
	t.Logf("%4d calls in all", total)
	before := b.writes()
	b.request(id, ops.NodeGroupResize, "default-worker", nil)
	b.reaches(id, ops.UpdateComplete)
	for call, n := range b.writes() {
		if n != before[call] {
			t.Errorf("a resize to the same size made %d × %s", n-before[call], call)
		}
	}
}

// TestAnUpdateMeetsTheCount: what a resize that was cancelled left out is there in the end.
func TestAnUpdateMeetsTheCount(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1})
	for _, count := range []int{2, 1} {
		b.request(id, ops.NodeGroupUpdate, "default-worker", func(g *db.NodeGroup) {
			g.NodeCount, g.NodeLabels = count, db.Strings{"count": fmt.Sprint(count)}
		})
		v := b.reaches(id, ops.UpdateComplete)
		nodes, want := b.kubeNodes(v, b.secrets), b.namesOf(id, "default-worker")
		if len(want) != count || len(nodes) != count+1 {
			t.Errorf("%d workers in the rows, %d nodes in the cluster, want %d and %d\n%s", len(want), len(nodes), count, count+1, b.events(id))
		}
		for _, name := range want {
			if got := nodes[name].Labels["count"]; got != fmt.Sprint(count) {
				t.Errorf("%s has the label %q, want %d", name, got, count)
			}
		}
	}
}
