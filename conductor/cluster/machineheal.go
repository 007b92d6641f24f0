package cluster

import (
	"context"
	"slices"
	"time"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// patienceRestart is how long a kubelet may take to be started again, and to be well after that.
const patienceRestart = 3 * time.Minute

// healMachine mends a node on a real machine. Its kubelet is started again where it can be, by a pod: one that is silent
// starts none. Then the machine is, softly and by its power, then it is made anew where it is; another one takes its place
// only when there is one to spare. As with other hosts, a node that has come back is left alone at every step.
func (b *builder) healMachine(g *db.NodeGroup, n *db.Node) {
	w := b.w
	restarted := b.within("kubelet restart of "+n.Name, patienceRestart, func(ctx context.Context) drivers.Result { return w.restartKubelet(ctx, n) })
	// a pod that was not started yet would do it later, to a node that is well
	tidy := b.add("host commands on "+n.Name+" are gone", deadlineCall, func(ctx context.Context) drivers.Result { return w.forgetCommands(ctx, w.run()) }, restarted)
	back := b.reboots(g, n, tidy)
	decided := b.add(n.Name+" is well or made anew", deadlineCall, func(ctx context.Context) drivers.Result { return w.giveUpIfAway(ctx, g, n) }, back)
	x := successor(w.s, n)
	switch {
	case x != nil && g.Role == db.RoleMaster:
		b.replaceControlPlane(g, n, x, decided)
	case x != nil:
		b.removeNode(n, b.join(g, []*db.Node{x}, decided)...)
	case n.Ready: // it is not decided yet, or it was well
	case g.Role == db.RoleMaster:
		b.rebuildControlPlane(g, n, w.nodesOf(db.NodeWanted, g), []string{decided})
	default:
		b.rebuild(g, n, decided)
	}
}

// restartKubelet starts a kubelet again that still reports.
func (w *work) restartKubelet(ctx context.Context, n *db.Node) drivers.Result {
	if w.beyond(n) || !n.Ready {
		return drivers.Done()
	}
	all, err := w.nodes(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	x, ok := all[n.Name]
	if !ok || x.Ready || x.Silent {
		return drivers.Done()
	}
	command, err := kube.RestartKubelet(w.run(), n.Name)
	if err != nil {
		return drivers.FromError(err)
	}
	if r := w.onHost(ctx, command); !r.IsDone() {
		return r
	}
	return drivers.Continue(drivers.PollInterval, "%s to be ready again after its kubelet was started again", n.Name)
}

// giveUpIfAway decides about a node that did not come back: its row says from then on that it is not ready, and the graph
// makes it anew. A machine that is gone, or was made anew to no avail, can only be replaced.
func (w *work) giveUpIfAway(ctx context.Context, g *db.NodeGroup, n *db.Node) drivers.Result {
	if w.beyond(n) || !n.Ready {
		return drivers.Done()
	}
	well, host, err := w.condition(ctx, n)
	switch {
	case err != nil:
		return drivers.Transient(err)
	case well:
		return drivers.Done()
	case g.Role == db.RoleMaster && len(w.nodesOf(db.NodeWanted, g)) == 1:
		return drivers.Failed(drivers.ClassCloud, "control plane %s did not come back, and it is the only one: making it anew would lose the cluster; its host is %s", n.Name, host)
	case host == drivers.HostGone:
		return w.replaceIfSpare(ctx, g, n, drivers.Done())
	}
	err = w.e.Store.Record(ctx, w.op, func(s *db.Snapshot) error {
		if i := slices.IndexFunc(s.Nodes, func(x *db.Node) bool { return x.UUID == n.UUID }); i >= 0 {
			s.Nodes[i].Ready = false
		}
		return nil
	})
	if err != nil {
		return drivers.Transient(err)
	}
	return drivers.Continue(0, "%s to be made anew where it is: it did not come back", n.Name)
}

// replaceIfSpare gives a node a successor when there is a machine for it; otherwise it fails with what stood before.
func (w *work) replaceIfSpare(ctx context.Context, g *db.NodeGroup, n *db.Node, before drivers.Result) drivers.Result {
	h, err := w.host(g, n)
	if err != nil {
		return drivers.FromError(err)
	}
	spare, err := w.e.rebuilder(g).Spare(ctx, w.site, h)
	switch {
	case err != nil:
		return drivers.Transient(err)
	case spare == 0 && before.Err() != nil:
		return drivers.Failed(drivers.ClassCapacity, "%w; there is no machine to spare for another one", before.Err())
	case spare == 0:
		return drivers.Failed(drivers.ClassCapacity, "the machine of %s is gone, and there is none to spare for another one", n.Name)
	}
	return w.addSuccessor(ctx, g, n)
}
