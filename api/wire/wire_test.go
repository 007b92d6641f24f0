package wire

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/db"
)

func TestDiffShowsTheParentsValue(t *testing.T) {
	over, added, skipped := Diff(db.Strings{"same": "1", "tag": "v1.31", "z": "True"}, db.Strings{"same": "1", "tag": "v1.30", "gone": "x"})
	for name, d := range map[string]string{
		"overridden": cmp.Diff(map[string]string{"tag": "v1.30"}, over), "added": cmp.Diff(map[string]string{"z": "True"}, added), "skipped": cmp.Diff(map[string]string{"gone": "x"}, skipped)} {
		if d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func view(status string) *db.ClusterView {
	reason := "compute: no host"
	return &db.ClusterView{Cluster: db.Cluster{UUID: "u", Name: "c", StackID: "c-x", Status: status, CreatedAt: time.Unix(0, 0)},
		NodeGroups: []*db.NodeGroup{{Name: "default-worker", Status: status, StatusReason: &reason}, {Name: "default-master", Status: "CREATE_COMPLETE"}}}
}

func asMap(t *testing.T, v any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestStackIDBecomesClusterID(t *testing.T) {
	for minor, want := range map[int]string{1: "stack_id", 12: "stack_id", 13: "cluster_id", 14: "cluster_id"} {
		m := asMap(t, NewCluster(view("CREATE_COMPLETE"), "http://x", minor, true))
		other := map[string]string{"stack_id": "cluster_id", "cluster_id": "stack_id"}[want]
		if _, both := m[other]; both || m[want] != "c-x" {
			t.Errorf("1.%d: stack_id %v, cluster_id %v", minor, m["stack_id"], m["cluster_id"])
		}
	}
}

// Clients iterate these: null would break them.
func TestEmptyIsNotNull(t *testing.T) {
	m := asMap(t, NewCluster(view("CREATE_COMPLETE"), "http://x", 14, true))
	for _, name := range []string{"labels", "labels_added", "labels_overridden", "labels_skipped", "node_addresses", "master_addresses", "health_status_reason", "links"} {
		if m[name] == nil {
			t.Errorf("%s is null", name)
		}
	}
	if _, there := m["faults"]; there {
		t.Error("faults are shown without a failure")
	}
	if m["created_at"] != "1970-01-01T00:00:00+00:00" || m["updated_at"] != nil {
		t.Errorf("times: %v, %v", m["created_at"], m["updated_at"])
	}
}

func TestFaultsOfAFailedCluster(t *testing.T) {
	m := asMap(t, NewCluster(view("CREATE_FAILED"), "http://x", 14, true))
	if d := cmp.Diff(map[string]any{"default-worker": "compute: no host"}, m["faults"]); d != "" {
		t.Error(d)
	}
	if m := asMap(t, NewCluster(view("CREATE_FAILED"), "http://x", 14, false)); m["faults"] != nil {
		t.Error("faults are shown in a list")
	}
}
