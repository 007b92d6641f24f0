package cluster

import (
	"context"
	"time"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// deadlineUpgrade of one node in place: what its script may take, and the time until its pod runs.
const deadlineUpgrade = 45 * time.Minute

// upgradeInPlace brings nodes to their group's version one after the other, on the hosts that they have.
func (b *builder) upgradeInPlace(g *db.NodeGroup, needs []string) []string {
	w := b.w
	for i, n := range w.nodesOf(db.NodeWanted, g) {
		done := b.add(inPlaceTask(n), deadlineUpgrade, func(ctx context.Context) drivers.Result { return w.upgradeNode(ctx, g, n, i == 0) }, needs...)
		needs = []string{b.nodeAt(n, w.version(g), done)}
	}
	return needs
}

func inPlaceTask(n *db.Node) string { return "upgrade " + n.Name + " in place" }

func (w *work) upgradeNode(ctx context.Context, g *db.NodeGroup, n *db.Node, first bool) drivers.Result {
	all, err := w.nodes(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	x, there := all[n.Name]
	switch {
	case !there:
		return drivers.Continue(drivers.PollInterval, "node %s to be in the cluster", n.Name)
	case x.Version == w.version(g) && x.Ready:
		return drivers.Done()
	}
	command, err := kube.Upgrade(w.op.UUID, n.Name, x.Architecture, w.version(g), first, w.e.Binaries)
	if err != nil {
		return drivers.Failed(drivers.ClassUser, "%w", err)
	}
	return w.onHost(ctx, command)
}

// kubeadmAddons brings what kubeadm has put into the cluster, kube-proxy and CoreDNS, to the control plane's version.
func (b *builder) kubeadmAddons(g *db.NodeGroup, needs []string) []string {
	w := b.w
	return []string{b.add("kube-proxy and CoreDNS", deadlineCall, func(ctx context.Context) drivers.Result {
		c, err := w.kube(ctx)
		if err != nil {
			return drivers.FromError(err)
		}
		if err := c.ForgetStaticPods(ctx); err != nil {
			return drivers.Transient(err)
		}
		for _, n := range w.nodesOf(db.NodeWanted, g) {
			if successor(w.s, n) != nil {
				continue
			}
			command, err := kube.UpgradeAddons(w.op.UUID, n.Name)
			if err != nil {
				return drivers.FromError(err)
			}
			return w.onHost(ctx, command)
		}
		return drivers.Done()
	}, needs...)}
}
