package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

const (
	imageWithoutRuntimes = "ubuntu-24.04-kube-v1.36.6"
	nested               = "m1.nested" // a flavor that requires hardware virtualization
)

// runtimeOf is what a node group's hosts are told.
func (b *bed) runtimeOf(cluster, group string) string {
	b.t.Helper()
	g, err := b.Store.NodeGroup(b.t.Context(), cluster, group)
	if err != nil {
		b.t.Fatal(err)
	}
	var spec ops.GroupSpec
	if err := json.Unmarshal(g.Spec, &spec); err != nil {
		b.t.Fatal(err)
	}
	return spec.Runtime
}

// TestRuntimes: what a create says of each runtime, preflight says, and a new node group is told.
func TestRuntimes(t *testing.T) {
	b := newBed(t)
	cluster := b.readied(nil)
	old := b.one.template(object{"name": "old", "image_id": imageWithoutRuntimes})
	current := b.one.template(object{"name": "current"})
	for i, tc := range []struct {
		name, template, flavor, runtime string
		want                            string // in the spec of the workers
		says                            string // "": accepted
		field                           string
	}{
		{"usual", current, "m1.medium", "runc", "", "", ""},
		{"gVisor on any flavor", current, "m1.medium", "gvisor", "gvisor", "", ""},
		{"Kata", current, nested, "kata", "kata", "", ""},
		{"Kata on a flavor without virtualization", current, "m1.medium", "kata", "", "needs hosts with hardware virtualization", "flavor_id"},
		{"an image that does not say", old, nested, "kata", "", "does not say that it has the container runtime kata", "labels.runtime"},
		{"an image that does not say, on any flavor", old, "m1.medium", "gvisor", "", "container_runtimes", "labels.runtime"},
		{"an unknown one", current, "m1.medium", "docker", "", "one of runc, kata, gvisor is expected", "labels.runtime"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := object{"name": fmt.Sprint("c", i), "cluster_template_id": tc.template, "flavor_id": tc.flavor, "master_flavor_id": "m1.medium", "labels": object{"runtime": tc.runtime}}
			problems := b.one.refusedFor(body)
			made := b.one.do("POST", "/v1/clusters", body)
			if tc.says == "" {
				if made.status != 202 || len(problems) != 0 {
					t.Fatalf("HTTP %d %s, problems %v", made.status, made.body, problems)
				}
				id := made.text("uuid")
				if workers, masters := b.runtimeOf(id, "default-worker"), b.runtimeOf(id, "default-master"); workers != tc.want || masters != "" {
					t.Errorf("workers have %q, the control plane %q", workers, masters)
				}
			} else {
				if made.status != 400 || !strings.Contains(made.detail(), tc.says) {
					t.Errorf("HTTP %d %s", made.status, made.body)
				}
				if len(problems) != 1 || problems[0]["field"] != tc.field || !strings.Contains(fmt.Sprint(problems[0]["message"]), tc.says) {
					t.Errorf("preflight: %v", problems)
				}
			}
			if tc.template != current {
				return // another version than the cluster's
			}
			group := b.one.do("POST", cluster+"/nodegroups", object{"name": fmt.Sprint("g", i), "flavor_id": tc.flavor, "labels": object{"runtime": tc.runtime}})
			if tc.says != "" {
				if group.status != 400 || !strings.Contains(group.detail(), tc.says) {
					t.Errorf("node group: HTTP %d %s", group.status, group.body)
				}
				return
			}
			if got := b.runtimeOf(strings.TrimPrefix(cluster, "/v1/clusters/"), fmt.Sprint("g", i)); group.status != 202 || got != tc.want {
				t.Errorf("node group: HTTP %d, runtime %q", group.status, got)
			}
		})
	}
}

// TestRuntimesReservedNames: nobody sets by hand what the label runtime sets.
func TestRuntimesReservedNames(t *testing.T) {
	b := newBed(t)
	groups := b.readied(nil) + "/nodegroups"
	refuse(t, []refusal{
		{"a node label", b.one, "POST", groups, object{"name": "x", "node_labels": object{"jeroboam.cloud/runtime": "kata"}}, 409, "is set by label runtime"},
		{"a taint", b.one, "POST", groups, object{"name": "x", "node_taints": []object{{"key": "jeroboam.cloud/runtime", "effect": "NoSchedule"}}}, 409, "is set by label runtime"},
		{"a node label of a live group", b.one, "PATCH", groups + "/default-worker", []object{{"op": "replace", "path": "/node_labels", "value": object{"jeroboam.cloud/runtime": "kata"}}}, 409, "is set by label runtime"},
	})
}

// TestUpgradesNeedRoom: an image that is too large for the flavour of a node group is no target.
func TestUpgradesNeedRoom(t *testing.T) {
	b := newBed(t)
	cluster, large := b.readied(object{"flavor_id": "m1.large", "master_flavor_id": "m1.medium"}), object{"cluster_template": b.one.template(object{"name": "rocky", "image_id": "rocky-10-kube-v1.37.3", "flavor_id": "m1.large", "master_flavor_id": "m1.large"})}
	refuse(t, []refusal{{"the root disk of a control plane", b.one, "POST", cluster + "/actions/upgrade", large, 400, "Flavor m1.medium (of node group default-master): image rocky-10-kube-v1.37.3 needs a root disk of 60 GB, it would have 40."}})
	b.one.want(202, "POST", b.readied(object{"name": "roomy", "flavor_id": "m1.large", "master_flavor_id": "m1.large"})+"/actions/upgrade", large)
}

// TestRuntimesSurviveUpgrades: an image without the runtime of a pool is no target.
func TestRuntimesSurviveUpgrades(t *testing.T) {
	b := newBed(t)
	cluster := b.readied(object{"labels": object{"runtime": "gvisor"}})
	id := strings.TrimPrefix(cluster, "/v1/clusters/")
	err := b.Store.ChangeCluster(t.Context(), id, func(s *db.Snapshot) error { // as if it were older
		var spec ops.ClusterSpec
		if err := json.Unmarshal(s.Cluster.Spec, &spec); err != nil {
			return err
		}
		spec.KubernetesVersion = "v1.36.1"
		raw, err := json.Marshal(spec)
		s.Cluster.Spec = raw
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	old := b.one.template(object{"name": "old", "image_id": imageWithoutRuntimes})
	refuse(t, []refusal{{"an image without gVisor", b.one, "POST", cluster + "/actions/upgrade", object{"cluster_template": old}, 400, "default-worker runs its containers in gvisor"}})
	b.one.want(202, "POST", cluster+"/actions/upgrade", object{"cluster_template": b.one.template(object{"name": "new"})})
}
