package cluster

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// healGroup mends the nodes that are not well: a soft reboot, a hard one, and when a node is not back in time after both,
// another one takes its place: a worker that is ready before the old one goes, a control plane after etcd was told. What is
// not needed any more is left out: a node that has come back is left alone at every step, and one whose host is gone is
// replaced at once.
func (b *builder) healGroup() {
	w := b.w
	g := w.group(w.op.NodeGroupUUID)
	var p ops.Heal
	if b.err = json.Unmarshal(orEmpty(w.op.Params), &p); b.err != nil {
		return
	}
	for _, n := range slices.Clone(w.s.Nodes) {
		if !slices.Contains(p.Nodes, n.Name) {
			continue
		}
		if w.e.rebuilds(g) {
			b.healMachine(g, n)
			continue
		}
		back := b.reboots(g, n)
		well := b.add(n.Name+" is well or replaced", deadlineCall, func(ctx context.Context) drivers.Result { return w.replaceIfAway(ctx, g, n) }, back)
		x := successor(w.s, n)
		if x == nil {
			continue
		}
		if g.Role == db.RoleMaster {
			b.replaceControlPlane(g, n, x, well)
			continue
		}
		b.removeNode(n, b.join(g, []*db.Node{x}, well)...)
	}
}

// reboots starts a node's host again, softly and then by its power, and waits for the node after either.
func (b *builder) reboots(g *db.NodeGroup, n *db.Node, needs ...string) string {
	w := b.w
	soft := b.add("soft reboot of "+n.Name, deadlineCall, func(ctx context.Context) drivers.Result { return w.reboot(ctx, g, n, false) }, needs...)
	back := b.add(n.Name+" after its soft reboot", w.e.rebootTime(g)+deadlineCall, func(ctx context.Context) drivers.Result { return w.isBack(ctx, n, soft, false) }, soft)
	hard := b.add("hard reboot of "+n.Name, deadlineBuild, func(ctx context.Context) drivers.Result { return w.reboot(ctx, g, n, true) }, back)
	return b.add(n.Name+" after its hard reboot", w.e.rebootTime(g)+deadlineCall, func(ctx context.Context) drivers.Result { return w.isBack(ctx, n, hard, true) }, hard)
}

// replaceControlPlane: etcd lets go of a member that is dead before it takes another one, which would otherwise have to be
// agreed upon by one more than there are.
func (b *builder) replaceControlPlane(g *db.NodeGroup, old, next *db.Node, needs ...string) {
	stay, _ := split2(b.w.nodesOf(db.NodeWanted, g), func(n *db.Node) bool { return n != old && n != next })
	gone := b.leaveControlPlane([]*db.Node{old}, stay, needs...)
	b.controlPlaneWhole(next.Name+" has joined", append(stay, next), b.join(g, []*db.Node{next}, gone...)...)
}

// condition of a node that is being healed: whether it is well, and what the cloud says of its host.
func (w *work) condition(ctx context.Context, n *db.Node) (well bool, host string, err error) {
	all, err := w.nodes(ctx)
	if err != nil {
		return false, "", err
	}
	if x, ok := all[n.Name]; ok && x.Ready {
		return true, "", nil
	}
	hosts, err := drivers.Once(w.site.Memo, "hosts", func() (map[string]drivers.HostStatus, error) {
		m, err := w.machinesOf(n.Name)
		if err != nil {
			return nil, err
		}
		return m.Status(ctx, w.site)
	})
	if err != nil {
		return false, "", err
	}
	h, ok := hosts[n.Name]
	if !ok || h.State == drivers.HostGone { // where the ledger has none there is none
		return false, drivers.HostGone, nil
	}
	return false, strings.ToUpper(h.State), nil
}

// poweredOff is the state of a machine that has no power, and that nobody is switching on.
const poweredOff = "POWER OFF"

// beyond tells whether nothing is to be done about a node any more: its place is taken.
func (w *work) beyond(n *db.Node) bool { return n.State != db.NodeWanted || successor(w.s, n) != nil }

func (w *work) reboot(ctx context.Context, g *db.NodeGroup, n *db.Node, hard bool) drivers.Result {
	if w.beyond(n) {
		return drivers.Done()
	}
	well, host, err := w.condition(ctx, n)
	if err != nil {
		return drivers.Transient(err)
	}
	if well || host == drivers.HostGone || (!hard && host != "ACTIVE" && host != poweredOff) {
		return drivers.Done()
	}
	m, err := w.machines(g)
	if err != nil {
		return drivers.FromError(err)
	}
	w.mu.Lock()
	if w.rebooted == nil {
		w.rebooted = map[string]bool{}
	}
	w.rebooted[n.Name] = true
	w.mu.Unlock()
	return m.RebootHost(ctx, w.site, n.Name, hard)
}

// isBack is Done when the node is well, and also when it is too late: the next step does more.
func (w *work) isBack(ctx context.Context, n *db.Node, reboot string, hard bool) drivers.Result {
	if w.beyond(n) {
		return drivers.Done()
	}
	w.mu.Lock()
	now := w.rebooted[n.Name]
	w.mu.Unlock()
	if now { // what this slice has seen of it was before
		return drivers.Continue(drivers.PollInterval, "%s to start again", n.Name)
	}
	well, host, err := w.condition(ctx, n)
	if err != nil {
		return drivers.Transient(err)
	}
	late := w.e.clock().Sub(w.state.Step(reboot).FinishedAt) >= w.e.rebootTime(w.group(n.NodeGroupUUID))
	helpless := host == drivers.HostGone || host == poweredOff || !hard && (host == "ERROR" || host == "SHUTOFF") // only a hard reboot gets it out of that
	if well || late || helpless {
		return drivers.Done()
	}
	return drivers.Continue(drivers.PollInterval, "%s to be ready again; its host is %s", n.Name, host)
}

// replaceIfAway gives a node that did not come back a successor. The row is written once: a second run finds it.
func (w *work) replaceIfAway(ctx context.Context, g *db.NodeGroup, n *db.Node) drivers.Result {
	if w.beyond(n) {
		return drivers.Done()
	}
	well, host, err := w.condition(ctx, n)
	switch {
	case err != nil:
		return drivers.Transient(err)
	case well:
		return drivers.Done()
	case n.First && !w.s.Cluster.MasterLBEnabled:
		return drivers.Failed(drivers.ClassCloud, "control plane %s did not come back, and without a load balancer no other one can have its address; its host is %s", n.Name, host)
	}
	return w.addSuccessor(ctx, g, n)
}

// addSuccessor enters the node that is to take another one's place, once.
func (w *work) addSuccessor(ctx context.Context, g *db.NodeGroup, n *db.Node) drivers.Result {
	err := w.e.Store.Record(ctx, w.op, func(s *db.Snapshot) error {
		if successor(s, n) == nil {
			x := newNode(s, g, w.e.Now())
			x.Replaces = n.UUID
			s.Nodes = append(s.Nodes, x)
		}
		return nil
	})
	if err != nil {
		return drivers.Transient(err)
	}
	return drivers.Continue(0, "another node to take its place: it did not come back")
}
