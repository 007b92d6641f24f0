package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// living makes a cluster that is complete.
func (b *bed) living(attributes object) (path string) {
	b.t.Helper()
	b.work()
	id := b.one.cluster(b.one.template(nil), attributes)
	b.one.await(id, "CREATE_COMPLETE")
	return "/v1/clusters/" + id
}

// settled waits until a node group has a status.
func (c *client) settled(path, status string) answer {
	c.t.Helper()
	var a answer
	testenv.Eventually(c.t, patience, path+" to be "+status, func() bool {
		a = c.want(200, "GET", path, nil)
		return a.text("status") == status
	})
	return a
}

func op(kind, path string, value any) object {
	o := object{"op": kind, "path": path}
	if value != nil {
		o["value"] = value
	}
	return o
}

func TestNodeGroupPatch(t *testing.T) {
	b := newBed(t)
	cluster := b.living(nil)
	worker := cluster + "/nodegroups/default-worker"

	a := b.one.want(202, "PATCH", worker, []object{op("replace", "/max_node_count", 5), op("replace", "/min_node_count", "1"),
		op("replace", "/node_labels", "{'team': 'blue', 'node.kubernetes.io/pool': 'x'}"), op("replace", "/node_taints", "[{'key': 'gpu', 'value': '', 'effect': 'NoSchedule'}]")}).json()
	if a["status"] != "UPDATE_IN_PROGRESS" || a["max_node_count"] != 5.0 || a["min_node_count"] != 1.0 {
		t.Errorf("after the patch: %v", a)
	}
	b.one.settled(worker, "UPDATE_COMPLETE")
	b.one.settled(cluster, "UPDATE_COMPLETE")
	if l := b.labels(cluster); l["team"] != "blue" || l["node.kubernetes.io/pool"] != "x" || l["taints"] != "gpu:NoSchedule" {
		t.Errorf("the live node has %v", l)
	}
	b.one.want(202, "PATCH", worker, []object{op("remove", "/node_labels/team", nil), op("replace", "/node_taints", "[]"), op("remove", "/max_node_count", nil)})
	a = b.one.settled(worker, "UPDATE_COMPLETE").json()
	if l := b.labels(cluster); l["team"] != "" || l["node.kubernetes.io/pool"] != "x" || l["taints"] != "" || a["max_node_count"] != nil {
		t.Errorf("the live node has %v, the group %v", l, a)
	}

	for _, tc := range []struct {
		name   string
		body   any
		status int
		says   string
	}{
		{"an internal attribute", []object{op("replace", "/node_count", 3)}, 400, "/node_count"},
		{"another internal attribute", []object{op("replace", "/status", "x")}, 400, "internal"},
		{"the least above what there is", []object{op("replace", "/min_node_count", 2)}, 409, "min_node_count"},
		{"the least above the most", []object{op("replace", "/max_node_count", 1), op("replace", "/min_node_count", 2)}, 409, "min_node_count"},
		{"a label that is Kubernetes' own", []object{op("add", "/node_labels/x", "y"), op("replace", "/node_labels", "{'kubernetes.io/x': 'y'}")}, 409, "kubernetes.io/x"},
		{"a taint without effect", []object{op("replace", "/node_taints", "[{'key': 'k'}]")}, 409, "effect"},
		{"no literal", []object{op("replace", "/node_labels", "{")}, 400, "literal"},
		{"an object", object{"op": "replace"}, 400, "list"},
		{"below zero", []object{op("replace", "/max_node_count", -1)}, 400, "max_node_count"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := b.one.want(tc.status, "PATCH", worker, tc.body).detail(); !contains(d, tc.says) {
				t.Errorf("refused with %q, which does not say %q", d, tc.says)
			}
		})
	}
	b.one.want(409, "PATCH", cluster+"/nodegroups/default-master", []object{op("replace", "/node_labels", "{'a': 'b'}")})
	b.one.want(202, "PATCH", worker, []object{})
	b.one.at("1.8").want(406, "PATCH", worker, []object{})
	b.other.want(404, "PATCH", worker, []object{})
	b.admin.want(404, "PATCH", worker, []object{})
	b.one.want(404, "PATCH", cluster+"/nodegroups/nope", []object{})
}

// labels are those of the only worker as its cluster tells them, with its taints.
func (b *bed) labels(cluster string) map[string]string {
	b.t.Helper()
	out := map[string]string{}
	for _, n := range b.KubeNodes(b.t, cluster[len("/v1/clusters/"):]) {
		if n.Labels["jeroboam.cloud/nodegroup"] != "default-worker" {
			continue
		}
		for k, v := range n.Labels {
			out[k] = v
		}
		for _, x := range n.Taints {
			out["taints"] += x.Key + ":" + x.Effect
		}
	}
	return out
}

// TestParallelNodeGroups: changes of different node groups of one cluster do not keep each other out.
func TestParallelNodeGroups(t *testing.T) {
	b := newBed(t)
	cluster := b.living(nil)
	const n = 5
	answers := make(chan answer, n)
	for i := range n {
		go func() {
			answers <- b.one.do("POST", cluster+"/nodegroups", object{"name": fmt.Sprint("pool-", i), "node_labels": object{"pool": fmt.Sprint(i)}})
		}()
	}
	for range n {
		if a := <-answers; a.status != http.StatusAccepted || a.text("status") != "CREATE_IN_PROGRESS" {
			t.Errorf("HTTP %d: %s", a.status, a.body)
		}
	}
	for i := range n {
		b.one.settled(fmt.Sprint(cluster, "/nodegroups/pool-", i), "CREATE_COMPLETE")
	}
	b.one.settled(cluster, "UPDATE_COMPLETE")
}

func TestUpgrade(t *testing.T) {
	b := newBed(t)
	cluster := b.living(nil)
	upgrade := cluster + "/actions/upgrade"
	b.one.want(202, "POST", cluster+"/nodegroups", object{"name": "pool", "node_count": 0})
	b.one.settled(cluster+"/nodegroups/pool", "CREATE_COMPLETE")
	b.one.settled(cluster, "UPDATE_COMPLETE")
	same, other := b.one.template(object{"name": "same"}), b.one.template(object{"name": "other"})
	current := b.one.want(200, "GET", cluster, nil).text("cluster_template_id")
	for _, tc := range []struct {
		name   string
		who    *client
		body   any
		status int
		says   string
	}{
		{"no template", b.one, object{}, 400, "cluster_template"},
		{"an unknown template", b.one, object{"cluster_template": "nope"}, 404, "nope"},
		{"an unknown node group", b.one, object{"cluster_template": same, "nodegroup": "nope"}, 404, "nope"},
		{"no batch", b.one, object{"cluster_template": same, "max_batch_size": 0}, 400, "max_batch_size"},
		{"an unknown attribute", b.one, object{"cluster_template": same, "force": true}, 400, "cluster_upgrade_req: force"},
		{"a node group to another template", b.one, object{"cluster_template": other, "nodegroup": "pool"}, 409, current},
		{"another project's cluster", b.other, object{"cluster_template": same}, 404, "Cluster"},
		{"too old a version", b.one.at("1.7"), object{"cluster_template": same}, 400, "1.8"},
		{"far too old a version", b.one.at("1.6"), object{"cluster_template": same}, 406, "1.6"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := tc.who.want(tc.status, "POST", upgrade, tc.body).detail(); !contains(d, tc.says) {
				t.Errorf("refused with %q, which does not say %q", d, tc.says)
			}
		})
	}
	if a := b.one.want(200, "GET", cluster, nil); a.text("status") != "UPDATE_COMPLETE" {
		t.Errorf("a refused upgrade changed the cluster: %s", a.body)
	}
	b.skewed(cluster, "v1.35.1", "it would skip v1.36", same)
	b.skewed(cluster, "v1.38.0", "it would go back", same)

	b.one.want(202, "POST", upgrade, object{"cluster_template": same, "max_batch_size": nil})
	b.one.settled(cluster, "UPDATE_COMPLETE")
	if got := b.one.want(200, "GET", cluster, nil).text("cluster_template_id"); got != same {
		t.Errorf("after the upgrade its template is %s, want %s", got, same)
	}
	b.one.want(202, "POST", cluster+"/actions/resize", object{"node_count": 2}) // it goes on living
	b.one.settled(cluster+"/nodegroups/default-worker", "UPDATE_COMPLETE")
}

// skewed asks for an upgrade of a cluster that has another version than the image of the template.
func (b *bed) skewed(cluster, version, says, template string) {
	b.t.Helper()
	var before db.RawJSON
	set := func(spec func(db.RawJSON) db.RawJSON) {
		err := b.Store.ChangeCluster(context.Background(), cluster[len("/v1/clusters/"):], func(s *db.Snapshot) error {
			before, s.Cluster.Spec = slices.Clone(s.Cluster.Spec), spec(s.Cluster.Spec)
			return nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	set(func(db.RawJSON) db.RawJSON { return db.RawJSON(`{"kubernetes_version":"` + version + `"}`) })
	own := before
	if d := b.one.want(400, "POST", cluster+"/actions/upgrade", object{"cluster_template": template}).detail(); !contains(d, says) {
		b.t.Errorf("from %s it is refused with %q, which does not say %q", version, d, says)
	}
	set(func(db.RawJSON) db.RawJSON { return own })
}

// TestRotations: both are checked in full, queued with the answer, and leave a cluster as it was, with other secrets.
func TestRotations(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	for _, kind := range []string{"certificates", "credentials"} {
		if d := b.one.want(400, "PATCH", "/v1/"+kind+"/"+id, nil, "Content-Type", "application/octet-stream").detail(); !contains(d, "CREATE_IN_PROGRESS") {
			t.Errorf("%s of a cluster that is being made: refused with %q", kind, d)
		}
		b.other.want(404, "PATCH", "/v1/"+kind+"/"+id, nil)
		b.one.want(404, "PATCH", "/v1/"+kind+"/nope", nil)
	}
	b.one.at("1.11").want(406, "PATCH", "/v1/credentials/"+id, nil)
	b.work()
	b.one.await(id, "CREATE_COMPLETE")
	before := b.one.want(200, "GET", "/v1/certificates/"+id, nil).text("pem")
	for _, kind := range []string{"credentials", "certificates"} {
		if a := b.one.want(202, "PATCH", "/v1/"+kind+"/"+id, nil, "Content-Type", "application/octet-stream"); a.text("uuid") != id {
			t.Errorf("%s: %s", kind, a.body)
		}
		if got := b.one.want(200, "GET", "/v1/clusters/"+id, nil).text("status"); got != "UPDATE_IN_PROGRESS" && got != "UPDATE_COMPLETE" {
			t.Errorf("%s: the cluster is %s", kind, got)
		}
		b.one.await(id, "UPDATE_COMPLETE")
	}
	if after := b.one.want(200, "GET", "/v1/certificates/"+id, nil).text("pem"); after == before || strings.Count(after, "BEGIN") != 1 {
		t.Errorf("the authority afterwards: %s", after)
	}
}
