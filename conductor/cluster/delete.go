package cluster

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// order in which kinds of objects go: what hangs on others goes before them. Equal ones go side by side.
var removalOrder = map[string]int{
	drivers.KindServer: 0, drivers.KindAllocation: 0, drivers.KindPort: 0, drivers.KindVolume: 0, drivers.KindFloatingIP: 0, drivers.KindLoadBalancer: 0,
	drivers.KindServerGroup: networkOrder, drivers.KindRouterPort: networkOrder, drivers.KindSecurityGroup: networkOrder,
	drivers.KindRouter: 2, drivers.KindSubnet: 2,
	drivers.KindNetwork: 3,
	drivers.KindUser:    userOrder,
}

const (
	networkOrder = 1
	secretsOrder = 4
	userOrder    = 5 // who deletes the others; after the secrets, whose loss would lock it out
)

const seesTask = "what the project has can be seen"

// deleteCluster walks the ledger in reverse. What the cluster made by itself goes in between: while its API answers it is
// asked to take its load balancers away; the rest is found by its name when there are no hosts any more that could make it
// anew, and before the networks that it hangs on. At the end it is looked up what is still there in the cluster's name.
func (b *builder) deleteCluster() {
	var params ops.Delete
	if b.err = json.Unmarshal(orEmpty(b.w.op.Params), &params); b.err != nil {
		return
	}
	b.force = params.Force
	ranks := make([][]drivers.Resource, userOrder+1)
	for _, r := range slices.Backward(b.w.l.All()) {
		ranks[removalOrder[r.Kind]] = append(ranks[removalOrder[r.Kind]], r)
	}
	before := []string{b.take(seesTask, deadlineCall, func(ctx context.Context) drivers.Result { return b.w.e.Infra.Sees(ctx, b.w.site) })}
	before = append(before, b.releaseServices())
	for rank, rows := range ranks {
		switch rank {
		case networkOrder:
			before = append(before, b.removeMade(before)...)
		case secretsOrder:
			before = append(before, b.sweep(before))
			before = append(before, b.removeSecrets(before))
		}
		before = append(before, b.removeRecorded(rows, before)...)
	}
}

// removeRecorded removes what the ledger holds, side by side.
func (b *builder) removeRecorded(rows []drivers.Resource, needs []string) []string {
	w := b.w
	var gone []string
	hosts := map[string]bool{}
	for _, r := range rows {
		name, remove := r.Kind+" "+r.Name+" is gone", func(ctx context.Context) drivers.Result { return w.remove(ctx, r) }
		switch {
		case r.Kind == drivers.KindLoadBalancer:
			gone = append(gone, b.takeBalancer(name, remove, needs...))
		case r.Node == "":
			gone = append(gone, b.take(name, deadlineGone, remove, needs...))
		case !hosts[r.Node]:
			hosts[r.Node] = true
			gone = append(gone, b.removeHost(r.Node, needs))
		}
	}
	return gone
}

func (b *builder) removeSecrets(needs []string) string {
	return b.take("certificates are gone", deadlineGone, b.w.removeSecrets, needs...)
}

func (b *builder) removeHost(node string, needs []string) string {
	w := b.w
	return b.take("host "+node+" is gone", deadlineGone, func(ctx context.Context) drivers.Result {
		m, err := w.machinesOf(node)
		if err != nil {
			return drivers.FromError(err)
		}
		if w.spec.PodNetworkMode == ops.PodsRouted { // the router's interface is held by its routes
			if r := w.e.Infra.RemoveRoute(ctx, w.site, node); !r.IsDone() {
				return r
			}
		}
		return m.RemoveHost(ctx, w.site, node)
	}, needs...)
}

// machinesOf a node, by its group; by what the ledger has of it when its row is gone.
func (w *work) machinesOf(node string) (drivers.Machines, error) {
	for _, n := range w.s.Nodes {
		if n.Name == node {
			if g := w.group(n.NodeGroupUUID); g != nil {
				return w.machines(g)
			}
		}
	}
	for _, g := range w.s.NodeGroups {
		if r, ok := drivers.HostOf(w.l, node); ok && w.e.rebuilds(g) == (r.Kind == drivers.KindAllocation) {
			return w.machines(g)
		}
	}
	return w.machines(w.s.NodeGroups[0])
}

// remove gives an object to the driver that made it.
func (w *work) remove(ctx context.Context, r drivers.Resource) drivers.Result {
	if r.Kind != drivers.KindServerGroup {
		return w.e.Infra.Remove(ctx, w.site, r)
	}
	for _, g := range w.s.NodeGroups {
		if r.Name == w.s.Cluster.StackID+"-"+g.Name {
			m, err := w.machines(g)
			if err != nil {
				return drivers.FromError(err)
			}
			return m.Remove(ctx, w.site, r)
		}
	}
	m, err := w.machines(w.s.NodeGroups[0])
	if err != nil {
		return drivers.FromError(err)
	}
	return m.Remove(ctx, w.site, r)
}
