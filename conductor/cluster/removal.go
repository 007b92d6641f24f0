package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// removeNode is the one way in which a node leaves its cluster: nothing new comes to it, what runs there moves, its volumes
// follow, etcd forgets it, then Kubernetes does, and last the host goes with all that belongs to it in the cloud. It gives
// the name of the last task.
func (b *builder) removeNode(n *db.Node, needs ...string) string {
	w := b.w
	gone := b.removeHost(n.Name, b.retire(n, b.leaveCluster(n, needs...)))
	return b.add("node "+n.Name+" is forgotten", deadlineCall, func(ctx context.Context) drivers.Result { return w.deleteNode(ctx, n, true) }, gone)
}

// leaveCluster takes a node out of its cluster, and leaves its host where it is.
func (b *builder) leaveCluster(n *db.Node, needs ...string) string {
	w, g := b.w, b.w.group(n.NodeGroupUUID)
	cordoned := b.add("cordon "+n.Name, deadlineCall, func(ctx context.Context) drivers.Result { return w.cordon(ctx, n) }, needs...)
	drain := "drain " + n.Name
	since := w.state.Step(drain).StartedAt
	drained := b.add(drain, w.e.DrainTimeout+deadlineCall, func(ctx context.Context) drivers.Result { return w.drain(ctx, n, since) }, cordoned)
	volumes := "volumes leave " + n.Name
	drainedAt := w.state.Step(volumes).StartedAt
	free := b.add(volumes, w.e.DrainTimeout+deadlineCall, func(ctx context.Context) drivers.Result { return w.volumesLeft(ctx, n, drainedAt) }, drained)
	if g != nil && g.Role == db.RoleMaster {
		free = b.add("etcd member "+n.Name+" is gone", deadlineCall, func(ctx context.Context) drivers.Result { return w.removeEtcdMember(ctx, n) }, free)
	}
	return b.add("delete node "+n.Name, deadlineCall, func(ctx context.Context) drivers.Result { return w.deleteNode(ctx, n, false) }, free)
}

// removeNodes removes those that a group gives up, side by side, as far as disruption budgets let them.
func (b *builder) removeNodes(g *db.NodeGroup, needs ...string) []string {
	var gone []string
	for _, n := range b.w.nodesOf(db.NodeRemoving, g) {
		gone = append(gone, b.removeNode(n, needs...))
	}
	return gone
}

// inCluster tells how a node is now; nil when Kubernetes does not know it.
func (w *work) inCluster(ctx context.Context, n *db.Node) (*kube.Node, *kube.Client, error) {
	c, err := w.kube(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err := w.nodes(ctx)
	if err != nil {
		return nil, nil, err
	}
	if x, ok := all[n.Name]; ok {
		return &x, c, nil
	}
	return nil, c, nil
}

func (w *work) cordon(ctx context.Context, n *db.Node) drivers.Result {
	if !n.Ready { // nothing ever ran there
		return drivers.Done()
	}
	x, c, err := w.inCluster(ctx, n)
	if err != nil || x == nil || x.Unschedulable {
		return drivers.FromError(err)
	}
	if err := c.Cordon(ctx, n.Name); err != nil {
		return drivers.Transient(fmt.Errorf("cordoning %s: %w", n.Name, err))
	}
	return drivers.Done()
}

// endsIn is how long after its time a pod's kubelet may still be at work on its end.
const endsIn = 2 * time.Minute

// drain evicts what runs on a node, with disruption budgets as long as the time of a drain lasts, and without them from
// then on: the node goes. Nobody on a node whose kubelet is silent answers an eviction, so nobody is waited for there.
func (w *work) drain(ctx context.Context, n *db.Node, since time.Time) drivers.Result {
	if !n.Ready {
		return drivers.Done()
	}
	x, c, err := w.inCluster(ctx, n)
	if err != nil || x == nil {
		return drivers.FromError(err)
	}
	overdue := !since.IsZero() && w.e.clock().Sub(since) >= w.e.DrainTimeout
	options := kube.DrainOptions{DisregardBudgets: overdue || !x.Ready}
	if overdue {
		options.OverSince = w.e.clock().Add(-endsIn)
	}
	left, err := c.Drain(ctx, n.Name, options)
	switch {
	case err != nil:
		return drivers.Transient(fmt.Errorf("draining %s: %w", n.Name, err))
	case len(left) == 0 || !x.Ready:
		return drivers.Done()
	case overdue:
		return drivers.Continue(drivers.PollInterval, "the time to drain %s is over, budgets count no more; %d pods to leave: %s", n.Name, len(left), some(left))
	}
	return drivers.Continue(drivers.PollInterval, "%d pods to leave %s: %s", len(left), n.Name, some(left))
}

// some names the first few.
func some(l []string) string { return strings.Join(l[:min(len(l), 3)], ", ") }

// volumesLeft is Done when no volume is attached to the node any more, or when that has taken as long as a drain may: no pod
// is there that could write to them, and the cloud detaches them when the host goes. A node whose kubelet is silent cannot
// let go at all.
func (w *work) volumesLeft(ctx context.Context, n *db.Node, since time.Time) drivers.Result {
	if !n.Ready {
		return drivers.Done()
	}
	x, c, err := w.inCluster(ctx, n)
	if err != nil || x == nil || !x.Ready {
		return drivers.FromError(err)
	}
	attached, err := c.VolumeAttachments(ctx, n.Name)
	switch {
	case err != nil:
		return drivers.Transient(err)
	case attached > 0 && !since.IsZero() && w.e.clock().Sub(since) >= w.e.DrainTimeout:
		return drivers.Done().Remark(fmt.Sprintf("%d volumes are still attached to %s, and go from it with its host", attached, n.Name))
	case attached > 0:
		return drivers.Continue(drivers.PollInterval, "%d volumes to leave %s", attached, n.Name)
	}
	return drivers.Done()
}

// deleteNode takes the node out of Kubernetes. One whose kubelet is silent stays in until its host is gone: what ran there
// may still run, and must not be started elsewhere beside it.
func (w *work) deleteNode(ctx context.Context, n *db.Node, hostIsGone bool) drivers.Result {
	x, c, err := w.inCluster(ctx, n)
	if err != nil {
		return drivers.FromError(err)
	}
	if x == nil || (!x.Ready && !hostIsGone) {
		return drivers.Done()
	}
	if err := c.DeleteNode(ctx, n.Name); err != nil {
		return drivers.Transient(fmt.Errorf("deleting node %s: %w", n.Name, err))
	}
	return drivers.Done()
}
