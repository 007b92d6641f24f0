package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// repairCluster puts back what somebody took away: records of what is gone become intents again, and the tasks that made the
// cluster meet them as they would after a crash. Where nothing is missing they write nothing. Hosts are not its business:
// nodes are healed.
func (b *builder) repairCluster() {
	w, in := b.w, b.w.e.Infra
	compared := b.add("comparison with the cloud", deadlineCall, w.disown)
	network := b.add("network", deadlineCall, func(ctx context.Context) drivers.Result { return in.EnsureNetwork(ctx, w.site) }, compared)
	groups := b.add("security groups", deadlineCall, func(ctx context.Context) drivers.Result { return in.EnsureSecurityGroups(ctx, w.site) }, compared)
	b.add("ports of nodes", deadlineCall, func(ctx context.Context) drivers.Result { return in.EnsurePorts(ctx, w.site, w.roles()) }, groups)
	endpoint := b.endpoint(network, groups)
	if w.s.Cluster.MasterLBEnabled && b.err == nil {
		active := b.add("load balancer", deadlineBuild, func(ctx context.Context) drivers.Result { return in.EnsureLoadBalancer(ctx, w.site) }, endpoint[0])
		endpoint = append(endpoint, b.members("load balancer members", w.nodesOf(db.NodeWanted, w.controlPlanes()...), active))
	}
	if w.spec.PodNetworkMode == ops.PodsRouted {
		b.add("routes of nodes", deadlineCall, w.routeNodes, endpoint...)
	}
}

// routeNodes leads what is for the pods of all nodes there, as when they joined.
func (w *work) routeNodes(ctx context.Context) drivers.Result {
	all, err := w.nodes(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	for node, pods := range w.podRanges(slices.Collect(maps.Values(all))) {
		if r := w.e.Infra.EnsureRoute(ctx, w.site, node, pods); !r.IsDone() {
			return r
		}
	}
	return drivers.Done()
}

// disown compares the ledger with the cloud once more: what was seen before the operation began may have changed since.
func (w *work) disown(ctx context.Context) drivers.Result {
	found, err := w.e.Infra.Verify(ctx, w.site, w.roles())
	if err != nil {
		return drivers.Transient(fmt.Errorf("comparing with the cloud: %w", err))
	}
	return drivers.FromError(w.e.Infra.Disown(ctx, w.site, found))
}
