package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// Deadlines of steps, from their first start. They bound what a healthy but slow cloud takes; create_timeout bounds the whole.
const (
	deadlineCall  = 10 * time.Minute // one object that is there when the call returns
	deadlineBuild = 30 * time.Minute // what the cloud builds: load balancers, servers
	deadlineBoot  = 45 * time.Minute // a host that boots and joins
	deadlineDrain = 15 * time.Minute
	deadlineGone  = 60 * time.Minute // what is deleted may wait for other things to go
)

// builder makes the graph of one operation.
type builder struct {
	w   *work
	g   *flow.Graph
	has map[string]bool
	err error
}

// add adds a task and returns its name, for the needs of later ones.
func (b *builder) add(name string, deadline time.Duration, run func(ctx context.Context) drivers.Result, needs ...string) string {
	b.has[name] = true
	b.g.Add(flow.Task{Name: name, Deadline: deadline, Needs: needs, Run: func(ctx context.Context) flow.Result { return b.w.answer(run(ctx)) }})
	return name
}

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
		ready = append(ready, b.add("load balancer members", deadlineBuild, w.ensureMembers, append(members, active)...))
	}
	api := b.add("Kubernetes API", deadlineBoot, w.apiReady, append(ready, b.firstHost(hosts))...)
	b.forgetFailed(api)
	for _, g := range w.s.NodeGroups {
		for _, n := range w.nodesOf(db.NodeWanted, g) {
			b.node(n, api, hostTask(n))
		}
	}
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
	b.add("join token", deadlineCall, w.renewToken, api)
	for _, n := range removed {
		b.add("delete node "+n.Name, deadlineCall, func(ctx context.Context) drivers.Result { return w.deleteNode(ctx, n) }, api)
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

func hostTask(n *db.Node) string { return "host " + n.Name }

func readyTask(n *db.Node) string { return "node " + n.Name + " is ready" }

func (b *builder) serverGroup(g *db.NodeGroup, needs ...string) string {
	w := b.w
	return b.add("server group of "+g.Name, deadlineCall, func(ctx context.Context) drivers.Result {
		m, err := w.machines(g)
		if err != nil {
			return drivers.FromError(err)
		}
		return m.EnsureGroup(ctx, w.site, g.Name)
	}, needs...)
}

// address reserves a host's address. It is added once, whoever needs it first.
func (b *builder) address(g *db.NodeGroup, n *db.Node, needs ...string) string {
	w, name := b.w, "address of "+n.Name
	if b.has[name] {
		return name
	}
	return b.add(name, deadlineCall, func(ctx context.Context) drivers.Result {
		m, err := w.machines(g)
		if err != nil {
			return drivers.FromError(err)
		}
		h, err := w.host(g, n)
		if err != nil {
			return drivers.FromError(err)
		}
		return m.EnsureAddress(ctx, w.site, h)
	}, needs...)
}

func (b *builder) host(g *db.NodeGroup, n *db.Node, needs ...string) string {
	w := b.w
	return b.add(hostTask(n), deadlineBuild, func(ctx context.Context) drivers.Result { return w.ensureHost(ctx, g, n) }, needs...)
}

func (b *builder) node(n *db.Node, needs ...string) string {
	w := b.w
	return b.add(readyTask(n), deadlineBoot, func(ctx context.Context) drivers.Result { return w.nodeReady(ctx, n) }, needs...)
}

// resizeGroup brings one node group to its count: new hosts at once, others drained and gone.
func (b *builder) resizeGroup() {
	w := b.w
	g := w.group(w.op.NodeGroupUUID)
	if wanted := w.nodesOf(db.NodeWanted, g); len(wanted) > 0 {
		shared := b.serverGroup(g)
		token := b.add("join token", deadlineCall, w.renewToken)
		for _, n := range wanted {
			host := b.host(g, n, shared, token, b.address(g, n))
			b.node(n, host)
		}
	}
	b.removeNodes(g)
}

// updateGroup brings labels and taints of a group's nodes in line with the group's.
func (b *builder) updateGroup() {
	w := b.w
	for _, n := range w.nodesOf(db.NodeWanted, w.group(w.op.NodeGroupUUID)) {
		b.add("labels and taints of "+n.Name, deadlineCall, func(ctx context.Context) drivers.Result { return w.dressNode(ctx, n) })
	}
}

// upgrade has no graph yet: it ends with a verdict that says so.
func (b *builder) upgrade() {
	b.add("upgrade", deadlineCall, func(context.Context) drivers.Result {
		return drivers.Failed(drivers.ClassUser, "upgrading is not available in this version; nothing was changed")
	})
}

// deleteGroup takes a node group out of the cluster.
func (b *builder) deleteGroup() {
	w := b.w
	g := w.group(w.op.NodeGroupUUID)
	gone := b.removeNodes(g)
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

// removeNodes drains the nodes that are given up, one after the other's eviction budget allows, and takes them away.
func (b *builder) removeNodes(g *db.NodeGroup) []string {
	w := b.w
	var gone []string
	for _, n := range w.nodesOf(db.NodeRemoving, g) {
		drained := b.add("drain "+n.Name, deadlineDrain, func(ctx context.Context) drivers.Result { return w.drain(ctx, n) })
		deleted := b.add("delete node "+n.Name, deadlineCall, func(ctx context.Context) drivers.Result { return w.deleteNode(ctx, n) }, drained)
		away := b.add("host "+n.Name+" is gone", deadlineGone, func(ctx context.Context) drivers.Result {
			m, err := w.machines(g)
			if err != nil {
				return drivers.FromError(err)
			}
			return m.RemoveHost(ctx, w.site, n.Name)
		}, deleted)
		gone = append(gone, away)
	}
	return gone
}
