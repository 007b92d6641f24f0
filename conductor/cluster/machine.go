package cluster

import (
	"context"
	"slices"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// rebuilder is a driver whose machines are made anew where they stand, since there are only so many of them: bare metal.
type rebuilder interface {
	// RebuildHost has a host deployed once more, on the machine and with the address that it has. Done when it runs; a call
	// with the token of one that is done changes nothing.
	RebuildHost(ctx context.Context, s *drivers.Site, h drivers.Host, token string, userData drivers.UserData) drivers.Result
	// RetireHost keeps the machine of a host from becoming anybody's again when the host is removed.
	RetireHost(ctx context.Context, s *drivers.Site, name, reason string) drivers.Result
	// Spare tells how many more hosts like this one could be had now.
	Spare(ctx context.Context, s *drivers.Site, h drivers.Host) (int, error)
	// Times are how long a host may take to be deployed, and to be back after a reboot.
	Times() (deploy, reboot time.Duration)
}

// rebuilder of a group; nil where other hosts take the place of those that are not what they should be.
func (e *Executor) rebuilder(g *db.NodeGroup) rebuilder {
	r, _ := e.Machines[g.Driver].(rebuilder)
	return r
}

func (e *Executor) rebuilds(g *db.NodeGroup) bool { return e.rebuilder(g) != nil }

// buildTime is how long a group's hosts may take to be there.
func (e *Executor) buildTime(g *db.NodeGroup) time.Duration {
	if r := e.rebuilder(g); r != nil {
		deploy, _ := r.Times()
		return deploy
	}
	return deadlineBuild
}

// rebootTime is how long a group's hosts may take to be back after a reboot.
func (e *Executor) rebootTime(g *db.NodeGroup) time.Duration {
	if r := e.rebuilder(g); r != nil {
		_, reboot := r.Times()
		return max(reboot, e.RebootTimeout)
	}
	return e.RebootTimeout
}

func rebuildTask(n *db.Node) string { return "rebuild " + n.Name }

// rebuild makes a node anew that has left its cluster, on its own machine, and waits until it is back.
func (b *builder) rebuild(g *db.NodeGroup, n *db.Node, needs ...string) string {
	w := b.w
	if !b.has[joinTokenTask] {
		b.add(joinTokenTask, deadlineCall, w.renewToken)
	}
	old := b.add("serving certificate of "+n.Name+" is forgotten", deadlineCall, func(ctx context.Context) drivers.Result { return w.forgetServing(ctx, n) }, needs...)
	needs = append(slices.Clip(needs), old, joinTokenTask)
	done := b.add(rebuildTask(n), w.e.buildTime(g), func(ctx context.Context) drivers.Result { return w.rebuild(ctx, g, n) }, needs...)
	return b.add(readyTask(n), deadlineBoot, func(ctx context.Context) drivers.Result { return w.nodeBack(ctx, g, n) }, done)
}

func (w *work) rebuild(ctx context.Context, g *db.NodeGroup, n *db.Node) drivers.Result {
	h, err := w.host(g, n)
	if err != nil {
		return drivers.FromError(err)
	}
	r := w.e.rebuilder(g).RebuildHost(ctx, w.site, h, w.op.UUID, w.userDataOf(g, n, false))
	_, final := shortfall(r)
	if final && ops.Kind(w.op.Kind) == ops.NodeGroupHeal && drivers.ClassOf(r.Err()) != drivers.ClassUser { // another machine is no other image
		return w.replaceIfSpare(ctx, g, n, r)
	}
	return r
}

// nodeBack is nodeReady for a node that Kubernetes may know from before: what it was then is not looked at.
func (w *work) nodeBack(ctx context.Context, g *db.NodeGroup, n *db.Node) drivers.Result {
	all, err := w.nodes(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	if x, ok := all[n.Name]; ok && !x.Ready {
		return drivers.Continue(drivers.PollInterval, "node %s to be ready: %s", n.Name, x.Reason)
	}
	return w.nodeReady(ctx, n, w.version(g))
}

// rebuildNodes brings workers to their group's image where they are, so many at once: without a surge, for which there may
// be no machine.
func (b *builder) rebuildNodes(g *db.NodeGroup, batch int, needs ...string) {
	w := b.w
	for _, n := range w.nodesOf(db.NodeRemoving, g) {
		b.removeNode(n, needs...)
	}
	old, rest := split2(w.nodesOf(db.NodeWanted, g), w.madeOfOther(g))
	for part := range slices.Chunk(old, batch) {
		var ready []string
		for _, n := range part {
			ready = append(ready, b.rebuild(g, n, b.leaveCluster(n, needs...)))
		}
		needs = ready
	}
	fresh, rest := split2(rest, w.missing)
	b.join(g, fresh, needs...)
	for _, n := range rest {
		b.node(g, n, needs...)
	}
}

// madeOfOther tells which nodes the operation has to make anew. Those that it has made anew stay among them, so that the
// graph is the same in every slice.
func (w *work) madeOfOther(g *db.NodeGroup) func(n *db.Node) bool {
	return func(n *db.Node) bool {
		return n.ImageID != groupSpec(g).ImageID || w.state.Steps[rebuildTask(n)] != nil
	}
}

// rebuildControlPlanes does so with control planes, one by one: each leaves etcd, is made anew and joins as a new member.
func (b *builder) rebuildControlPlanes(g *db.NodeGroup, needs []string) []string {
	w := b.w
	left := w.nodesOf(db.NodeRemoving, g)
	wanted := w.nodesOf(db.NodeWanted, g)
	other := w.madeOfOther(g)
	fresh, all := split2(wanted, func(n *db.Node) bool { return w.missing(n) && !other(n) })
	needs = b.leaveControlPlane(left, all, needs...)
	old, rest := split2(all, other)
	for _, n := range old {
		needs = b.rebuildControlPlane(g, n, all, needs)
	}
	for _, n := range rest {
		needs = append(slices.Clip(needs), b.node(g, n, needs...))
	}
	return b.joinControlPlanes(g, fresh, all, needs...)
}

func (b *builder) rebuildControlPlane(g *db.NodeGroup, n *db.Node, all []*db.Node, needs []string) []string {
	others := slices.DeleteFunc(slices.Clone(all), func(x *db.Node) bool { return x == n })
	if b.w.s.Cluster.MasterLBEnabled {
		needs = []string{b.members("load balancer without "+n.Name, others, needs...)}
	}
	ready := b.rebuild(g, n, b.leaveCluster(n, needs...))
	return b.controlPlaneWhole(n.Name+" has joined again", all, ready)
}

// retire takes the machine of a node out for repair that is removed because it is not well. One that is well is somebody
// else's next.
func (b *builder) retire(n *db.Node, needs ...string) []string {
	w, g := b.w, b.w.group(n.NodeGroupUUID)
	if g == nil || n.UnhealthySince == nil || !w.e.rebuilds(g) {
		return needs
	}
	return []string{b.add("machine of "+n.Name+" is taken out for repair", deadlineCall, func(ctx context.Context) drivers.Result {
		return w.e.rebuilder(g).RetireHost(ctx, w.site, n.Name, "node "+n.Name+" of cluster "+w.s.Cluster.Name+" was not well and did not come back")
	}, needs...)}
}
