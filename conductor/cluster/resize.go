package cluster

import (
	"context"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// resizeGroup brings one node group to its count: new hosts at once, others drained and gone.
func (b *builder) resizeGroup() {
	g := b.w.group(b.w.op.NodeGroupUUID)
	if g.Role == db.RoleMaster {
		b.resizeControlPlane(g)
		return
	}
	b.runtimeClasses([]*db.NodeGroup{g})
	b.join(g, b.w.nodesOf(db.NodeWanted, g))
	b.removeNodes(g)
}

// updateGroup brings labels and taints of a group's nodes in line with the group's. Where a resize failed before, so is their
// number: what is complete has all of its nodes.
func (b *builder) updateGroup() {
	w, g := b.w, b.w.group(b.w.op.NodeGroupUUID)
	wanted := w.nodesOf(db.NodeWanted, g)
	if slices.ContainsFunc(wanted, w.missing) || len(w.nodesOf(db.NodeRemoving, g)) > 0 {
		b.resizeGroup()
		return
	}
	for _, n := range wanted {
		b.add("labels and taints of "+n.Name, deadlineCall, func(ctx context.Context) drivers.Result { return w.dressNode(ctx, n) })
	}
}

// deleteGroup takes a node group out of the cluster.
func (b *builder) deleteGroup() {
	w := b.w
	g := w.group(w.op.NodeGroupUUID)
	gone := b.removeNodes(g)
	b.runtimeClasses([]*db.NodeGroup{g}, gone...)
	b.add("server group of "+g.Name+" is gone", deadlineGone, func(ctx context.Context) drivers.Result {
		for _, r := range w.l.All() {
			if r.Kind == drivers.KindServerGroup && r.Name == w.s.Cluster.StackID+"-"+g.Name {
				m, err := w.machines(g)
				if err != nil {
					return drivers.FromError(err)
				}
				return m.Remove(ctx, w.site, r)
			}
		}
		return drivers.Done()
	}, gone...)
}
