package cluster

import (
	"context"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// resizeControlPlane brings the control plane to its count. New members may come together, as at the cluster's first hour;
// members leave one by one, each when etcd is whole without it.
func (b *builder) resizeControlPlane(g *db.NodeGroup) {
	w := b.w
	wanted := w.nodesOf(db.NodeWanted, g)
	failed, leaving := split2(w.nodesOf(db.NodeRemoving, g), func(n *db.Node) bool { return !n.Ready })
	last := b.leaveControlPlane(failed, slices.Concat(leaving, readyOf(wanted)))
	ready := b.join(g, wanted, last...)
	last = b.controlPlaneWhole("all have joined", slices.Concat(wanted, leaving), ready...)
	b.leave(leaving, wanted, last)
}

// leave takes control planes away one after the other, and looks at etcd in between.
func (b *builder) leave(leaving, stay []*db.Node, needs []string) []string {
	for i, n := range leaving {
		rest := slices.Concat(stay, leaving[i+1:])
		gone := b.leaveControlPlane([]*db.Node{n}, rest, needs...)
		needs = b.controlPlaneWhole(n.Name+" has left", rest, gone...)
	}
	return needs
}

// leaveControlPlane takes nodes out of the load balancer, then out of the cluster, in turn.
func (b *builder) leaveControlPlane(leaving, stay []*db.Node, needs ...string) []string {
	for _, n := range leaving {
		if b.w.s.Cluster.MasterLBEnabled {
			needs = []string{b.members("load balancer without "+n.Name, stay, needs...)}
		}
		needs = []string{b.removeNode(n, needs...)}
	}
	return needs
}

// controlPlaneWhole: etcd has exactly these members, all well, and the load balancer leads to them.
func (b *builder) controlPlaneWhole(when string, members []*db.Node, needs ...string) []string {
	w := b.w
	whole := b.add("etcd is whole, "+when, deadlineBoot, func(ctx context.Context) drivers.Result { return w.etcdWhole(ctx, members) }, needs...)
	if !w.s.Cluster.MasterLBEnabled {
		return []string{whole}
	}
	return []string{b.members("load balancer members, "+when, members, whole)}
}

// members makes these control planes those behind the load balancer.
func (b *builder) members(name string, nodes []*db.Node, needs ...string) string {
	w := b.w
	return b.add(name, deadlineBuild, func(ctx context.Context) drivers.Result { return w.ensureMembers(ctx, nodes) }, needs...)
}

// join brings nodes of a group to life that are not yet, and gives the tasks that saw each of them ready.
func (b *builder) join(g *db.NodeGroup, nodes []*db.Node, needs ...string) []string {
	if len(nodes) == 0 {
		return needs
	}
	if b.shared == nil {
		b.shared = map[string]string{}
	}
	if b.shared[g.UUID] == "" {
		b.shared[g.UUID] = b.serverGroup(g)
	}
	if !b.has[joinTokenTask] {
		b.add(joinTokenTask, deadlineCall, b.w.renewToken)
	}
	ready := make([]string, 0, len(nodes))
	for _, n := range nodes {
		needs := slices.Clip(append([]string{b.shared[g.UUID], joinTokenTask}, needs...))
		ready = append(ready, b.node(g, n, b.host(g, n, append(needs, b.address(g, n, needs...))...)))
	}
	return ready
}

const joinTokenTask = "join token"

func readyOf(nodes []*db.Node) []*db.Node {
	ready, _ := split2(nodes, func(n *db.Node) bool { return n.Ready })
	return ready
}

// split2 parts those for which is holds from the others.
func split2(nodes []*db.Node, is func(*db.Node) bool) (yes, no []*db.Node) {
	for _, n := range nodes {
		if is(n) {
			yes = append(yes, n)
		} else {
			no = append(no, n)
		}
	}
	return yes, no
}
