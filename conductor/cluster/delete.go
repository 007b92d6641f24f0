package cluster

import (
	"cmp"
	"context"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// order in which kinds of objects go: what hangs on others goes before them. Equal ones go side by side.
var removalOrder = map[string]int{
	drivers.KindServer: 0, drivers.KindPort: 0, drivers.KindVolume: 0, drivers.KindFloatingIP: 0, drivers.KindLoadBalancer: 0,
	drivers.KindServerGroup: 1, drivers.KindRouterPort: 1, drivers.KindSecurityGroup: 1,
	drivers.KindRouter: 2, drivers.KindSubnet: 2,
	drivers.KindNetwork: 3,
	drivers.KindUser:    5, // who deletes the others; after the secrets, whose loss would lock it out
}

const secretsOrder = 4

// deleteCluster walks the ledger in reverse. It touches nothing that the ledger does not hold, so it works whatever state
// an earlier operation left.
func (b *builder) deleteCluster() {
	w := b.w
	rows := w.l.All()
	slices.Reverse(rows)
	slices.SortStableFunc(rows, func(x, y drivers.Resource) int { return cmp.Compare(removalOrder[x.Kind], removalOrder[y.Kind]) })
	var before, same []string
	rank, hosts, secrets := 0, map[string]bool{}, false
	for _, r := range rows {
		if o := removalOrder[r.Kind]; o != rank {
			before, same, rank = append(before, same...), nil, o
		}
		if rank > secretsOrder && !secrets {
			before, secrets = append(before, b.removeSecrets(before)), true
		}
		if r.Node != "" {
			if !hosts[r.Node] {
				hosts[r.Node] = true
				same = append(same, b.removeHost(r.Node, before))
			}
			continue
		}
		same = append(same, b.add(r.Kind+" "+r.Name+" is gone", deadlineGone, func(ctx context.Context) drivers.Result { return w.remove(ctx, r) }, before...))
	}
	if !secrets {
		b.removeSecrets(append(before, same...))
	}
}

func (b *builder) removeSecrets(needs []string) string {
	return b.add("certificates are gone", deadlineGone, b.w.removeSecrets, needs...)
}

func (b *builder) removeHost(node string, needs []string) string {
	w := b.w
	return b.add("host "+node+" is gone", deadlineGone, func(ctx context.Context) drivers.Result {
		m, err := w.machinesOf(node)
		if err != nil {
			return drivers.FromError(err)
		}
		return m.RemoveHost(ctx, w.site, node)
	}, needs...)
}

// machinesOf a node, by its group; a node whose row is gone is asked of every driver's default.
func (w *work) machinesOf(node string) (drivers.Machines, error) {
	for _, n := range w.s.Nodes {
		if n.Name == node {
			if g := w.group(n.NodeGroupUUID); g != nil {
				return w.machines(g)
			}
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
