package cluster

import (
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

func snapshot(masters, workers int) *db.Snapshot {
	return &db.Snapshot{Cluster: &db.Cluster{UUID: "c", StackID: "dev-x2x2x"}, NodeGroups: []*db.NodeGroup{
		{UUID: "m", ClusterUUID: "c", Name: "default-master", Role: db.RoleMaster, NodeCount: masters},
		{UUID: "w", ClusterUUID: "c", Name: "default-worker", Role: db.RoleWorker, NodeCount: workers},
	}}
}

func count(s *db.Snapshot, group, state string) int {
	n := 0
	for _, x := range s.Nodes {
		if x.NodeGroupUUID == group && x.State == state {
			n++
		}
	}
	return n
}

func TestPlanCreateIsIdempotent(t *testing.T) {
	s, op := snapshot(3, 2), &db.Operation{Kind: string(ops.ClusterCreate)}
	for range 2 {
		if err := plan(op, s, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if m, w := count(s, "m", db.NodeWanted), count(s, "w", db.NodeWanted); m != 3 || w != 2 {
		t.Errorf("%d control planes and %d workers, want 3 and 2", m, w)
	}
	first, names := 0, map[string]bool{}
	for _, n := range s.Nodes {
		names[n.Name] = true
		if n.First {
			first++
		}
		if len(n.Name) > 63 {
			t.Errorf("name %q is no host name", n.Name)
		}
	}
	if first != 1 || len(names) != 5 {
		t.Errorf("%d first control planes and %d names, want 1 and 5", first, len(names))
	}
}

func TestPlanResize(t *testing.T) {
	for _, tc := range []struct {
		name             string
		ready            int // workers that run
		unready          int // left by a failed attempt
		count            int
		remove           string
		wanted, removing int
	}{
		{"up", 2, 0, 4, "", 4, 0},
		{"down", 4, 0, 1, "", 1, 3},
		{"to zero", 2, 0, 0, "", 0, 2},
		{"replace a named one", 2, 0, 2, "n0", 2, 1},
		{"take a named one away", 3, 0, 2, "n2", 2, 1},
		{"what never came up is given up", 1, 2, 3, "", 3, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := snapshot(1, tc.count)
			for i := range tc.ready + tc.unready {
				s.Nodes = append(s.Nodes, &db.Node{UUID: string(rune('a' + i)), NodeGroupUUID: "w", Name: "n" + string(rune('0'+i)), State: db.NodeWanted, Ready: i < tc.ready})
			}
			op := &db.Operation{Kind: string(ops.NodeGroupResize), NodeGroupUUID: "w"}
			if tc.remove != "" {
				op.Params = db.RawJSON(`{"nodes_to_remove":["` + tc.remove + `"]}`)
			}
			if err := plan(op, s, time.Unix(0, 0)); err != nil {
				t.Fatal(err)
			}
			op.State = db.RawJSON(`{"steps":{"x":{"status":"running"}}}`)
			if err := plan(op, s, time.Unix(0, 0)); err != nil { // the next slice changes nothing
				t.Fatal(err)
			}
			if w, r := count(s, "w", db.NodeWanted), count(s, "w", db.NodeRemoving); w != tc.wanted || r != tc.removing {
				t.Errorf("%d wanted and %d removing, want %d and %d", w, r, tc.wanted, tc.removing)
			}
		})
	}
}
