package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// planUpgrade gives the groups what they are to be made of, and every node that is made of something else a successor. The
// old ones stay wanted until their successor is ready: an upgrade that ends half-way leaves groups of their full size.
func planUpgrade(op *db.Operation, s *db.Snapshot, first bool, now time.Time, stays func(*db.NodeGroup) bool) error {
	var p ops.Upgrade
	if err := json.Unmarshal(op.Params, &p); err != nil {
		return fmt.Errorf("reading the operation's parameters: %w", err)
	}
	for _, g := range s.NodeGroups {
		if !ops.Kind(op.Kind).Concerns(g, op.NodeGroupUUID) {
			continue
		}
		target := p.Of(g.UUID)
		if err := retarget(g, target); err != nil {
			return err
		}
		if !first {
			continue
		}
		giveUpUnready(s, g)
		if inPlace(s.Cluster, g) {
			continue
		}
		scale(s, g, now) // a resize may have failed before: what is complete has all of its nodes
		if stays(g) {
			continue
		}
		for _, n := range slices.Clone(s.Nodes) {
			if n.NodeGroupUUID == g.UUID && n.State == db.NodeWanted && n.ImageID != target.ImageID && successor(s, n) == nil {
				next := newNode(s, g, now)
				next.Replaces = n.UUID
				s.Nodes = append(s.Nodes, next)
			}
		}
	}
	return nil
}

// retarget writes what a group's nodes are to be made of.
func retarget(g *db.NodeGroup, t ops.Target) error {
	var spec ops.GroupSpec
	if err := json.Unmarshal(orEmpty(g.Spec), &spec); err != nil {
		return fmt.Errorf("reading the spec of node group %s: %w", g.Name, err)
	}
	if spec.ImageID == t.ImageID && spec.KubeVersion == t.KubernetesVersion {
		return nil
	}
	spec.ImageID, spec.Distro, spec.KubeVersion = t.ImageID, t.Distro, t.KubernetesVersion
	raw, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("encoding the spec of node group %s: %w", g.Name, err)
	}
	g.Spec, g.ImageID = raw, t.Image
	return nil
}

// inPlace tells whether the nodes of a group keep their hosts in an upgrade: the only control plane of a cluster without a
// load balancer is where everybody looks for the API, and holds the only copy of etcd.
func inPlace(c *db.Cluster, g *db.NodeGroup) bool {
	return g.Role == db.RoleMaster && !c.MasterLBEnabled
}

// giveUpUnready gives up what an earlier attempt did not bring to life: new hosts may do better.
func giveUpUnready(s *db.Snapshot, g *db.NodeGroup) {
	for _, n := range s.Nodes {
		if n.NodeGroupUUID == g.UUID && !n.Ready {
			n.State = db.NodeRemoving
		}
	}
}

// successor of a node; nil when nothing takes its place.
func successor(s *db.Snapshot, n *db.Node) *db.Node {
	i := slices.IndexFunc(s.Nodes, func(x *db.Node) bool { return x.Replaces == n.UUID && x.State == db.NodeWanted })
	if i < 0 {
		return nil
	}
	return s.Nodes[i]
}

// retireReplaced gives up the nodes whose successor is ready.
func retireReplaced(s *db.Snapshot) {
	for _, n := range s.Nodes {
		if x := successor(s, n); x != nil && x.Ready {
			n.State = db.NodeRemoving
		}
	}
}

// exchange is an old node and the one that takes its place.
type exchange struct{ old, new *db.Node }

// exchanges of a group that are under way, in the order of their rows.
func (w *work) exchanges(g *db.NodeGroup) []exchange {
	var l []exchange
	for _, n := range w.s.Nodes {
		if x := successor(w.s, n); n.NodeGroupUUID == g.UUID && x != nil {
			l = append(l, exchange{n, x})
		}
	}
	return l
}

// upgrade brings the groups to their target: the control plane first, one by one, then the add-ons that come with it, then
// the workers.
func (b *builder) upgrade() {
	w := b.w
	var p ops.Upgrade
	if b.err = json.Unmarshal(w.op.Params, &p); b.err != nil {
		return
	}
	var ready []string
	for _, g := range w.controlPlanes() {
		if ops.Kind(w.op.Kind).Concerns(g, w.op.NodeGroupUUID) {
			ready = b.upgradeControlPlane(g, p.Of(g.UUID))
		}
	}
	if ops.Kind(w.op.Kind) == ops.ClusterUpgrade {
		ready = b.upgradeAddons(ready)
	}
	for _, g := range w.s.NodeGroups {
		switch {
		case g.Role == db.RoleMaster || !ops.Kind(w.op.Kind).Concerns(g, w.op.NodeGroupUUID):
		case w.e.rebuilds(g):
			b.rebuildNodes(g, max(p.MaxBatchSize, 1), ready...)
		default:
			b.exchangeNodes(g, max(p.MaxBatchSize, 1), ready...)
		}
	}
	if ops.Kind(w.op.Kind) == ops.ClusterUpgrade {
		b.awaitAddons(append(b.readyTasks(), ready...)...)
	}
}

func (b *builder) upgradeControlPlane(g *db.NodeGroup, target ops.Target) []string {
	w := b.w
	configured := []string{b.add("kubeadm's configuration", deadlineCall, func(ctx context.Context) drivers.Result { return w.configureKubeadm(ctx, w.version(g)) })}
	var done []string
	switch {
	case inPlace(w.s.Cluster, g), w.e.rebuilds(g) && g.NodeCount == 1:
		done = b.upgradeInPlace(g, configured)
	case w.e.rebuilds(g):
		done = b.kubeadmAddons(g, b.rebuildControlPlanes(g, configured))
	default:
		done = b.kubeadmAddons(g, b.exchangeControlPlanes(g, configured))
	}
	return []string{b.add("the cluster's version", deadlineCall, func(ctx context.Context) drivers.Result { return w.recordVersion(ctx, target) }, done...)}
}

// recordVersion writes down what the control plane is now: from here on node groups may follow it.
func (w *work) recordVersion(ctx context.Context, t ops.Target) drivers.Result {
	return drivers.FromError(w.e.Store.Record(ctx, w.op, func(s *db.Snapshot) error {
		var spec ops.ClusterSpec
		if err := json.Unmarshal(orEmpty(s.Cluster.Spec), &spec); err != nil {
			return fmt.Errorf("reading the cluster's spec: %w", err)
		}
		if spec.KubernetesVersion == t.KubernetesVersion && s.Cluster.ClusterTemplateID == t.TemplateID {
			return nil
		}
		spec.KubernetesVersion, spec.Distro = t.KubernetesVersion, t.Distro
		raw, err := json.Marshal(spec)
		if err != nil {
			return fmt.Errorf("encoding the cluster's spec: %w", err)
		}
		s.Cluster.Spec, s.Cluster.ClusterTemplateID, s.Cluster.COEVersion = raw, t.TemplateID, &t.KubernetesVersion
		return nil
	}))
}

// missing tells which nodes of a group are not there yet and take nobody's place.
func (w *work) missing(n *db.Node) bool {
	return !n.Ready && n.Replaces == "" && successor(w.s, n) == nil
}

// joinControlPlanes lets further control planes join one by one, as etcd wants it.
func (b *builder) joinControlPlanes(g *db.NodeGroup, fresh, stay []*db.Node, needs ...string) []string {
	for _, n := range fresh {
		stay = append(slices.Clone(stay), n)
		needs = b.controlPlaneWhole(n.Name+" has joined", stay, b.join(g, []*db.Node{n}, needs...)...)
	}
	return needs
}

// exchangeControlPlanes replaces control planes one by one: the new one joins, etcd is whole with both, then the old one
// leaves, and etcd is whole without it. Those that are missing come last.
func (b *builder) exchangeControlPlanes(g *db.NodeGroup, needs []string) []string {
	w, l := b.w, b.w.exchanges(g)
	var stay []*db.Node // beside those of the exchanges
	for _, n := range w.nodesOf(db.NodeWanted, g) {
		if !slices.ContainsFunc(l, func(x exchange) bool { return x.old == n || x.new == n }) && !w.missing(n) {
			stay = append(stay, n)
		}
	}
	left, _ := split2(w.nodesOf(db.NodeRemoving, g), func(n *db.Node) bool { return successor(w.s, n) == nil })
	olds := func(from int) (nodes []*db.Node) {
		for _, x := range l[from:] {
			nodes = append(nodes, x.old)
		}
		return nodes
	}
	needs = b.leaveControlPlane(left, slices.Concat(stay, olds(0)), needs...)
	for i, x := range l {
		ready := b.join(g, []*db.Node{x.new}, needs...)
		stay = append(slices.Clone(stay), x.new)
		whole := b.controlPlaneWhole(x.new.Name+" has joined", slices.Concat(stay, olds(i)), ready...)
		needs = b.leave([]*db.Node{x.old}, slices.Concat(stay, olds(i+1)), whole)
	}
	for _, n := range stay {
		if !b.has[readyTask(n)] {
			needs = append(slices.Clip(needs), b.node(g, n, needs...))
		}
	}
	fresh, _ := split2(w.nodesOf(db.NodeWanted, g), w.missing)
	return b.joinControlPlanes(g, fresh, stay, needs...)
}

// exchangeNodes replaces workers, so many at once: new ones join first, then the old ones leave. Nodes that are what they
// should be are looked at, too: complete means that all were seen.
func (b *builder) exchangeNodes(g *db.NodeGroup, batch int, needs ...string) {
	w := b.w
	for _, n := range w.nodesOf(db.NodeRemoving, g) {
		if successor(w.s, n) == nil {
			b.removeNode(n, needs...)
		}
	}
	for part := range slices.Chunk(w.exchanges(g), batch) {
		var fresh []*db.Node
		for _, x := range part {
			fresh = append(fresh, x.new)
		}
		ready := b.join(g, fresh, needs...)
		needs = nil
		for _, x := range part {
			needs = append(needs, b.removeNode(x.old, ready...))
		}
	}
	fresh, rest := split2(w.nodesOf(db.NodeWanted, g), w.missing)
	b.join(g, fresh, needs...)
	for _, n := range rest {
		if successor(w.s, n) == nil && !b.has[readyTask(n)] {
			b.node(g, n, needs...)
		}
	}
}

// configureKubeadm tells kubeadm which version control planes get that join from now on.
func (w *work) configureKubeadm(ctx context.Context, version string) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	if err := c.SetKubeadmVersion(ctx, version); err != nil {
		return drivers.Transient(err)
	}
	return drivers.Done()
}
