package cluster

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// upgrading is a cluster of ready nodes, made of the old image, with the operation that leads it to the new one.
func upgrading(t *testing.T, masters, workers int, loadBalancer, back bool) (*db.Snapshot, *db.Operation) {
	t.Helper()
	s := snapshot(masters, workers)
	s.Cluster.MasterLBEnabled = loadBalancer
	u := ops.Upgrade{Target: ops.Target{ImageID: "new", KubernetesVersion: "v1.37.2"}, MaxBatchSize: 1, Back: back, From: map[string]ops.Target{}}
	for _, g := range s.NodeGroups {
		g.Spec = db.RawJSON(`{"image_id": "old", "kube_version": "v1.36.6"}`)
		u.From[g.UUID] = ops.Target{ImageID: "old", KubernetesVersion: "v1.36.6"}
	}
	if err := plan(&db.Operation{Kind: string(ops.ClusterCreate)}, s, true, time.Unix(0, 0), replaced); err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Nodes {
		n.Ready, n.Version = true, "v1.36.6"
	}
	raw, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	return s, &db.Operation{Kind: string(ops.ClusterUpgrade), Params: raw}
}

func replan(t *testing.T, op *db.Operation, s *db.Snapshot, first bool) {
	t.Helper()
	if err := plan(op, s, first, time.Unix(0, 0), replaced); err != nil {
		t.Fatal(err)
	}
	retireReplaced(s)
}

// made counts the nodes of a group that are wanted, by what they are made of.
func made(s *db.Snapshot, group string) map[string]int {
	out := map[string]int{}
	for _, n := range s.Nodes {
		if n.NodeGroupUUID == group && n.State == db.NodeWanted {
			out[n.ImageID]++
		}
	}
	return out
}

func TestPlanUpgradeGivesEveryNodeOneSuccessor(t *testing.T) {
	s, op := upgrading(t, 3, 2, true, false)
	for _, first := range []bool{true, false, false} {
		replan(t, op, s, first)
		if m, w := made(s, "m"), made(s, "w"); m["old"] != 3 || m["new"] != 3 || w["old"] != 2 || w["new"] != 2 {
			t.Fatalf("control plane %v, workers %v: the old ones stay until their successors are ready", m, w)
		}
	}
	for _, n := range s.Nodes {
		n.Ready = n.Ready || n.NodeGroupUUID == "w"
	}
	replan(t, op, s, false)
	if m, w := made(s, "m"), made(s, "w"); m["old"] != 3 || w["old"] != 0 || w["new"] != 2 || count(s, "w", db.NodeRemoving) != 2 {
		t.Errorf("control plane %v, workers %v: who has a ready successor goes", m, w)
	}
	if spec := groupSpec(s.NodeGroups[0]); spec.ImageID != "new" || spec.KubeVersion != "v1.37.2" {
		t.Errorf("the group is made of %+v", spec)
	}
}

// TestPlanUpgradeAgain: what did not come to life is given up, what did is kept.
func TestPlanUpgradeAgain(t *testing.T) {
	s, op := upgrading(t, 1, 3, true, false)
	replan(t, op, s, true)
	alive := ""
	for _, n := range s.Nodes {
		if n.Replaces != "" && n.NodeGroupUUID == "w" && alive == "" {
			n.Ready, alive = true, n.Name
		}
	}
	retireReplaced(s)
	replan(t, op, s, true)
	if w := made(s, "w"); w["old"] != 2 || w["new"] != 3 {
		t.Errorf("workers %v, want 2 old ones and 3 new ones", w)
	}
	kept := false
	for _, n := range s.Nodes {
		kept = kept || n.Name == alive && n.State == db.NodeWanted
	}
	if removing := count(s, "w", db.NodeRemoving); !kept || removing != 3 {
		t.Errorf("%d go, want the old one that was replaced and two that never lived; kept: %v", removing, kept)
	}
}

func TestPlanUpgradeBack(t *testing.T) {
	s, op := upgrading(t, 3, 2, true, false)
	replan(t, op, s, true)
	_, back := upgrading(t, 3, 2, true, true)
	replan(t, back, s, true)
	if m, w := made(s, "m"), made(s, "w"); m["old"] != 3 || m["new"] != 0 || w["old"] != 2 || w["new"] != 0 {
		t.Errorf("control plane %v, workers %v, want what there was", m, w)
	}
	if spec := groupSpec(s.NodeGroups[1]); spec.ImageID != "old" || spec.KubeVersion != "v1.36.6" {
		t.Errorf("the group is made of %+v", spec)
	}
}

// TestPlanUpgradeInPlace: the only control plane of a cluster without a load balancer keeps its host.
func TestPlanUpgradeInPlace(t *testing.T) {
	s, op := upgrading(t, 1, 1, false, false)
	replan(t, op, s, true)
	if m, w := made(s, "m"), made(s, "w"); m["old"] != 1 || m["new"] != 0 || w["new"] != 1 {
		t.Errorf("control plane %v, workers %v", m, w)
	}
}
