package cluster

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// plan brings the node rows in line with what the operation is to reach. It changes rows only, and a second run changes
// nothing: counts are met, and what is being removed is not counted.
func plan(op *db.Operation, s *db.Snapshot, now time.Time) error {
	switch ops.Kind(op.Kind) {
	case ops.ClusterCreate:
		for _, g := range s.NodeGroups {
			scale(s, g, nil, now)
		}
	case ops.ClusterDelete:
		for _, n := range s.Nodes {
			n.State = db.NodeRemoving
		}
	case ops.NodeGroupCreate, ops.NodeGroupResize:
		g, err := groupOf(op, s)
		if err != nil {
			return err
		}
		var p ops.Resize
		if len(op.Params) > 0 {
			if err := json.Unmarshal(op.Params, &p); err != nil {
				return fmt.Errorf("reading the operation's parameters: %w", err)
			}
		}
		if firstSlice(op) { // what an earlier attempt did not bring to life is given up: new hosts may do better
			for _, n := range s.Nodes {
				if n.NodeGroupUUID == g.UUID && !n.Ready {
					n.State = db.NodeRemoving
				}
			}
		}
		scale(s, g, p.NodesToRemove, now)
	case ops.NodeGroupDelete:
		g, err := groupOf(op, s)
		if err != nil {
			return err
		}
		for _, n := range s.Nodes {
			if n.NodeGroupUUID == g.UUID {
				n.State = db.NodeRemoving
			}
		}
	}
	return nil
}

// firstSlice tells whether nothing of the operation has run yet.
func firstSlice(op *db.Operation) bool { return len(op.State) <= len("{}") }

func groupOf(op *db.Operation, s *db.Snapshot) (*db.NodeGroup, error) {
	i := slices.IndexFunc(s.NodeGroups, func(g *db.NodeGroup) bool { return g.UUID == op.NodeGroupUUID })
	if i < 0 {
		return nil, fmt.Errorf("node group %s is gone", op.NodeGroupUUID)
	}
	return s.NodeGroups[i], nil
}

// scale marks the named nodes as removed, then adds nodes or gives up the youngest until the count is met.
func scale(s *db.Snapshot, g *db.NodeGroup, remove []string, now time.Time) {
	var have []*db.Node
	for _, n := range s.Nodes {
		if n.NodeGroupUUID != g.UUID || n.State != db.NodeWanted {
			continue
		}
		if slices.Contains(remove, n.Name) {
			n.State = db.NodeRemoving
			continue
		}
		have = append(have, n)
	}
	for i := g.NodeCount; i < len(have); i++ {
		have[i].State = db.NodeRemoving
	}
	for range g.NodeCount - len(have) {
		n := &db.Node{UUID: uuid.NewString(), ClusterUUID: g.ClusterUUID, NodeGroupUUID: g.UUID, State: db.NodeWanted, CreatedAt: now,
			Name: fmt.Sprintf("%s-%s-%s", s.Cluster.StackID, ops.Label(g.Name, 20), suffix())}
		n.First = g.Role == db.RoleMaster && !slices.ContainsFunc(s.Nodes, func(x *db.Node) bool { return x.First })
		s.Nodes = append(s.Nodes, n)
	}
}

// suffix is five random letters and digits.
func suffix() string { return ops.Suffix(rand.Reader) }
