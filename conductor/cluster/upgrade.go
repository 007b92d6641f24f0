package cluster

import (
	"context"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// giveUpUnready gives up what an earlier attempt did not bring to life: new hosts may do better.
func giveUpUnready(s *db.Snapshot, g *db.NodeGroup) {
	for _, n := range s.Nodes {
		if n.NodeGroupUUID == g.UUID && !n.Ready {
			n.State = db.NodeRemoving
		}
	}
}

// successor of a node; nil when nothing takes its place.
func successor(s *db.Snapshot, n *db.Node) *db.Node {
	i := slices.IndexFunc(s.Nodes, func(x *db.Node) bool { return x.Replaces == n.UUID && x.State == db.NodeWanted })
	if i < 0 {
		return nil
	}
	return s.Nodes[i]
}

// retireReplaced gives up the nodes whose successor is ready.
func retireReplaced(s *db.Snapshot) {
	for _, n := range s.Nodes {
		if x := successor(s, n); x != nil && x.Ready {
			n.State = db.NodeRemoving
		}
	}
}

// upgrade has no graph yet: it ends with a verdict that says so.
func (b *builder) upgrade() {
	b.add("upgrade", deadlineCall, func(context.Context) drivers.Result {
		return drivers.Failed(drivers.ClassUser, "upgrading is not available in this version; nothing was changed")
	})
}
