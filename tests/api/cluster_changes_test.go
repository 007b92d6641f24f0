package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// TestClusterPatch: the size, and the health that somebody in the cluster tells.
func TestClusterPatch(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(object{"labels": object{"a": "1"}}), object{"name": "dev"})
	path := "/v1/clusters/" + id
	for _, tc := range []struct {
		name, version string
		who           *client
		ops           []object
		want          object // what is different then
	}{
		{"nothing", "", b.one, []object{}, object{}}, {"a size", "", b.one, []object{op("replace", "/node_count", 3)}, object{"node_count": 3.0, "status": "UPDATE_IN_PROGRESS"}},
		{"a size as text", "", b.one, []object{op("replace", "/node_count", "4")}, object{"node_count": 4.0, "status": "UPDATE_IN_PROGRESS"}},
		{"a size as a truth", "", b.one, []object{op("replace", "/node_count", true)}, object{"node_count": 1.0, "status": "UPDATE_IN_PROGRESS"}},
		{"no nodes", "1.10", b.one, []object{op("replace", "/node_count", 0)}, object{"node_count": 0.0, "status": "UPDATE_IN_PROGRESS"}},
		{"the size by default", "", b.one, []object{op("remove", "/node_count", nil)}, object{"node_count": 1.0, "status": "UPDATE_IN_PROGRESS"}},
		{"the size that it has", "", b.one, []object{op("replace", "/node_count", 1)}, object{}},
		{"what is as it was", "", b.one, []object{op("replace", "/name", "dev"), op("replace", "/labels", "{'a': '1'}"), op("replace", "/master_count", 1)}, object{}},
		{"health", "latest", b.one, []object{op("replace", "/health_status", "UNHEALTHY"), op("replace", "/health_status_reason", "{'api': 'ok', 'node-1.Ready': 'False'}")},
			object{"health_status": "UNHEALTHY", "health_status_reason": object{"api": "ok", "node-1.Ready": "False"}}},
		{"health alone", "", b.one, []object{op("replace", "/health_status", "HEALTHY")}, object{"health_status": "HEALTHY"}}, {"unknown health", "", b.one, []object{op("replace", "/health_status", "UNKNOWN")}, object{"health_status": "UNKNOWN"}},
		{"reasons alone", "", b.one, []object{op("replace", "/health_status_reason", "{}")}, object{"health_status_reason": object{}}},
		{"an admin", "", b.admin, []object{op("replace", "/node_count", 2)}, object{"node_count": 2.0, "status": "UPDATE_IN_PROGRESS"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.set(id, "UPDATE_COMPLETE", "UPDATE_COMPLETE", nil)
			before := b.one.want(200, "GET", path, nil).json()
			a := tc.who.at(tc.version).want(202, "PATCH", path, tc.ops)
			if d := cmp.Diff(object{"uuid": id}, a.json()); d != "" {
				t.Errorf("the answer (-want +got):\n%s", d)
			}
			after := b.one.want(200, "GET", path, nil).json()
			delete(before, "updated_at")
			delete(after, "updated_at")
			if d := cmp.Diff(with(before, tc.want), after); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	b.set(id, "UPDATE_COMPLETE", "UPDATE_COMPLETE", nil)
	for _, query := range []string{"?rollback=True", "?rollback=false", "/?rollback=1", "?rollback="} {
		b.one.at("1.3").want(202, "PATCH", path+query, []object{})
	}
}

func TestClusterPatchRefusals(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(object{"labels": object{"a": "1"}}), object{"name": "dev"})
	b.set(id, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
	path := "/v1/clusters/" + id
	b.one.want(202, "PATCH", path, []object{op("replace", "/health_status", "HEALTHY")})
	before := b.one.want(200, "GET", path, nil).json()
	l := patchRules(b.one, path)
	for _, name := range []string{"api_address", "node_addresses", "master_addresses", "stack_id", "cluster_id", "ca_cert_ref", "magnum_cert_ref", "etcd_ca_cert_ref", "front_proxy_ca_cert_ref"} {
		l = append(l, refusal{"internal: " + name, b.one, "PATCH", path, []object{op("replace", "/"+name, "x")}, 400, "'/" + name + "' is an internal attribute"})
	}
	for name, value := range map[string]any{"name": "other", "master_count": 3, "docker_volume_size": 5, "labels": "{'b': '2'}", "flavor_id": "m1.small", "master_flavor_id": "m1.small", "keypair": "x", "create_timeout": 5,
		"discovery_url": "x", "fixed_network": "lan", "fixed_subnet": "x", "floating_ip_enabled": false, "master_lb_enabled": true, "cluster_template_id": uuid.NewString(), "status": "CREATE_FAILED", "status_reason": "x",
		"coe_version": "v1.0.0", "merge_labels": true} {
		l = append(l, refusal{"changed: " + name, b.one, "PATCH", path, []object{op("replace", "/"+name, value)}, 400, "cannot change cluster property(ies) " + name + "."})
	}
	valid := []object{op("replace", "/node_count", 2)}
	refuse(t, append(l,
		refusal{"two of them", b.one, "PATCH", path, []object{op("replace", "/name", "x"), op("replace", "/master_count", 3)}, 400, "cannot change cluster property(ies) master_count, name."},
		refusal{"a label", b.one, "PATCH", path, []object{op("add", "/labels/b", "2")}, 400, "labels"}, refusal{"the template gone", b.one, "PATCH", path, []object{op("remove", "/cluster_template_id", nil)}, 400, "can not be removed"},
		refusal{"less than no nodes", b.one, "PATCH", path, []object{op("replace", "/node_count", -1)}, 400, "node_count"}, refusal{"nodes in words", b.one, "PATCH", path, []object{op("replace", "/node_count", "many")}, 400, "Expected integer"},
		refusal{"no nodes at 1.9", b.one.at("1.9"), "PATCH", path, []object{op("replace", "/node_count", 0)}, 400, "to zero is not supported in the provided microversion"},
		refusal{"another health", b.one, "PATCH", path, []object{op("replace", "/health_status", "FINE")}, 400, "HEALTHY, UNHEALTHY, UNKNOWN"}, refusal{"no health", b.one, "PATCH", path, []object{op("remove", "/health_status", nil)}, 400, "health_status"},
		refusal{"a list of reasons", b.one, "PATCH", path, []object{op("replace", "/health_status_reason", "['x']")}, 400, "health_status_reason"}, refusal{"no reasons", b.one, "PATCH", path, []object{op("remove", "/health_status_reason", nil)}, 400, "health_status_reason"},
		refusal{"rollback at 1.2", b.one.at("1.2"), "PATCH", path + "?rollback=true", valid, 400, `Unknown argument: "rollback"`}, refusal{"rollback perhaps", b.one, "PATCH", path + "?rollback=maybe", valid, 400, "rollback"},
		refusal{"another query", b.one, "PATCH", path + "?force=true", valid, 400, `Unknown argument: "force"`},
		refusal{"what is not there", b.one, "PATCH", "/v1/clusters/fooo", []object{op("replace", "/name", "x")}, 404, "Cluster fooo could not be found"},
		refusal{"an internal attribute of what is not there", b.one, "PATCH", "/v1/clusters/fooo", []object{op("replace", "/uuid", "x")}, 400, "internal"},
		refusal{"an object for what is not there", b.one, "PATCH", "/v1/clusters/" + uuid.NewString(), object{}, 400, "list"},
		refusal{"another's", b.other, "PATCH", path, valid, 404, "could not be found"}, refusal{"a reader", b.person("reader", "reader", "demo"), "PATCH", path, valid, 403, "Policy doesn't allow cluster:update to be performed."}))
	if d := cmp.Diff(before, b.one.want(200, "GET", path, nil).json()); d != "" {
		t.Errorf("refused, and changed (-want +got):\n%s", d)
	}
}

func TestResize(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), object{"name": "dev"})
	path := "/v1/clusters/" + id
	resize := path + "/actions/resize"
	worker := b.one.want(200, "GET", path+"/nodegroups/default-worker", nil)
	b.set(id, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
	for _, tc := range []struct {
		name, version string
		body          object
		want          float64
	}{
		{"more", "1.7", object{"node_count": 3}, 3}, {"more as text", "latest", object{"node_count": "4"}, 4}, {"to nothing", "1.10", object{"node_count": 0}, 0}, {"as the SDK sends it", "1.7", object{"node_count": 2, "nodes_to_remove": nil}, 2},
		{"with an empty list", "1.7", object{"node_count": 1, "nodes_to_remove": []string{}}, 1}, {"by name", "latest", object{"node_count": 2, "nodegroup": "default-worker"}, 2}, {"by UUID", "latest", object{"node_count": 3, "nodegroup": worker.text("uuid")}, 3},
		{"by number", "latest", object{"node_count": 4, "nodegroup": worker.json()["id"]}, 4}, {"by no name", "latest", object{"node_count": 5, "nodegroup": nil}, 5}, {"the same", "latest", object{"node_count": 5}, 5},
		{"as expected", "latest", object{"node_count": 2, "expected_node_count": 5}, 2}, {"as expected, in text", "1.7", object{"node_count": 5, "expected_node_count": "2"}, 5}, {"expecting nothing", "1.7", object{"node_count": 5, "expected_node_count": nil}, 5},
	} {
		t.Run(tc.name, func(t *testing.T) { // also while the last one is under way, as the autoscaler does
			if d := cmp.Diff(object{"uuid": id}, b.one.at(tc.version).want(202, "POST", resize, tc.body).json()); d != "" {
				t.Errorf("the answer (-want +got):\n%s", d)
			}
			got := b.one.want(200, "GET", path, nil).json()
			group := b.one.want(200, "GET", path+"/nodegroups/default-worker", nil).json()
			if got["node_count"] != tc.want || got["master_count"] != 1.0 || got["status"] != "UPDATE_IN_PROGRESS" || group["node_count"] != tc.want || group["status"] != "UPDATE_IN_PROGRESS" {
				t.Errorf("the cluster is %v\nthe group %v", got, group)
			}
		})
	}
	b.bounds(id, 2, 4)
	before := b.one.want(200, "GET", path, nil).json()
	ok := object{"node_count": 3}
	refuse(t, []refusal{
		{"no count", b.one, "POST", resize, object{}, 400, "node_count. Value: 'None'. Mandatory field missing."}, {"a count of nothing", b.one, "POST", resize, object{"node_count": nil}, 400, "Mandatory field missing."},
		{"nothing", b.one, "POST", resize, "", 400, `Missing argument: "cluster_resize_req"`}, {"less than nothing", b.one, "POST", resize, object{"node_count": -1}, 400, "greater or equal to 0"},
		{"an unknown attribute", b.one, "POST", resize, object{"node_count": 1, "force": true}, 400, "Unknown attribute for argument cluster_resize_req: force"},
		{"a node that is no list", b.one, "POST", resize, object{"node_count": 3, "nodes_to_remove": "x"}, 400, "list of strings"}, {"a list of numbers", b.one, "POST", resize, object{"node_count": 3, "nodes_to_remove": []int{1}}, 400, "list of strings"},
		{"a node that is not there", b.one, "POST", resize, object{"node_count": 3, "nodes_to_remove": []string{"0"}}, 400, "nodes_to_remove. Value: '0'"},
		{"not as expected", b.one, "POST", resize, object{"node_count": 3, "expected_node_count": 4}, 409, "has node_count 5, not 4 as expected"},
		{"an expectation that is no number", b.one, "POST", resize, object{"node_count": 3, "expected_node_count": "four"}, 400, "expected_node_count"},
		{"a node that is not there any more", b.one, "POST", resize, object{"node_count": 3, "expected_node_count": 5, "nodes_to_remove": []string{"0"}}, 409, "has been given up in between"},
		{"below the least", b.one, "POST", resize, object{"node_count": 1}, 400, "min_node_count = 2, max_node_count = 4"}, {"above the most", b.one, "POST", resize, object{"node_count": 5}, 400, "min_node_count = 2, max_node_count = 4"},
		{"far above the most, and the quota", b.one, "POST", resize, object{"node_count": 5000}, 400, "min_node_count = 2, max_node_count = 4"},
		{"above the most by a patch", b.one, "PATCH", path, []object{op("replace", "/node_count", 6)}, 400, "max_node_count = 4"},
		{"masters", b.one, "POST", resize, object{"node_count": 3, "nodegroup": "default-master"}, 400, "master"}, {"an unknown node group", b.one, "POST", resize, object{"node_count": 3, "nodegroup": "nope"}, 404, "Nodegroup nope could not be found"},
		{"to nothing at 1.9", b.one.at("1.9"), "POST", resize, object{"node_count": 0}, 400, "to zero is not supported in the provided microversion"}, {"at 1.6", b.one.at("1.6"), "POST", resize, ok, 406, "1.6"}, {"without a version", b.one.at(""), "POST", resize, ok, 406, "1.1"},
		{"another's", b.other, "POST", resize, ok, 404, "could not be found"}, {"an admin", b.admin, "POST", resize, ok, 404, "could not be found"}, {"a cluster that is not there", b.one, "POST", "/v1/clusters/nope/actions/resize", ok, 404, "Cluster nope"},
		{"a reader", b.person("reader", "reader", "demo"), "POST", resize, ok, 403, "Policy doesn't allow cluster:resize to be performed."}, {"a query", b.one, "POST", resize + "?x=1", ok, 400, `Unknown argument: "x"`},
	})
	if d := cmp.Diff(before, b.one.want(200, "GET", path, nil).json()); d != "" {
		t.Errorf("refused, and changed (-want +got):\n%s", d)
	}
}

// bounds sets those of the default workers; 0 is no maximum.
func (b *bed) bounds(cluster string, least, most int) {
	b.t.Helper()
	err := b.Store.ChangeCluster(b.t.Context(), cluster, func(s *db.Snapshot) error {
		for _, g := range s.NodeGroups {
			if g.Role == db.RoleWorker {
				g.MinNodeCount, g.MaxNodeCount = least, &most
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestStatusesAllow: what can be asked of a cluster in which status.
func TestStatusesAllow(t *testing.T) {
	b := newBed(t)
	template := b.one.template(nil)
	for _, tc := range []struct {
		status                                 string
		size, group, upgrade, rotate, identity int
	}{
		{"CREATE_IN_PROGRESS", 400, 400, 400, 400, 400}, {"CREATE_COMPLETE", 202, 202, 202, 202, 202}, {"CREATE_FAILED", 400, 400, 400, 400, 400},
		{"UPDATE_IN_PROGRESS", 202, 202, 400, 400, 202}, {"UPDATE_COMPLETE", 202, 202, 202, 202, 202}, {"UPDATE_FAILED", 202, 202, 202, 202, 202},
		{"DELETE_IN_PROGRESS", 400, 400, 400, 400, 400}, {"DELETE_FAILED", 400, 400, 400, 400, 400},
	} {
		t.Run(tc.status, func(t *testing.T) {
			id := b.one.cluster(template, nil)
			path := "/v1/clusters/" + id
			for _, x := range []struct {
				name, method, path string
				body               any
				status             int
			}{
				{"health", "PATCH", path, []object{op("replace", "/health_status", "HEALTHY")}, 202}, {"nothing", "PATCH", path, []object{}, 202},
				{"a patch", "PATCH", path, []object{op("replace", "/node_count", 2)}, tc.size}, {"a resize", "POST", path + "/actions/resize", object{"node_count": 3}, tc.size},
				{"a node group", "POST", path + "/nodegroups", object{"name": "x-" + strings.ToLower(strings.ReplaceAll(tc.status, "_", "-"))}, tc.group},
				{"a node group's patch", "PATCH", path + "/nodegroups/default-worker", []object{op("replace", "/max_node_count", 9)}, tc.group},
				{"an upgrade", "POST", path + "/actions/upgrade", object{"cluster_template": template}, tc.upgrade},
				{"new authorities", "PATCH", "/v1/certificates/" + id, nil, tc.rotate}, {"a new credential", "PATCH", "/v1/credentials/" + id, nil, tc.identity},
			} {
				b.set(id, tc.status, "UPDATE_COMPLETE", nil)
				b.address(id)
				a := b.one.do(x.method, x.path, x.body)
				if a.status != x.status || a.status == 400 && !contains(a.detail(), fmt.Sprintf("when status is %q is not supported", tc.status)) {
					t.Errorf("%s: HTTP %d %s, expected %d", x.name, a.status, a.body, x.status)
				}
				if got := b.one.want(200, "GET", path, nil).text("status"); a.status == 400 && got != tc.status {
					t.Errorf("%s: refused, and the status is %s", x.name, got)
				}
			}
			if a := b.one.want(204, "DELETE", path, nil); len(a.body) != 0 {
				t.Errorf("a body: %s", a.body)
			}
			if got := b.one.want(200, "GET", path, nil).text("status"); got != "DELETE_IN_PROGRESS" {
				t.Errorf("after the delete it is %s", got)
			}
			for _, g := range b.one.want(200, "GET", path+"/nodegroups", nil).list("nodegroups") {
				if g["status"] != "DELETE_IN_PROGRESS" {
					t.Errorf("after the delete: %v", g)
				}
			}
			b.one.want(204, "DELETE", path, nil)
		})
	}
}

// address gives a cluster one: node groups are only made then.
func (b *bed) address(cluster string) {
	b.t.Helper()
	err := b.Store.ChangeCluster(b.t.Context(), cluster, func(s *db.Snapshot) error {
		address := "https://192.0.2.1:6443"
		s.Cluster.APIAddress = &address
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestClusterDeleteRefusals(t *testing.T) {
	b := newBed(t)
	template := b.one.template(nil)
	path := "/v1/clusters/" + b.one.cluster(template, nil)
	b.one.cluster(template, nil)
	refuse(t, []refusal{{"another's", b.other, "DELETE", path, nil, 404, "could not be found"}, {"what is not there", b.one, "DELETE", "/v1/clusters/" + uuid.NewString(), nil, 404, "could not be found"},
		{"a name that is not there", b.one, "DELETE", "/v1/clusters/nope", nil, 404, "Cluster nope could not be found"}, {"one of two", b.one, "DELETE", "/v1/clusters/dev", nil, 409, "Please use the cluster uuid instead"},
		{"a reader", b.person("reader", "reader", "demo"), "DELETE", path, nil, 403, "Policy doesn't allow cluster:delete to be performed."}, {"a query", b.one, "DELETE", path + "?force=1", nil, 400, "force"}})
	b.admin.want(204, "DELETE", path, nil)
	b.one.want(204, "DELETE", "/clusters/"+b.one.cluster(template, object{"name": "by-name"})+"/", nil)
	b.one.cluster(template, object{"name": "another"})
	b.one.want(204, "DELETE", "/v1/clusters/another", nil)
}

// TestUpgradeRequests: in which words an upgrade can be asked for, and what is seen of it at once. What is refused is in
// TestUpgrade and TestStatusesAllow.
func TestUpgradeRequests(t *testing.T) {
	b := newBed(t)
	own := b.one.template(object{"name": "own"})
	next := b.one.template(object{"name": "next"})
	id := b.one.cluster(own, nil)
	b.address(id)
	path := "/v1/clusters/" + id
	b.set(id, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
	b.one.want(202, "POST", path+"/nodegroups", object{"name": "pool"})
	for _, tc := range []struct {
		name, version string
		who           *client
		body          object
		changing      []string // the node groups that are
	}{
		{"to a template", "1.8", b.one, object{"cluster_template": next}, []string{"default-master", "default-worker", "pool"}}, {"by name", "latest", b.one, object{"cluster_template": "next"}, []string{"default-master", "default-worker", "pool"}},
		{"as openstack coe asks", "latest", b.one, object{"cluster_template": next, "max_batch_size": 1}, []string{"default-master", "default-worker", "pool"}},
		{"as the SDK asks", "1.8", b.one, object{"cluster_template": next, "max_batch_size": nil, "nodegroup": nil}, []string{"default-master", "default-worker", "pool"}},
		{"as Horizon asks", "1.13", b.one, object{"cluster_template": next, "max_batch_size": "2", "nodegroup": "default-worker"}, []string{"default-master", "default-worker", "pool"}},
		{"to the template that it has", "latest", b.one, object{"cluster_template": own}, []string{"default-master", "default-worker", "pool"}}, {"a node group", "latest", b.one, object{"cluster_template": own, "nodegroup": "pool"}, []string{"pool"}},
		{"by an admin", "latest", b.admin, object{"cluster_template": next}, []string{"default-master", "default-worker", "pool"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.set(id, "UPDATE_COMPLETE", "UPDATE_COMPLETE", nil)
			if d := cmp.Diff(object{"uuid": id}, tc.who.at(tc.version).want(202, "POST", path+"/actions/upgrade", tc.body).json()); d != "" {
				t.Errorf("the answer (-want +got):\n%s", d)
			}
			if got := b.one.want(200, "GET", path, nil).text("status"); got != "UPDATE_IN_PROGRESS" {
				t.Errorf("it is %s", got)
			}
			var changing []string
			for _, g := range b.one.want(200, "GET", path+"/nodegroups", nil).list("nodegroups") {
				if g["status"] == "UPDATE_IN_PROGRESS" {
					changing = append(changing, fmt.Sprint(g["name"]))
				}
			}
			if d := cmp.Diff(tc.changing, changing); d != "" {
				t.Errorf("what changes (-want +got):\n%s", d)
			}
		})
	}
	b.set(id, "UPDATE_COMPLETE", "UPDATE_COMPLETE", nil)
	refuse(t, []refusal{{"a reader", b.person("reader", "reader", "demo"), "POST", path + "/actions/upgrade", object{"cluster_template": next}, 403, "Policy doesn't allow cluster:upgrade to be performed."},
		{"nothing", b.one, "POST", path + "/actions/upgrade", "", 400, `Missing argument: "cluster_upgrade_req"`}, {"another's template", b.one, "POST", path + "/actions/upgrade", object{"cluster_template": b.other.template(nil)}, 404, "could not be found"},
		{"a query", b.one, "POST", path + "/actions/upgrade?x=1", object{"cluster_template": next}, 400, `Unknown argument: "x"`}, {"no cluster", b.one, "POST", "/v1/clusters/nope/actions/upgrade", object{"cluster_template": next}, 404, "Cluster nope"}})
}

// TestGrowthNeedsRoom: what does not fit into the project's quotas is refused before anything changes.
func TestGrowthNeedsRoom(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	b.set(id, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
	path := "/v1/clusters/" + id
	for name, a := range map[string]answer{
		"resize": b.one.want(403, "POST", path+"/actions/resize", object{"node_count": 5000}),
		"patch":  b.one.want(403, "PATCH", path, []object{op("replace", "/node_count", 5000)}),
	} {
		if d := a.detail(); !strings.Contains(d, "quota of instances is 100") {
			t.Errorf("%s: %s", name, d)
		}
	}
	if x := b.one.want(200, "GET", path, nil).json(); x["status"] != "CREATE_COMPLETE" || x["node_count"] != 1.0 {
		t.Errorf("it has changed: %v, %v", x["status"], x["node_count"])
	}
	b.admin.want(202, "PATCH", path, []object{op("replace", "/node_count", 5000)}) // an admin's own quotas say nothing about it
}
