package cluster

import "github.com/jeroboam-cloud/jeroboam/db"

// restOrWake brings all node groups but the control plane to their counts: none when the cluster is hibernated, what they
// were before when it is resumed. A group that is still half way of the other is met wherever it is.
func (b *builder) restOrWake() {
	for _, g := range b.w.s.NodeGroups {
		if g.Role != db.RoleMaster {
			b.join(g, b.w.nodesOf(db.NodeWanted, g))
			b.removeNodes(g)
		}
	}
}
