package api

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// readied makes a cluster that is as good as complete, without a conductor.
func (b *bed) readied(attributes object) (path string) {
	b.t.Helper()
	id := b.one.cluster(b.one.template(object{"labels": object{"a": "1", "b": "2"}, "docker_volume_size": 5}), attributes)
	b.set(id, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
	b.address(id)
	return "/v1/clusters/" + id
}

// TestNodeGroupDefaults: what nobody said, attribute by attribute.
func TestNodeGroupDefaults(t *testing.T) {
	b := newBed(t)
	cluster := b.readied(nil)
	made := b.one.at("1.9").want(202, "POST", cluster+"/nodegroups", object{"name": "pool"}).json()
	id := cluster[len("/v1/clusters/"):]
	self := fmt.Sprint("/clusters/", id, "/nodegroups/", made["uuid"])
	labels := object{"a": "1", "b": "2"}
	want := object{"id": made["id"], "uuid": made["uuid"], "name": "pool", "cluster_id": id, "project_id": b.one.project, "docker_volume_size": nil, "labels": labels, "flavor_id": "m1.medium", "image_id": image,
		"node_addresses": []any{}, "node_count": 1.0, "role": "worker", "min_node_count": 0.0, "max_node_count": nil, "is_default": false, "stack_id": made["stack_id"], "status": "CREATE_IN_PROGRESS", "status_reason": nil,
		"version": nil, "merge_labels": false, "labels_overridden": object{}, "labels_added": object{}, "labels_skipped": object{}, "node_labels": object{}, "node_taints": []any{}, "created_at": made["created_at"],
		"updated_at": nil, "links": []any{object{"href": b.url + "/v1" + self, "rel": "self"}, object{"href": b.url + self, "rel": "bookmark"}}}
	if d := cmp.Diff(want, made); d != "" {
		t.Errorf("made (-want +got):\n%s", d)
	}
	if !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(fmt.Sprint(made["uuid"])) || made["id"] != 3.0 || made["stack_id"] == nil || made["created_at"] == nil {
		t.Errorf("made: %v", made)
	}
	for _, ident := range []any{made["uuid"], "pool", "3"} {
		if d := cmp.Diff(made, b.one.want(200, "GET", fmt.Sprint(cluster, "/nodegroups/", ident), nil).json()); d != "" {
			t.Errorf("by %v (-made +got):\n%s", ident, d)
		}
	}
	if a := b.one.want(200, "GET", cluster, nil).json(); a["status"] != "UPDATE_IN_PROGRESS" || a["node_count"] != 2.0 || a["master_count"] != 1.0 {
		t.Errorf("the cluster: %v", a)
	}
	for _, x := range []struct {
		name   string
		body   object
		labels object
	}{{"own", object{"labels": object{"a": "9", "c": 3}}, object{"a": "9", "c": "3"}}, {"merged", object{"labels": object{"c": true}, "merge_labels": true}, object{"a": "1", "b": "2", "c": "True"}}, {"none", object{"labels": nil}, labels}} {
		a := b.one.want(202, "POST", cluster+"/nodegroups", with(object{"name": "labels-" + x.name}, x.body)).json()
		if d := cmp.Diff(any(x.labels), a["labels"]); d != "" {
			t.Errorf("%s labels (-want +got):\n%s", x.name, d)
		}
		if x.name == "own" {
			want := object{"o": object{"a": "1"}, "a": object{"c": "3"}, "s": object{"b": "2"}}
			if d := cmp.Diff(want, object{"o": a["labels_overridden"], "a": a["labels_added"], "s": a["labels_skipped"]}); d != "" {
				t.Errorf("their difference (-want +got):\n%s", d)
			}
		}
	}
	for i, tc := range []struct {
		attribute  string
		sent, want any
	}{
		{"node_count", 0, 0.0}, {"node_count", "3", 3.0}, {"min_node_count", 1, 1.0}, {"min_node_count", nil, 0.0}, {"max_node_count", 5, 5.0}, {"max_node_count", 0, 0.0}, {"max_node_count", nil, nil}, {"role", "gpu", "gpu"},
		{"role", nil, "worker"}, {"flavor_id", "m1.large", "m1.large"}, {"flavor_id", "", "m1.medium"}, {"image_id", image, image}, {"docker_volume_size", 7, 7.0}, {"is_default", true, false},
		{"node_labels", object{"team": "blue", "example.org/a": "", "node.kubernetes.io/x": "y", "topology.kubernetes.io/zone": "z"}, object{"team": "blue", "example.org/a": "", "node.kubernetes.io/x": "y", "topology.kubernetes.io/zone": "z"}},
		{"node_labels", nil, object{}}, {"node_taints", []object{{"key": "gpu", "effect": "NoSchedule"}, {"key": "k", "value": "v", "effect": "NoExecute"}, {"key": "e", "value": "", "effect": "PreferNoSchedule"}},
			[]any{object{"key": "gpu", "effect": "NoSchedule"}, object{"key": "k", "value": "v", "effect": "NoExecute"}, object{"key": "e", "effect": "PreferNoSchedule"}}}, {"node_taints", nil, []any{}},
	} {
		t.Run(fmt.Sprintf("%s: %v", tc.attribute, tc.sent), func(t *testing.T) {
			got := b.one.want(202, "POST", cluster+"/nodegroups/", object{"name": fmt.Sprint("n", i), tc.attribute: tc.sent}).json()[tc.attribute]
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestNodeGroupRefusals(t *testing.T) {
	b := newBed(t)
	cluster := b.readied(nil)
	groups := cluster + "/nodegroups"
	b.one.want(202, "POST", groups, object{"name": "taken"})
	young := "/v1/clusters/" + b.one.cluster(b.one.template(object{"name": "other"}), object{"name": "young"})
	reader := b.person("reader", "reader", "demo")
	l := []refusal{
		{"nothing", b.one, "POST", groups, "", 400, `Missing argument: "nodegroup"`}, {"no name", b.one, "POST", groups, object{}, 400, "name. Value: 'None'. Mandatory field missing."},
		{"before there is an address", b.one, "POST", young + "/nodegroups", object{"name": "x"}, 409, "Cluster API address is not available yet"},
		{"another's", b.other, "POST", groups, object{"name": "x"}, 404, "could not be found"}, {"an admin elsewhere", b.admin, "POST", groups, object{"name": "x"}, 404, "could not be found"}, {"a reader", reader, "POST", groups, object{"name": "x"}, 403, "nodegroup:create"},
		{"no cluster", b.one, "POST", "/v1/clusters/nope/nodegroups", object{"name": "x"}, 404, "Cluster nope"}, {"a query", b.one, "POST", groups + "?x=1", object{"name": "x"}, 400, `Unknown argument: "x"`},
		{"the word detail", b.one, "GET", groups + "/detail", nil, 404, "Nodegroup detail could not be found"}, {"no such UUID", b.one, "GET", groups + "/" + uuid.NewString(), nil, 404, "could not be found"}, {"another's group", b.other, "GET", groups + "/taken", nil, 404, "could not be found"},
		{"another cluster's group", b.one, "GET", young + "/nodegroups/taken", nil, 404, "could not be found"},
		{"the default workers", b.one, "DELETE", groups + "/default-worker", nil, 400, "Deleting a default nodegroup is not supported."}, {"the masters", b.one, "DELETE", groups + "/default-master", nil, 400, "Deleting a default nodegroup is not supported."},
		{"nobody's group", b.one, "DELETE", groups + "/nope", nil, 404, "Nodegroup nope could not be found"}, {"deleted by another", b.other, "DELETE", groups + "/taken", nil, 404, "could not be found"}, {"by an admin elsewhere", b.admin, "DELETE", groups + "/taken", nil, 404, "could not be found"},
		{"by a reader", reader, "DELETE", groups + "/taken", nil, 403, "nodegroup:delete"}, {"changed by a reader", reader, "PATCH", groups + "/taken", []object{}, 403, "nodegroup:update"},
	}
	for _, name := range []string{"links", "id", "cluster_id", "project_id", "stack_id", "status", "status_reason", "version", "node_addresses", "created_at", "updated_at"} {
		l = append(l, refusal{"read only: " + name, b.one, "POST", groups, object{"name": "x", name: "x"}, 400, "Invalid input for field/attribute " + name + ". Value: 'x'. Cannot set read only field."})
	}
	for _, x := range []struct {
		name       string
		attributes object
		status     int
		says       string
	}{
		{"a name that is taken", object{"name": "taken"}, 409, "A node group with name taken already exists"}, {"a default's name", object{"name": "default-worker"}, 409, "already exists"}, {"a name in capitals", object{"name": "Pool"}, 400, "name. Value: 'Pool'"},
		{"a name with a dot", object{"name": "a.b"}, 400, "name"}, {"a name that is too long", object{"name": strings.Repeat("x", 64)}, 400, "63"}, {"an unknown attribute", object{"size": 1}, 400, "Unknown attribute for argument nodegroup: size"},
		{"less than nothing", object{"node_count": -1}, 400, "node_count"}, {"the least below nothing", object{"min_node_count": -1}, 400, "min_node_count"}, {"the most below nothing", object{"max_node_count": -1}, 400, "max_node_count"},
		{"masters", object{"role": "master"}, 400, "master"}, {"masters with labels", object{"role": "master", "node_labels": object{"a": "b"}}, 409, "master"}, {"masters with taints", object{"role": "master", "node_taints": []object{{"key": "k", "effect": "NoSchedule"}}}, 409, "master"},
		{"fewer than the least", object{"min_node_count": 2}, 409, "min_node_count for x is invalid"}, {"more than the most", object{"node_count": 3, "max_node_count": 2}, 409, "max_node_count for x is invalid"}, {"the least above the most", object{"node_count": 5, "min_node_count": 5, "max_node_count": 3}, 409, "for x is invalid"},
		{"an unknown flavor", object{"flavor_id": "aaa"}, 400, "flavor_id aaa"}, {"a flavor without a disk", object{"flavor_id": "c.tiny"}, 400, "boot_volume_size"}, {"an unknown image", object{"image_id": "nope"}, 400, "nope"}, {"no volume", object{"docker_volume_size": 0}, 400, "docker_volume_size"},
		{"a label of Kubernetes", object{"node_labels": object{"kubernetes.io/role": "x"}}, 409, "node_labels for x is invalid"}, {"one under it", object{"node_labels": object{"foo.k8s.io/x": "y"}}, 409, "foo.k8s.io/x"}, {"a label that is none", object{"node_labels": object{"a b": "x"}}, 409, "node_labels"},
		{"a list of labels", object{"node_labels": []string{}}, 400, "node_labels"}, {"a taint twice", object{"node_taints": []object{{"key": "k", "effect": "NoSchedule"}, {"key": "k", "value": "v", "effect": "NoSchedule"}}}, 409, "k:NoSchedule is there twice"}, {"a taint without a key", object{"node_taints": []object{{"effect": "NoSchedule"}}}, 409, "node_taints for x is invalid"}, {"a taint without effect", object{"node_taints": []object{{"key": "k"}}}, 409, "node_taints"},
		{"a taint of another effect", object{"node_taints": []object{{"key": "k", "effect": "Maybe"}}}, 409, "node_taints"}, {"a taint with more", object{"node_taints": []object{{"key": "k", "effect": "NoSchedule", "timeAdded": "x"}}}, 400, "timeAdded"}, {"a taint that is text", object{"node_taints": "x"}, 400, "node_taints"},
	} {
		l = append(l, refusal{"worse: " + x.name, b.one, "POST", groups, with(object{"name": "x"}, x.attributes), x.status, x.says})
	}
	refuse(t, l)
	if l := b.one.want(200, "GET", groups, nil).list("nodegroups"); len(l) != 3 {
		t.Errorf("refused, and there: %v", l)
	}
	if a := b.one.want(204, "DELETE", groups+"/taken", nil); len(a.body) != 0 {
		t.Errorf("a body: %s", a.body)
	}
	if got := b.one.want(200, "GET", groups+"/taken", nil).text("status"); got != "DELETE_IN_PROGRESS" {
		t.Errorf("after the delete it is %s", got)
	}
	b.one.want(204, "DELETE", groups+"/taken/", nil)
	b.admin.want(200, "GET", groups+"/taken", nil)
	b.admin.want(200, "GET", groups, nil)
}
