package ironic

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

const (
	// maxNodes are tried for one host, before the fault is the host's and not the nodes'.
	maxNodes = 3
	// maxRefusals of allocations for which there seemed to be a node.
	maxRefusals = 5
)

// EnsureHost brings a host one step nearer to being active: a node is allocated, prepared, deployed. One that cannot be
// deployed is given back and left alone for a time, and another one tried.
func (m *Machines) EnsureHost(ctx context.Context, s *drivers.Site, h drivers.Host, userData drivers.UserData) drivers.Result {
	b, err := m.baremetal(ctx)
	if err != nil {
		return verdict(err)
	}
	r, ok := s.Ledger.Find(drivers.KindAllocation, h.Name)
	if !ok || r.ID == "" {
		return m.allocate(ctx, s, b, h)
	}
	all, err := m.nodes(ctx, s, b)
	if err != nil {
		return verdict(err)
	}
	n, found := all[r.ID]
	if !found {
		a, err := b.Allocation(ctx, r.ID)
		switch {
		case cloud.IsNotFound(err):
			return m.ended(ctx, s, r)
		case err != nil:
			return verdict(err)
		case a.State == "allocating":
			return drivers.Continue(drivers.PollInterval, "a node for host %s to be allocated", h.Name)
		case a.State == "error" || a.NodeID == "":
			return m.refused(ctx, s, b, r, a)
		}
		if n, err = b.Node(ctx, a.NodeID); err != nil {
			return verdict(err)
		}
	}
	return m.advance(ctx, s, b, h, r, n, userData)
}

// advance does what the state of the host's node asks for.
func (m *Machines) advance(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host, r drivers.Resource, n cloud.BaremetalNode, userData drivers.UserData) drivers.Result {
	if r.Attrs[attrNode] != n.ID {
		r.Attrs = with(r.Attrs, attrNode, n.ID, attrNodeName, n.Name, attrGroup, h.NodeGroup, drivers.AttrRack, m.rack(n))
		if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, r.ID, r.Attrs); err != nil {
			return drivers.FromError(err)
		}
	}
	if r.Attrs[attrGivenUp] == r.ID {
		return m.giveBack(ctx, s, b, h.Name, n)
	}
	switch n.State {
	case "available":
		return m.deploy(ctx, s, b, h, r, n, userData)
	case "active":
		if n.Lessee == s.Cluster.ProjectID {
			return drivers.Done()
		}
		if err := b.ChangeNode(ctx, n.ID, cloud.Change{Path: "/lessee", Value: s.Cluster.ProjectID}); err != nil {
			return verdict(err)
		}
		return drivers.Done()
	case "deploy failed", "error":
		return m.giveUp(ctx, s, b, h.Name, r, n, failure(n))
	}
	return drivers.Continue(drivers.PollInterval, "node %s for host %s is %s", n.Title(), h.Name, n.State)
}

// failure says why a node could not be deployed, and where in it.
func failure(n cloud.BaremetalNode) string {
	why := n.LastError
	if why == "" {
		why = "its state is " + n.State
	}
	if step, _ := n.DeployStep["step"].(string); step != "" {
		face, _ := n.DeployStep["interface"].(string)
		why = strings.TrimSuffix(why, ".") + fmt.Sprintf(" (deploy step %s.%s)", face, step)
	}
	return why
}

// oneLine keeps the words of a service within a line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// giveUp notes that a node is no good: in the ledger, so that its end is known to be our own doing, and on the node, so that
// everybody leaves it alone for a time. Then it is given back.
func (m *Machines) giveUp(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, host string, r drivers.Resource, n cloud.BaremetalNode, why string) drivers.Result {
	failures := lines(r.Attrs[attrFailures])
	if r.Attrs[attrGivenUp] != r.ID {
		failures = append(failures, fmt.Sprintf("node %s: %s", n.Title(), oneLine(why)))
		if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, r.ID, with(r.Attrs, attrFailures, strings.Join(failures, "\n"), attrGivenUp, r.ID)); err != nil {
			return drivers.FromError(err)
		}
	}
	return m.giveBack(ctx, s, b, host, n)
}

// giveBack marks a node that was given up to be avoided, and has it undeployed. After the last try nobody does so by itself:
// the node goes with the host.
func (m *Machines) giveBack(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, host string, n cloud.BaremetalNode) drivers.Result {
	r, _ := s.Ledger.Find(drivers.KindAllocation, host)
	failures := lines(r.Attrs[attrFailures])
	if err := m.avoid(ctx, b, n, failures); err != nil {
		return verdict(err)
	}
	if len(failures) >= maxNodes {
		return drivers.Failed(drivers.ClassCloud, "baremetal: host %s could not be deployed on %d nodes: %s", host, len(failures), strings.Join(failures, "; "))
	}
	res := m.release(ctx, s, b, cloud.Allocation{ID: r.ID, Name: host, NodeID: n.ID}, n)
	if res.Err() != nil {
		return res
	}
	r, _ = s.Ledger.Find(drivers.KindAllocation, host)
	return drivers.Continue(drivers.PollInterval, "another node for host %s: %s%s", host, r.Attrs[attrFailures], listed("; it could not be undeployed: ", lines(r.Attrs[attrUndeploy])))
}

// avoid marks a node, once.
func (m *Machines) avoid(ctx context.Context, b *cloud.Baremetal, n cloud.BaremetalNode, failures []string) error {
	now := m.now()
	if _, yes := n.Avoided(now); yes || m.cfg.AvoidFor <= 0 || len(failures) == 0 || !changeable(n) {
		return nil
	}
	until := now.Add(m.cfg.AvoidFor).UTC().Format(time.RFC3339)
	return b.ChangeNode(ctx, n.ID, cloud.Change{Path: "/extra/" + cloud.AvoidKey, Value: map[string]string{"until": until, "reason": failures[len(failures)-1]}})
}

// changeable tells whether Ironic takes changes of a node in its state.
func changeable(n cloud.BaremetalNode) bool {
	return n.TargetState == "" || n.State == "deploy failed" || n.State == "error" || n.State == "clean failed"
}

// ended: the allocation is no more. When it was given up the next one is asked for; otherwise somebody took the host away.
func (m *Machines) ended(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	if r.Attrs[attrGivenUp] != r.ID {
		return drivers.Failed(drivers.ClassCloud, "baremetal: host %s (allocation %s on node %s) is gone: somebody undeployed it", r.Name, r.ID, r.Attrs[attrNode])
	}
	if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, "", with(r.Attrs, attrGivenUp, "", attrNode, "", attrNodeName, "", attrUndeploy, "", drivers.AttrRack, "")); err != nil {
		return drivers.FromError(err)
	}
	return drivers.Continue(0, "another node for host %s", r.Name)
}

// refused: Ironic found no node, or others were quicker. The allocation is taken away, and the next look chooses anew.
func (m *Machines) refused(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, r drivers.Resource, a cloud.Allocation) drivers.Result {
	refusals := append(lines(r.Attrs[attrRefusals]), oneLine(a.LastError))
	if len(refusals) >= maxRefusals {
		return drivers.Failed(drivers.ClassCapacity, "baremetal: no node could be allocated for host %s: %s", r.Name, a.LastError)
	}
	if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, r.ID, with(r.Attrs, attrRefusals, strings.Join(refusals, "\n"), attrGivenUp, r.ID)); err != nil {
		return drivers.FromError(err)
	}
	if err := b.DeleteAllocation(ctx, a.ID); err != nil && !cloud.IsNotFound(err) {
		return verdict(err)
	}
	return drivers.Continue(drivers.PollInterval, "another try to allocate a node for host %s: %s", r.Name, a.LastError)
}

// with gives attributes with some of them changed.
func with(attrs map[string]string, pairs ...string) map[string]string {
	out := maps.Clone(attrs)
	if out == nil {
		out = map[string]string{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			delete(out, pairs[i])
			continue
		}
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
