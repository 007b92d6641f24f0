package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// TestNodeGroupPatchValues: what a patch makes of a node group's attributes. What comes of it on live nodes is in TestNodeGroupPatch.
func TestNodeGroupPatchValues(t *testing.T) {
	b := newBed(t)
	cluster := b.readied(object{"node_count": 2})
	path := cluster + "/nodegroups/default-worker"
	for _, tc := range []struct {
		name, attribute string
		op              object
		want            any
	}{
		{"a least", "min_node_count", op("replace", "/min_node_count", 2), 2.0}, {"a least as text", "min_node_count", op("replace", "/min_node_count", "2"), 2.0}, {"no least", "min_node_count", op("remove", "/min_node_count", nil), 0.0},
		{"a most", "max_node_count", op("replace", "/max_node_count", 5), 5.0}, {"a most as text", "max_node_count", op("replace", "/max_node_count", "5"), 5.0}, {"no most", "max_node_count", op("remove", "/max_node_count", nil), nil},
		{"a most of nothing", "max_node_count", op("replace", "/max_node_count", 0), 0.0},
		{"one more label", "node_labels", op("add", "/node_labels/b", "2"), object{"a": "1", "b": "2"}}, {"another value", "node_labels", op("replace", "/node_labels/a", "2"), object{"a": "2"}}, {"one label less", "node_labels", op("remove", "/node_labels/a", nil), object{}},
		{"labels as openstack coe writes them", "node_labels", op("replace", "/node_labels", "{'b': '2'}"), object{"b": "2"}}, {"labels as JSON in text", "node_labels", op("replace", "/node_labels", `{"b": "2"}`), object{"b": "2"}},
		{"labels as JSON", "node_labels", op("replace", "/node_labels", object{"b": "2"}), object{"b": "2"}}, {"no labels", "node_labels", op("replace", "/node_labels", "{}"), object{}}, {"labels removed", "node_labels", op("remove", "/node_labels", nil), object{}},
		{"taints", "node_taints", op("replace", "/node_taints", "[{'key': 'k', 'value': 'v', 'effect': 'NoExecute'}]"), []any{object{"key": "k", "value": "v", "effect": "NoExecute"}}},
		{"taints as JSON", "node_taints", op("replace", "/node_taints", []object{{"key": "k", "effect": "NoExecute"}}), []any{object{"key": "k", "effect": "NoExecute"}}},
		{"no taints", "node_taints", op("replace", "/node_taints", "[]"), []any{}}, {"taints removed", "node_taints", op("remove", "/node_taints", nil), []any{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.shape(cluster[len("/v1/clusters/"):])
			before := b.one.want(200, "GET", path, nil).json()
			after := b.one.at("1.9").want(202, "PATCH", path, []object{tc.op}).json()
			want := with(before, object{tc.attribute: tc.want, "status": "UPDATE_IN_PROGRESS", "updated_at": after["updated_at"]})
			if d := cmp.Diff(want, after); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if d := cmp.Diff(after, b.one.want(200, "GET", path, nil).json()); d != "" {
				t.Errorf("stored otherwise (-answered +stored):\n%s", d)
			}
			if got := b.one.want(200, "GET", cluster, nil).text("status"); got != "UPDATE_IN_PROGRESS" {
				t.Errorf("the cluster is %s", got)
			}
		})
	}
	b.shape(cluster[len("/v1/clusters/"):])
	var l []refusal
	for _, name := range []string{"name", "cluster_id", "project_id", "docker_volume_size", "labels", "flavor_id", "image_id", "node_addresses", "node_count", "role", "is_default", "stack_id", "status", "status_reason", "version",
		"created_at", "id", "links", "updated_at", "uuid", "user_id"} {
		l = append(l, refusal{"internal: " + name, b.one, "PATCH", path, []object{op("replace", "/"+name, "x")}, 400, "'/" + name + "' is an internal attribute and can not be updated"})
	}
	refuse(t, append(l, refusal{"merged labels", b.one, "PATCH", path, []object{op("replace", "/merge_labels", true)}, 400, "merge_labels"}, refusal{"nothing", b.one, "PATCH", path, "", 400, `Missing argument: "patch"`},
		refusal{"an object for what is not there", b.one, "PATCH", cluster + "/nodegroups/nope", object{}, 400, "list"}, refusal{"a query", b.one, "PATCH", path + "?x=1", []object{}, 400, `Unknown argument: "x"`}))
}

// shape gives the default workers bounds, a label and a taint, with nothing under way.
func (b *bed) shape(cluster string) {
	b.t.Helper()
	err := b.Store.ChangeCluster(b.t.Context(), cluster, func(s *db.Snapshot) error {
		s.Cluster.Status = "UPDATE_COMPLETE"
		for _, g := range s.NodeGroups {
			if g.Status = "UPDATE_COMPLETE"; g.Role == db.RoleWorker {
				most := 4
				g.MinNodeCount, g.MaxNodeCount, g.NodeLabels, g.NodeTaints = 1, &most, db.Strings{"a": "1"}, []db.Taint{{Key: "t", Effect: "NoSchedule"}}
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}
