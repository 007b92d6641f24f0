package cluster

import (
	"context"
	"reflect"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// seen keeps what Kubernetes said of its nodes, for their rows.
func (w *work) seen(nodes map[string]kube.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inKube = nodes
}

// nodeRows takes the rows of nodes that are gone away and fills those that are there.
func (w *work) nodeRows() {
	for _, n := range w.s.Nodes {
		w.fillNode(n)
	}
	retireReplaced(w.s)
	for _, n := range slices.Clone(w.s.Nodes) {
		_, hasPort := w.l.Find(drivers.KindPort, n.Name)
		_, hasHost := drivers.HostOf(w.l, n.Name)
		if n.State == db.NodeRemoving && !hasPort && !hasHost {
			w.s.RemoveNode(n.UUID)
		}
	}
}

// fillNode writes into a node's row what is known of it: from the ledger, and from the cluster when it was asked.
func (w *work) fillNode(n *db.Node) {
	if r, ok := drivers.HostOf(w.l, n.Name); ok {
		n.HostID = r.ID
	}
	if r, ok := w.l.Find(drivers.KindPort, n.Name); ok && r.Attrs[drivers.AttrAddress] != "" {
		n.Addresses = []string{r.Attrs[drivers.AttrAddress]}
	}
	if g := w.group(n.NodeGroupUUID); g != nil {
		if w.stepDone(inPlaceTask(n)) || w.stepDone(rebuildTask(n)) {
			n.ImageID = groupSpec(g).ImageID // as good as made of it
		}
		if w.stepDone(readyTask(n)) {
			n.Ready, n.Version = true, w.versionOf(g, n)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if x, ok := w.inKube[n.Name]; ok {
		n.Version, n.Conditions = x.Version, conditions(x)
		if x.Ready {
			n.UnhealthySince = nil
		}
	}
}

// noteNodes brings the rows of nodes up to date between slices, when there is anything new, so that users can watch them.
func (w *work) noteNodes(ctx context.Context) error {
	news := slices.ContainsFunc(w.s.Nodes, func(n *db.Node) bool {
		filled := *n
		w.fillNode(&filled)
		return !reflect.DeepEqual(*n, filled)
	})
	if !news {
		return nil
	}
	return w.e.Store.Record(ctx, w.op, func(s *db.Snapshot) error {
		for _, n := range s.Nodes {
			w.fillNode(n)
		}
		return nil
	})
}
