package api

import (
	"fmt"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestRetryOfNodeGroups: what has failed for a node group, or was cancelled, is asked for once more and does what the first
// request was about.
func TestRetryOfNodeGroups(t *testing.T) {
	b := newBed(t)
	path := b.living(nil)
	id := path[len("/v1/clusters/"):]
	spoil := func(method, where string, action sim.Action) {
		t.Helper()
		if err := b.Cloud.Inject(sim.Rule{Service: "compute", Method: method, PathRegexp: where, Action: action}); err != nil {
			t.Fatal(err)
		}
	}
	noHost := sim.Action{Fault: "No valid host was found."}

	spoil("POST", "/servers$", noHost)
	b.one.want(202, "POST", path+"/nodegroups", object{"name": "pool", "node_count": 2})
	b.failed(path, "pool", "CREATE_FAILED", "No valid host")
	create := b.newest(path, "nodegroup.create")
	b.Cloud.ClearFaults()
	b.other.want(404, "POST", create+"/actions/retry", nil)
	again := b.one.want(202, "POST", create+"/actions/retry", nil).text("uuid")
	b.one.await(id, "UPDATE_COMPLETE")
	b.group(path, "pool", "CREATE_COMPLETE", 2)
	if o := b.one.want(200, "GET", path+"/operations/"+again, nil).json(); o["kind"] != "nodegroup.create" || o["status"] != "complete" {
		t.Errorf("the retry: %v", o)
	}

	spoil("POST", "/servers$", noHost)
	b.one.want(202, "POST", path+"/actions/resize", object{"node_count": 4, "nodegroup": "pool"})
	b.failed(path, "pool", "UPDATE_FAILED", "No valid host")
	b.Cloud.ClearFaults()
	if d := b.one.want(400, "POST", create+"/actions/retry", nil).detail(); !contains(d, "newer operation") {
		t.Errorf("a retry of the create, after a resize: %q", d)
	}
	resize := b.newest(path, "nodegroup.resize")
	b.one.want(202, "POST", resize+"/actions/retry", nil)
	b.one.want(400, "POST", resize+"/actions/retry", nil)
	b.one.await(id, "UPDATE_COMPLETE")
	b.group(path, "pool", "UPDATE_COMPLETE", 4)

	spoil("DELETE", "/servers/", sim.Action{Status: 500})
	b.one.want(204, "DELETE", path+"/nodegroups/pool", nil)
	gone := b.newest(path, "nodegroup.delete")
	b.one.want(202, "POST", gone+"/actions/cancel", nil)
	b.failed(path, "pool", "DELETE_FAILED", "cancelled on request")
	b.Cloud.ClearFaults()
	b.one.want(202, "POST", gone+"/actions/retry", nil)
	testenv.Eventually(t, patience, "the node group to be gone", func() bool {
		return b.one.do("GET", path+"/nodegroups/pool", nil).status == 404
	})
	b.one.await(id, "UPDATE_COMPLETE")
	if d := b.one.want(400, "POST", resize+"/actions/retry", nil).detail(); !contains(d, "newer operation") {
		t.Errorf("a retry for a group that is gone: %q", d)
	}
	if n := len(b.Left()["server"]); n != 2 {
		t.Errorf("%d servers are in the cloud, 2 belong to the cluster", n)
	}
}

// newest is the path of the newest operation, which has to be of a kind.
func (b *bed) newest(cluster, kind string) string {
	b.t.Helper()
	op := b.one.want(200, "GET", cluster+"/operations?limit=1", nil).list("operations")[0]
	if op["kind"] != kind {
		b.t.Fatalf("the newest operation is %v, not of kind %s", op, kind)
	}
	return fmt.Sprintf("%s/operations/%s", cluster, op["uuid"])
}

// failed waits until a node group has a status that says why.
func (b *bed) failed(cluster, group, status, reason string) {
	b.t.Helper()
	if g := b.one.settled(cluster+"/nodegroups/"+group, status); !contains(g.text("status_reason"), reason) {
		b.t.Fatalf("%s for another reason than %q: %s", status, reason, g.body)
	}
	b.one.await(cluster[len("/v1/clusters/"):], "UPDATE_FAILED")
}

func (b *bed) group(cluster, name, status string, count int) {
	b.t.Helper()
	g := b.one.want(200, "GET", cluster+"/nodegroups/"+name, nil).json()
	if addresses, _ := g["node_addresses"].([]any); g["status"] != status || g["node_count"] != float64(count) || len(addresses) != count || g["status_reason"] != nil {
		b.t.Errorf("node group %s: %v", name, g)
	}
}

// TestRetryOfANodeGroupsUpdate: labels that did not reach the nodes do so by a retry, which is about what the group has
// now, and once.
func TestRetryOfANodeGroupsUpdate(t *testing.T) {
	b := newBed(t)
	stop := b.work()
	id := b.one.cluster(b.one.template(nil), nil)
	b.one.await(id, "CREATE_COMPLETE")
	path := "/v1/clusters/" + id
	stop()
	rename := func(from, to string) {
		t.Helper()
		if err := b.Store.Exec(t.Context(), "UPDATE node SET name = REPLACE(name, '"+from+"', '"+to+"')"); err != nil {
			t.Fatal(err)
		}
	}
	rename("default-worker", "nobody") // as if its Node was deleted from the cluster
	b.one.want(202, "PATCH", path+"/nodegroups/default-worker", []object{op("replace", "/node_labels", object{"team": "blue"})})
	update := b.newest(path, "nodegroup.update")
	b.one.want(400, "POST", update+"/actions/retry", nil)
	stop = b.hurried(600)
	b.failed(path, "default-worker", "UPDATE_FAILED", "labels and taints of")
	stop()
	if o := b.one.want(200, "GET", update, nil).json(); o["status"] != "failed" {
		t.Errorf("the update: %v", o)
	}

	rename("nobody", "default-worker")
	b.other.want(404, "POST", update+"/actions/retry", nil)
	again := b.one.want(202, "POST", update+"/actions/retry", nil).text("uuid")
	b.one.want(400, "POST", update+"/actions/retry", nil)
	b.work()
	b.one.settled(path+"/nodegroups/default-worker", "UPDATE_COMPLETE")
	b.one.await(id, "UPDATE_COMPLETE")
	b.group(path, "default-worker", "UPDATE_COMPLETE", 1)
	if o := b.one.want(200, "GET", path+"/operations/"+again, nil).json(); o["kind"] != "nodegroup.update" || o["status"] != "complete" {
		t.Errorf("the retry: %v", o)
	}
	if l := b.labels(path); l["team"] != "blue" {
		t.Errorf("the live node has %v", l)
	}
	if d := b.one.want(400, "POST", update+"/actions/retry", nil).detail(); !contains(d, "newer operation") {
		t.Errorf("a retry of what was retried: %q", d)
	}
}
