package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

const (
	oldImage, oldVersion = "ubuntu-24.04-kube-v1.36.6", "v1.36.6"
	newImage, newVersion = "ubuntu-24.04-kube-v1.37.2", "v1.37.2"
)

// older makes a cluster of the version before.
func (b *bed) older(name string, masters, workers int, loadBalancer bool) string {
	b.t.Helper()
	image := b.image(oldImage).ID
	return b.completed(order{name: name, masters: masters, workers: workers, loadBalancer: loadBalancer,
		cluster: func(s *ops.ClusterSpec) { s.KubernetesVersion = oldVersion },
		group: func(g *db.NodeGroup, s *ops.GroupSpec) {
			g.ImageID, s.ImageID, s.KubeVersion = oldImage, image, oldVersion
		}})
}

// upgradeOf is what the API stores for an upgrade to the newer version.
func (b *bed) upgradeOf(clusterUUID string, batch int) ops.Upgrade {
	b.t.Helper()
	v, err := b.store.Cluster(context.Background(), clusterUUID, "")
	if err != nil {
		b.t.Fatal(err)
	}
	u := ops.Upgrade{MaxBatchSize: batch, From: map[string]ops.Target{}, Target: ops.Target{TemplateID: "00000000-0000-0000-0000-00000000beef",
		Image: newImage, ImageID: b.image(newImage).ID, Distro: "ubuntu", KubernetesVersion: newVersion}}
	for _, g := range v.NodeGroups {
		u.From[g.UUID] = ops.Target{TemplateID: v.ClusterTemplateID, Image: oldImage, ImageID: b.image(oldImage).ID, Distro: "ubuntu", KubernetesVersion: oldVersion}
	}
	return u
}

// versions counts the cluster's Kubernetes nodes by version and readiness, as the cluster tells them.
func (b *bed) versions(clusterUUID string) map[string]int {
	b.t.Helper()
	v, err := b.store.Cluster(context.Background(), clusterUUID, "")
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]int{}
	for _, n := range b.kubeNodes(v, b.secrets) {
		word := n.Version
		if !n.Ready || n.Unschedulable {
			word += " and not in service"
		}
		out[word]++
	}
	return out
}

// soundControlPlane holds etcd's members and those of the load balancer to the rows of the control plane.
func (b *bed) soundControlPlane(clusterUUID string, size int) {
	b.t.Helper()
	names := b.namesOf(clusterUUID, "default-master")
	if len(names) != size {
		b.t.Errorf("%d control planes in the rows, want %d", len(names), size)
	}
	if members := b.etcdMembers(clusterUUID); !slices.Equal(members, slices.Sorted(slices.Values(names))) {
		b.t.Errorf("etcd has %v, the control plane is %v", members, names)
	}
	if got := b.poolMembers(); len(got) != size {
		b.t.Errorf("the load balancer has members %v, want %d", got, size)
	}
}

// etcdMembers lists the members of the cluster's etcd that are well, sorted.
func (b *bed) etcdMembers(clusterUUID string) []string {
	b.t.Helper()
	v, err := b.store.Cluster(context.Background(), clusterUUID, "")
	if err != nil {
		b.t.Fatal(err)
	}
	ca, cert, key := b.signed(v, b.secrets, ops.SecretEtcdCA)
	l, err := b.kube(v, b.secrets).EtcdMembers(context.Background(), kube.EtcdAccess{CA: ca.Certificate, ClientCert: cert, ClientKey: key})
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, m := range l {
		if m.Healthy {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return names
}

// poolMembers lists the addresses behind the project's load balancers.
func (b *bed) poolMembers() []string {
	b.t.Helper()
	me := b.person("demo")
	var pools struct {
		Pools []struct{ ID string }
	}
	me.do("GET", "/load-balancer/v2/lbaas/pools", nil, &pools)
	var l []string
	for _, p := range pools.Pools {
		var members struct {
			Members []struct{ Address string }
		}
		me.do("GET", "/load-balancer/v2/lbaas/pools/"+p.ID+"/members", nil, &members)
		for _, m := range members.Members {
			l = append(l, m.Address)
		}
	}
	return l
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	b.run(b.conductor("one"), b.conductor("two"))
	id := b.older("dev", 3, 3, true)
	before := b.namesOf(id, "default-worker")

	b.requestWith(id, ops.ClusterUpgrade, "", nil, b.upgradeOf(id, 2))
	v := b.reaches(id, ops.UpdateComplete)
	if got := b.versions(id); len(got) != 1 || got[newVersion] != 6 {
		t.Errorf("the nodes: %v\n%s", got, b.events(id))
	}
	b.soundControlPlane(id, 3)
	var spec ops.ClusterSpec
	if err := json.Unmarshal(v.Spec, &spec); err != nil || spec.KubernetesVersion != newVersion || *v.COEVersion != newVersion || v.ClusterTemplateID != "00000000-0000-0000-0000-00000000beef" {
		t.Errorf("the cluster says %s, %v, template %s, %v", spec.KubernetesVersion, *v.COEVersion, v.ClusterTemplateID, err)
	}
	for _, g := range v.NodeGroups {
		if *g.Version != newVersion || g.ImageID != newImage || g.Status != ops.UpdateComplete {
			t.Errorf("node group %s: %v, %s, %s", g.Name, *g.Version, g.ImageID, g.Status)
		}
	}
	for _, name := range b.namesOf(id, "default-worker") {
		if slices.Contains(before, name) {
			t.Errorf("worker %s was not replaced", name)
		}
	}
	if n := len(b.cloud.Resources(b.project)["server"]); n != 6 {
		t.Errorf("%d servers are left, want 6", n)
	}
	b.request(id, ops.ClusterDelete, "", nil)
	if b.settle(id) != nil {
		t.Error("the cluster is not gone")
	}
	b.empty()
}

// TestUpgradeFails: a cloud that has no more hosts in the middle of it. Everything old still serves, and the upgrade can
// be retried, or led back.
func TestUpgradeFails(t *testing.T) {
	for _, tc := range []struct {
		name    string
		breaks  string // hosts whose name has this fail
		back    bool
		ends    string
		version string
	}{
		{"workers, retried", "worker", false, ops.UpdateComplete, newVersion},
		{"control planes, retried", "master", false, ops.UpdateComplete, newVersion},
		{"control planes, led back", "master", true, ops.UpdateComplete, oldVersion},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			b.secrets = b.rows()
			b.run(b.conductor("one"))
			id := b.older("dev", 3, 2, true)
			if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: tc.breaks, Action: sim.Action{Fault: "No valid host was found."}}); err != nil {
				t.Fatal(err)
			}
			u := b.upgradeOf(id, 1)
			b.requestWith(id, ops.ClusterUpgrade, "", nil, u)
			v := b.reaches(id, ops.UpdateFailed)
			if v.StatusReason == nil || !strings.Contains(*v.StatusReason, "host dev-x2x2x-default-"+tc.breaks) {
				t.Errorf("the reason: %v", v.StatusReason)
			}
			serving := 0
			for word, n := range b.versions(id) {
				if !strings.Contains(word, "not in service") {
					serving += n
				}
			}
			if serving < 5 {
				t.Errorf("only %d nodes serve after the failure: %v", serving, b.versions(id))
			}
			b.cloud.ClearFaults()
			u.Back = tc.back
			b.requestWith(id, ops.ClusterUpgrade, "", nil, u)
			b.reaches(id, tc.ends)
			if got := b.versions(id); len(got) != 1 || got[tc.version] != 5 {
				t.Errorf("the nodes in the end: %v\n%s", got, b.events(id))
			}
			b.soundControlPlane(id, 3)
			if n := len(b.cloud.Resources(b.project)["server"]); n != 5 {
				t.Errorf("%d servers, want 5", n)
			}
		})
	}
}

// TestControlPlaneResize: 1 → 3 → 5 → 1, with etcd's members following.
func TestControlPlaneResize(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	b.run(b.conductor("one"), b.conductor("two"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
	for _, count := range []int{3, 5, 1} {
		b.request(id, ops.NodeGroupResize, "default-master", func(g *db.NodeGroup) { g.NodeCount = count })
		b.reaches(id, ops.UpdateComplete)
		b.soundControlPlane(id, count)
		if got := b.versions(id); got[newVersion] != count+1 || len(got) != 1 {
			t.Errorf("after the resize to %d the nodes are %v", count, got)
		}
	}
}

// TestAnUpgradeMeetsTheCounts: what a resize that was cancelled left out is there in the end.
func TestAnUpgradeMeetsTheCounts(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	stop := b.run(b.conductor("one"))
	id := b.older("dev", 1, 3, true)
	stop()
	err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
		for _, g := range s.NodeGroups {
			g.NodeCount = map[string]int{db.RoleMaster: 3, db.RoleWorker: 2}[g.Role]
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.requestWith(id, ops.ClusterUpgrade, "", nil, b.upgradeOf(id, 1))
	b.run(b.conductor("two"))
	b.reaches(id, ops.UpdateComplete)
	if got := b.versions(id); len(got) != 1 || got[newVersion] != 5 {
		t.Errorf("the nodes: %v\n%s", got, b.events(id))
	}
	b.soundControlPlane(id, 3)
	b.deleted(id)
}
