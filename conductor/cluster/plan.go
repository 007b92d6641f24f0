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
// nothing: counts are met, and what is being removed is not counted. Stays tells whether nodes of a group keep their hosts in
// an upgrade. Only at first is given up what an earlier attempt left.
func plan(op *db.Operation, s *db.Snapshot, first bool, now time.Time, stays func(*db.NodeGroup) bool) error {
	switch ops.Kind(op.Kind) {
	case ops.ClusterCreate:
		if first {
			startAgain(s)
		}
		for _, g := range s.NodeGroups {
			scale(s, g, now)
		}
		electFirst(s)
	case ops.ClusterDelete:
		for _, n := range s.Nodes {
			n.State = db.NodeRemoving
		}
	case ops.NodeGroupCreate, ops.NodeGroupResize, ops.NodeGroupUpdate:
		g, err := groupOf(op, s)
		if err != nil {
			return err
		}
		if first {
			giveUpUnready(s, g)
		}
		scale(s, g, now)
	case ops.ClusterUpgrade, ops.NodeGroupUpgrade:
		return planUpgrade(op, s, first, now, stays)
	case ops.ClusterHibernate, ops.ClusterResume:
		for _, g := range s.NodeGroups {
			if g.Role == db.RoleMaster {
				continue
			}
			if first {
				giveUpUnready(s, g)
			}
			scale(s, g, now)
		}
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

// startAgain gives up what an earlier attempt to create the cluster left half done. Nodes that are ready are kept when the
// control plane is complete. Otherwise all hosts are made anew: a control plane that came half to life has members that
// count for its quorum and do not answer, and nobody has run anything on it yet.
func startAgain(s *db.Snapshot) {
	masters := map[string]bool{}
	for _, g := range s.NodeGroups {
		masters[g.UUID] = g.Role == db.RoleMaster
	}
	whole := !slices.ContainsFunc(s.Nodes, func(n *db.Node) bool { return masters[n.NodeGroupUUID] && !n.Ready })
	for _, n := range s.Nodes {
		if !whole || !n.Ready {
			n.State, n.First = db.NodeRemoving, false
		}
	}
}

// unplanned tells whether the operation's first plan is still to be made.
func unplanned(op *db.Operation) bool { return len(op.State) <= len("{}") }

// planned is the state of an operation that has a plan and has not begun. It is written together with the plan: hosts
// that a first slice asked for are not given up when it is run again after a crash.
const planned = `{"steps":{}}`

func groupOf(op *db.Operation, s *db.Snapshot) (*db.NodeGroup, error) {
	i := slices.IndexFunc(s.NodeGroups, func(g *db.NodeGroup) bool { return g.UUID == op.NodeGroupUUID })
	if i < 0 {
		return nil, fmt.Errorf("node group %s is gone", op.NodeGroupUUID)
	}
	return s.NodeGroups[i], nil
}

// scale adds nodes or gives up the youngest until the count is met.
func scale(s *db.Snapshot, g *db.NodeGroup, now time.Time) {
	var have []*db.Node
	for _, n := range s.Nodes {
		if n.NodeGroupUUID == g.UUID && n.State == db.NodeWanted {
			have = append(have, n)
		}
	}
	for i := g.NodeCount; i < len(have); i++ {
		have[i].State = db.NodeRemoving
	}
	for range g.NodeCount - len(have) {
		s.Nodes = append(s.Nodes, newNode(s, g, now))
	}
}

// newNode is a node of the group that is to be made.
func newNode(s *db.Snapshot, g *db.NodeGroup, now time.Time) *db.Node {
	return &db.Node{UUID: uuid.NewString(), ClusterUUID: g.ClusterUUID, NodeGroupUUID: g.UUID, State: db.NodeWanted, CreatedAt: now,
		ImageID: groupSpec(g).ImageID, Name: fmt.Sprintf("%s-%s-%s", s.Cluster.StackID, ops.Label(g.Name, 20), suffix())}
}

// groupSpec of a node group: one that cannot be read is that of no image, which no host can be made of.
func groupSpec(g *db.NodeGroup) ops.GroupSpec {
	var spec ops.GroupSpec
	if err := json.Unmarshal(orEmpty(g.Spec), &spec); err != nil {
		return ops.GroupSpec{}
	}
	return spec
}

// electFirst names the control plane that runs `kubeadm init`. Only a cluster that is being created has one to elect:
// whatever comes later joins what is there.
func electFirst(s *db.Snapshot) {
	masters := map[string]bool{}
	for _, g := range s.NodeGroups {
		masters[g.UUID] = g.Role == db.RoleMaster
	}
	if slices.ContainsFunc(s.Nodes, func(n *db.Node) bool { return n.First }) {
		return
	}
	i := slices.IndexFunc(s.Nodes, func(n *db.Node) bool { return n.State == db.NodeWanted && masters[n.NodeGroupUUID] })
	if i >= 0 {
		s.Nodes[i].First = true
	}
}

// suffix is five random letters and digits.
func suffix() string { return ops.Suffix(rand.Reader) }
