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
	for _, first := range []bool{true, false} {
		if err := plan(op, s, first, time.Unix(0, 0), replaced); err != nil {
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
				n := &db.Node{UUID: string(rune('a' + i)), NodeGroupUUID: "w", Name: "n" + string(rune('0'+i)), State: db.NodeWanted, Ready: i < tc.ready}
				if n.Name == tc.remove { // by the API
					n.State = db.NodeRemoving
				}
				s.Nodes = append(s.Nodes, n)
			}
			op := &db.Operation{Kind: string(ops.NodeGroupResize), NodeGroupUUID: "w"}
			if err := plan(op, s, unplanned(op), time.Unix(0, 0), replaced); err != nil {
				t.Fatal(err)
			}
			op.State = db.RawJSON(planned)
			if err := plan(op, s, unplanned(op), time.Unix(0, 0), replaced); err != nil { // the next slice changes nothing
				t.Fatal(err)
			}
			if w, r := count(s, "w", db.NodeWanted), count(s, "w", db.NodeRemoving); w != tc.wanted || r != tc.removing {
				t.Errorf("%d wanted and %d removing, want %d and %d", w, r, tc.wanted, tc.removing)
			}
		})
	}
}

func TestPlanCreateAgain(t *testing.T) {
	for _, tc := range []struct {
		name                string
		masters, workers    string // of the earlier attempt: r is ready, - is not
		keptMasters, kept   int
		removing            int
		firstIsOfTheEarlier bool
	}{
		{"nothing was there", "", "", 0, 0, 0, false},
		{"a worker failed", "rrr", "r-", 3, 1, 1, true},
		{"a control plane failed: its etcd is not to be trusted", "rr-", "rr", 0, 0, 5, false},
		{"all were ready", "rrr", "rr", 3, 2, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := snapshot(3, 2)
			for group, l := range map[string]string{"m": tc.masters, "w": tc.workers} {
				for i, c := range l {
					s.Nodes = append(s.Nodes, &db.Node{UUID: group + string(rune('a'+i)), NodeGroupUUID: group, Name: group + string(rune('0'+i)),
						State: db.NodeWanted, Ready: c == 'r', First: group == "m" && i == 0})
				}
			}
			op := &db.Operation{Kind: string(ops.ClusterCreate)}
			for _, first := range []bool{true, false} { // the second slice changes nothing
				if err := plan(op, s, first, time.Unix(0, 0), replaced); err != nil {
					t.Fatal(err)
				}
			}
			kept, removing, firsts := map[string]int{}, 0, 0
			for _, n := range s.Nodes {
				switch earlier := len(n.Name) == 2; {
				case n.State == db.NodeRemoving:
					removing++
				case earlier:
					kept[n.NodeGroupUUID]++
				}
				if n.First {
					firsts++
					if n.State != db.NodeWanted || (len(n.Name) == 2) != tc.firstIsOfTheEarlier {
						t.Errorf("%s, %s, is first", n.Name, n.State)
					}
				}
			}
			if kept["m"] != tc.keptMasters || kept["w"] != tc.kept || removing != tc.removing || firsts != 1 {
				t.Errorf("%v kept, %d removing, %d first", kept, removing, firsts)
			}
			if m, w := count(s, "m", db.NodeWanted), count(s, "w", db.NodeWanted); m != 3 || w != 2 {
				t.Errorf("%d control planes and %d workers, want 3 and 2", m, w)
			}
		})
	}
}

// replaced are the nodes of all groups in an upgrade.
func replaced(*db.NodeGroup) bool { return false }
