package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// createCluster: everything a cluster has, with as little order as there is. Hosts are asked for as soon as the address of
// the API is known; they wait for it by themselves, so time to ready is one boot, one init and one join.
func (b *builder) createCluster() {
	w, in := b.w, b.w.e.Infra
	secrets := b.add("certificates", deadlineCall, w.ensureSecrets)
	user := b.add("service user", deadlineCall, w.ensureUser, secrets)
	network := b.add("network", deadlineCall, func(ctx context.Context) drivers.Result { return in.EnsureNetwork(ctx, w.site) }, user)
	groups := b.add("security groups", deadlineCall, func(ctx context.Context) drivers.Result { return in.EnsureSecurityGroups(ctx, w.site) }, user)

	gone := b.removeFailed(user)
	endpoint := b.endpoint(append(gone, network, groups)...)
	var hosts, members []string
	for _, g := range w.s.NodeGroups {
		shared := b.serverGroup(g, user)
		for _, n := range w.nodesOf(db.NodeWanted, g) {
			address := b.address(g, n, append(gone, network, groups)...)
			if g.Role == db.RoleMaster {
				members = append(members, address)
			}
			hosts = append(hosts, b.host(g, n, append([]string{shared, address}, endpoint...)...))
		}
	}
	ready := append([]string{}, endpoint...)
	if w.s.Cluster.MasterLBEnabled {
		active := b.add("load balancer", deadlineBuild, func(ctx context.Context) drivers.Result { return in.EnsureLoadBalancer(ctx, w.site) }, endpoint[0])
		ready = append(ready, b.members("load balancer members", w.nodesOf(db.NodeWanted, w.controlPlanes()...), append(members, active)...))
	}
	api := b.add("Kubernetes API", deadlineBoot, w.apiReady, append(ready, b.firstHost(hosts))...)
	b.forgetFailed(api)
	b.runtimeClasses(w.s.NodeGroups, api)
	applied := b.applyAddons(api)
	for _, g := range w.s.NodeGroups {
		for _, n := range w.nodesOf(db.NodeWanted, g) {
			b.node(g, n, append(b.makingReady(), api, hostTask(n))...)
		}
	}
	b.awaitAddons(append(applied, b.readyTasks()...)...)
}

// removeFailed takes away what an earlier attempt did not bring to life: its place in the quotas is needed.
func (b *builder) removeFailed(needs ...string) []string {
	w := b.w
	var params ops.Create
	if b.err = json.Unmarshal(orEmpty(w.op.Params), &params); b.err != nil || !params.Again {
		return nil
	}
	var gone []string
	if w.s.Cluster.MasterLBEnabled {
		gone = append(gone, b.add("failed load balancer is gone", deadlineGone, func(ctx context.Context) drivers.Result {
			return w.e.Infra.RemoveFailedLoadBalancer(ctx, w.site)
		}, needs...))
	}
	for _, n := range w.nodesOf(db.NodeRemoving, w.s.NodeGroups...) {
		gone = append(gone, b.removeHost(n.Name, needs))
	}
	return slices.Clip(gone)
}

// forgetFailed takes such hosts out of a control plane that was kept, and lets new ones join it.
func (b *builder) forgetFailed(api string) {
	w := b.w
	removed := w.nodesOf(db.NodeRemoving, w.s.NodeGroups...)
	if len(removed) == 0 || len(w.nodesOf(db.NodeRemoving, w.controlPlanes()...)) > 0 {
		return // a new control plane knows nothing of them
	}
	b.add(joinTokenTask, deadlineCall, w.renewToken, api)
	for _, n := range removed {
		b.add("delete node "+n.Name, deadlineCall, func(ctx context.Context) drivers.Result { return w.deleteNode(ctx, n, true) }, api)
	}
}

// endpoint: the tasks after which the address of the API is known to everybody who asks for it.
func (b *builder) endpoint(needs ...string) []string {
	w, in := b.w, b.w.e.Infra
	var known []string
	if w.s.Cluster.MasterLBEnabled {
		known = []string{b.add("load balancer address", deadlineCall, func(ctx context.Context) drivers.Result {
			r := in.EnsureLoadBalancer(ctx, w.site)
			if _, _, ok := w.endpoint(); ok && r.Err() == nil {
				return drivers.Done() // it is being built; its address is fixed
			}
			return r
		}, needs...)}
	} else if first := w.firstNode(); first != nil {
		known = []string{b.address(w.group(first.NodeGroupUUID), first, needs...)}
	} else {
		b.err = fmt.Errorf("the cluster has no first control plane")
		return nil
	}
	if w.spec.APIFloatingIP {
		known = append(known, b.add("floating IP of the API", deadlineCall, func(ctx context.Context) drivers.Result {
			_, port, _ := w.endpoint()
			return in.EnsureFloatingIP(ctx, w.site, w.floatingIPName(), port)
		}, known[0]))
	}
	return known
}

func (w *work) firstNode() *db.Node {
	for _, n := range w.s.Nodes {
		if n.First {
			return n
		}
	}
	return nil
}

func (b *builder) firstHost(hosts []string) string {
	if first := b.w.firstNode(); first != nil {
		return hostTask(first)
	}
	return hosts[0]
}
