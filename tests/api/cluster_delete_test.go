package api

import (
	"fmt"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// TestDeleteByForce: an administrator ends the row of a cluster that the cloud does not let go, and reads what was left.
func TestDeleteByForce(t *testing.T) {
	b := newBedAt(t, 60)
	id := b.one.cluster(b.one.template(nil), nil)
	path, force := "/v1/clusters/"+id, object{"force": true}
	for _, tc := range []struct {
		name   string
		who    *client
		status int
		body   any
	}{
		{"another project", b.other, 404, object{}},
		{"a member by force", b.one, 403, force},
		{"no body", b.one, 400, nil},
		{"another attribute", b.one, 400, object{"forced": true}},
		{"another type", b.one, 400, object{"force": "perhaps"}},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.who.want(tc.status, "POST", path+"/actions/delete", tc.body) })
	}
	b.work()
	b.one.await(id, "CREATE_COMPLETE")
	if err := b.Cloud.Inject(sim.Rule{Service: "network", Method: "DELETE", PathRegexp: "/security-groups/", Action: sim.Action{Status: 409}}); err != nil {
		t.Fatal(err)
	}
	first := fmt.Sprint(b.one.want(202, "POST", path+"/actions/delete", object{"force": false}).json()["uuid"])
	if again := fmt.Sprint(b.one.want(202, "POST", path+"/actions/delete", object{}).json()["uuid"]); again != first {
		t.Errorf("asked for again, it is operation %s instead of %s", again, first)
	}
	forced := fmt.Sprint(b.admin.want(202, "POST", path+"/actions/delete", force).json()["uuid"])
	if again := fmt.Sprint(b.admin.want(202, "POST", path+"/actions/delete", force).json()["uuid"]); again != forced || forced == first {
		t.Errorf("by force it is operation %s and then %s, after %s", forced, again, first)
	}
	b.one.want(204, "DELETE", path, nil)
	b.one.await(id, "")
	if s := b.one.want(200, "GET", path+"/operations/"+first, nil).json()["status"]; s != "cancelled" {
		t.Errorf("the delete that was under way is %v", s)
	}
	op := b.one.want(200, "GET", path+"/operations/"+forced, nil)
	left := map[string]int{}
	for _, x := range op.list("leftovers") {
		left[fmt.Sprint(x["kind"])]++
	}
	if op.json()["status"] != "complete" || left["security_group"] != 2 || left["server"] != 0 {
		t.Errorf("the forced delete is %v and left %v", op.json()["status"], left)
	}
}

// TestDeleteLeavesNothing is said by the operation, and what becomes of volumes by a label.
func TestDeleteLeavesNothing(t *testing.T) {
	b := newBed(t)
	template := b.one.template(nil)
	for label, value := range map[string]string{"volume_delete_policy": "perhaps", "pod_network_mode": "bridged"} {
		b.one.want(400, "POST", "/v1/clusters", object{"name": "dev", "cluster_template_id": template, "labels": object{label: value}})
	}
	id := b.one.cluster(template, object{"labels": object{"volume_delete_policy": "delete"}})
	b.work()
	b.one.await(id, "CREATE_COMPLETE")
	b.one.want(202, "POST", "/v1/clusters/"+id+"/actions/delete", object{})
	b.one.await(id, "")
	op := b.one.want(200, "GET", "/v1/clusters/"+id+"/operations", nil).list("operations")[0]
	if l, ok := op["leftovers"].([]any); op["status"] != "complete" || !ok || len(l) != 0 {
		t.Errorf("the delete is %v and left %v", op["status"], op["leftovers"])
	}
	events := b.one.want(200, "GET", "/v1/clusters/"+id+"/events", nil).list("events")
	if last := events[len(events)-1]; last["message"] != "nothing left" {
		t.Errorf("its last word is %v", last)
	}
}
