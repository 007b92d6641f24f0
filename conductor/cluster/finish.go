package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// complete writes what a successful operation reached into the rows. COMPLETE means that every node was seen: what is
// written here was read from cloud and cluster by the steps before.
func (w *work) complete() {
	kind := ops.Kind(w.op.Kind)
	if kind == ops.ClusterDelete {
		w.e.Kube.forget(w.s.Cluster.UUID)
		w.s.RemoveCluster()
		return
	}
	w.nodeRows()
	for _, g := range w.s.NodeGroups {
		if kind.Concerns(g, w.op.NodeGroupUUID) {
			g.Status, g.StatusReason = kind.GroupComplete(), nil
			if n := len(w.nodesOf(db.NodeWanted, g)); n != g.NodeCount { // an earlier resize has failed
				reason := fmt.Sprintf("it has %d of %d nodes: resize it again", n, g.NodeCount)
				g.Status, g.StatusReason = kind.GroupFailed(), &reason
			}
			version := w.version(g)
			g.NodeAddresses, g.Version = w.groupAddresses(g), &version
		}
	}
	if kind == ops.NodeGroupDelete {
		w.s.RemoveNodeGroup(w.op.NodeGroupUUID)
	}
	switch kind {
	case ops.ClusterCreate:
		w.clusterIsUp()
	case ops.ClusterRepair:
		w.apiAddress()
	}
	w.clusterStatus()
}

// version of Kubernetes that a group's nodes are to run. It is the cluster's own but while the cluster is ahead of a group
// that has not been upgraded yet.
func (w *work) version(g *db.NodeGroup) string {
	return cmp.Or(groupSpec(g).KubeVersion, w.spec.KubernetesVersion)
}

// versionOf a node: its group's, unless it was left as it was by an upgrade that failed.
func (w *work) versionOf(g *db.NodeGroup, n *db.Node) string {
	if n.ImageID != "" && n.Version != "" && n.ImageID != groupSpec(g).ImageID {
		return n.Version
	}
	return w.version(g)
}

func (w *work) clusterIsUp() {
	c := w.s.Cluster
	w.apiAddress()
	healthy := "HEALTHY"
	c.COEVersion, c.HealthStatus = &w.spec.KubernetesVersion, &healthy
	c.HealthStatusReason = db.Strings{"api": "ok"}
	for _, n := range w.s.Nodes {
		c.HealthStatusReason[n.Name+".Ready"] = "True"
	}
}

func (w *work) apiAddress() {
	if address, ok := w.publicAddress(); ok {
		url := fmt.Sprintf("https://%s:%d", address, w.spec.APIPort)
		w.s.Cluster.APIAddress = &url
	}
}

func (w *work) stepDone(name string) bool {
	step := w.state.Steps[name]
	return step != nil && step.Status == flow.StatusDone
}

func (w *work) groupAddresses(g *db.NodeGroup) []string {
	l := []string{}
	for _, n := range w.s.Nodes {
		if n.NodeGroupUUID == g.UUID && n.State == db.NodeWanted && len(n.Addresses) > 0 {
			l = append(l, n.Addresses[0])
		}
	}
	return l
}

// failed writes a failure: the group that the operation is about, or all groups that were being made or deleted.
func (w *work) failed(reason string) {
	kind := ops.Kind(w.op.Kind)
	w.nodeRows() // what was reached counts: the next attempt keeps the nodes that are ready
	for _, g := range w.s.NodeGroups {
		if g.UUID == w.op.NodeGroupUUID || (kind.Concerns(g, "") && strings.HasSuffix(g.Status, "_IN_PROGRESS")) {
			g.Status, g.StatusReason = kind.GroupFailed(), &reason
		}
	}
	w.s.Cluster.StatusReason = &reason
	w.clusterStatus()
}

// cancelled ends the operation at its user's wish. A delete that waits for this end says itself what becomes of the
// cluster or node group; otherwise what the operation had reached stays, and the same can be asked for again.
func (w *work) cancelled() {
	w.op.Status = db.OpCancelled
	for _, o := range w.s.Operations {
		kind := ops.Kind(o.Kind)
		if o.UUID != w.op.UUID && (kind == ops.ClusterDelete || kind == ops.NodeGroupDelete && o.NodeGroupUUID == w.op.NodeGroupUUID) {
			w.nodeRows()
			return
		}
	}
	w.failed("cancelled on request")
}

// clusterStatus sums up the node groups: while other operations run the cluster stays in progress; then a failed group
// makes it failed.
func (w *work) clusterStatus() {
	c, kind := w.s.Cluster, ops.Kind(w.op.Kind)
	waiting := slices.DeleteFunc(slices.Clone(w.s.Operations), func(o *db.Operation) bool { return o.UUID == w.op.UUID || !o.Active() })
	for _, o := range waiting { // a node group, too, is in progress until the last of those about it has ended
		for _, g := range w.s.NodeGroups {
			if k := ops.Kind(o.Kind); k.Concerns(g, o.NodeGroupUUID) {
				g.Status = k.GroupProgress()
			}
		}
	}
	if len(waiting) > 0 {
		c.Status = ops.Kind(waiting[0].Kind).Progress()
		return
	}
	failed := w.op.Status != db.OpComplete
	for _, g := range w.s.NodeGroups {
		if strings.HasSuffix(g.Status, "_FAILED") {
			failed = true
			if c.StatusReason == nil {
				c.StatusReason = g.StatusReason
			}
		}
	}
	if failed {
		c.Status = kind.Failed()
		return
	}
	c.Status, c.StatusReason = kind.Complete(), nil
	if text := ops.Resting(w.s); text != "" {
		c.StatusReason = &text
	}
}
