package ironic

import (
	"context"
	"fmt"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// RemoveHost gives the host's node back, then deletes its port, and forgets them. It does not wait for the node to be
// cleaned, which takes hours where disks are erased: a node that is being cleaned has nothing of the cluster any more.
func (m *Machines) RemoveHost(ctx context.Context, s *drivers.Site, name string) drivers.Result {
	remark := ""
	for _, step := range []struct {
		kind   string
		remove func(context.Context, *drivers.Site, drivers.Resource) drivers.Result
	}{{drivers.KindAllocation, m.removeAllocation}, {drivers.KindPort, m.ports.Remove}} {
		r, ok := s.Ledger.Find(step.kind, name)
		if !ok {
			continue
		}
		res := step.remove(ctx, s, r)
		if !res.IsDone() {
			return res
		}
		remark += res.Remarked()
	}
	return drivers.Done().Remark(remark)
}

// Remove deletes what Leftovers found; hosts go by RemoveHost.
func (m *Machines) Remove(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	switch r.Kind {
	case drivers.KindAllocation:
		return m.removeAllocation(ctx, s, r)
	case drivers.KindPort:
		return m.ports.Remove(ctx, s, r)
	}
	return drivers.Failed(drivers.ClassInternal, "the ironic driver makes no %s", r.Kind)
}

func (m *Machines) removeAllocation(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	b, err := m.baremetal(ctx)
	if err != nil {
		return verdict(err)
	}
	ident := r.ID
	if ident == "" { // the answer to the request was lost: what it made has the name
		ident = r.Name
	}
	a, err := b.Allocation(ctx, ident)
	switch {
	case cloud.IsNotFound(err):
		return m.released(ctx, s, b, r)
	case err != nil:
		return verdict(err)
	case !ours(s, a):
		return drivers.Failed(drivers.ClassInternal, "allocation %s (%s) does not carry the mark of this cluster: left alone", r.Name, a.ID)
	case a.State == "allocating":
		return drivers.Continue(drivers.PollInterval, "allocation %s to end before it can go", r.Name)
	case a.NodeID == "":
		return m.deleteAllocation(ctx, b, a)
	}
	n, err := b.Node(ctx, a.NodeID)
	if err != nil {
		return verdict(err)
	}
	return m.release(ctx, s, b, a, n)
}

// release gives the node of an allocation back, whatever state it is in.
func (m *Machines) release(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, a cloud.Allocation, n cloud.BaremetalNode) drivers.Result {
	switch n.State {
	case "available", "manageable":
		return m.unprepare(ctx, s, b, a, n)
	case "active", "deploy failed", undeployFailed, "wait call-back", "rescue", "rescue failed", "unrescue failed":
	default:
		return m.givenBack(s, a.Name, n)
	}
	if n.Protected {
		return drivers.Failed(drivers.ClassCloud, "baremetal: node %s of host %s is protected: an operator has to end that", n.Title(), a.Name)
	}
	if n.Lessee == s.Cluster.ProjectID && changeable(n) { // ours to take away where Ironic does not do it by itself
		if err := b.ChangeNode(ctx, n.ID, cloud.Change{Path: "/lessee"}); err != nil {
			return verdict(err)
		}
	}
	return m.undeploy(ctx, s, b, a.Name, n)
}

// undeployFailed is the state of a node whose undeploy failed. Ironic does not try it again by itself.
const undeployFailed = "error"

// undeploy asks for a node to be given back, also when that has failed before. Why it failed is noted: Ironic forgets it when
// it is asked again, and whoever waits in vain is to hear of it in the end.
func (m *Machines) undeploy(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, host string, n cloud.BaremetalNode) drivers.Result {
	why := ""
	if n.State == undeployFailed {
		why = oneLine(failure(n))
		r, ok := s.Ledger.Find(drivers.KindAllocation, host)
		if ok && r.Attrs[attrUndeploy] != why {
			if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, r.ID, with(r.Attrs, attrUndeploy, why)); err != nil {
				return drivers.FromError(err)
			}
		}
	}
	if err := b.Undeploy(ctx, n.ID); err != nil {
		if cloud.IsInvalid(err) { // its state has changed since it was read
			return drivers.Transient(err)
		}
		return verdict(err)
	}
	if why != "" {
		return drivers.Continue(drivers.PollInterval, "node %s of host %s was asked to undeploy again, which failed before: %s", n.Title(), host, why)
	}
	return drivers.Continue(drivers.PollInterval, "node %s of host %s was asked to undeploy", n.Title(), host)
}

// givenBack waits for a node that is on its way.
func (m *Machines) givenBack(s *drivers.Site, host string, n cloud.BaremetalNode) drivers.Result {
	since := ""
	if n.StateSince != "" {
		since = " since " + n.StateSince
	}
	r, _ := s.Ledger.Find(drivers.KindAllocation, host)
	return drivers.Continue(drivers.PollInterval, "node %s of host %s to be given back: it is %s%s%s", n.Title(), host, n.State, since, listed("; that failed before: ", lines(r.Attrs[attrUndeploy])))
}

// unprepare takes from a node that was never deployed what it was given, since nobody undeploys it.
func (m *Machines) unprepare(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, a cloud.Allocation, n cloud.BaremetalNode) drivers.Result {
	attached, err := b.VIFs(ctx, n.ID)
	if err != nil {
		return verdict(err)
	}
	port, _ := s.Ledger.Find(drivers.KindPort, a.Name)
	for _, vif := range attached {
		if vif != port.ID {
			continue
		}
		if err := b.DetachVIF(ctx, n.ID, vif); err != nil && !cloud.IsInvalid(err) { // it is detached already
			return verdict(err)
		}
	}
	return m.deleteAllocation(ctx, b, a)
}

func (m *Machines) deleteAllocation(ctx context.Context, b *cloud.Baremetal, a cloud.Allocation) drivers.Result {
	if err := b.DeleteAllocation(ctx, a.ID); err != nil && !cloud.IsNotFound(err) {
		return verdict(err)
	}
	return drivers.Continue(drivers.PollInterval, "allocation %s to go", a.Name)
}

// released: the allocation is gone. What the node does now is told, and nobody waits for it.
func (m *Machines) released(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, r drivers.Resource) drivers.Result {
	remark := ""
	if id := r.Attrs[attrNode]; id != "" {
		n, err := b.Node(ctx, id)
		switch {
		case cloud.IsNotFound(err):
		case err != nil:
			return verdict(err)
		case r.ID != "" && n.InstanceID == r.ID: // an allocation can be deleted in maintenance while its node is deployed
			return m.release(ctx, s, b, cloud.Allocation{ID: r.ID, Name: r.Name, NodeID: n.ID}, n)
		case n.State == undeployFailed && n.InstanceID == "" && n.Maintenance:
			remark = fmt.Sprintf("node %s could not be undeployed, and is in maintenance: what was on it may run before an operator has looked at it: %s", n.Title(), failure(n))
		case n.State == undeployFailed && n.InstanceID == "": // Ironic forgets an instance that it could not take off its node
			return m.undeploy(ctx, s, b, r.Name, n)
		case n.State == "deleting" && n.InstanceID == "" && r.Attrs[attrUndeploy] != "":
			return m.givenBack(s, r.Name, n)
		case n.State == "cleaning" || n.State == "clean wait":
			remark = fmt.Sprintf("node %s is being cleaned, and can be had again after that", n.Title())
		case n.State == "clean failed":
			remark = fmt.Sprintf("node %s could not be cleaned, and cannot be had before an operator has looked at it: %s", n.Title(), n.LastError)
		}
	}
	return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name)).Remark(remark)
}

// Leftovers finds allocations and ports by their mark.
func (m *Machines) Leftovers(ctx context.Context, s *drivers.Site) ([]drivers.Resource, error) {
	b, err := m.baremetal(ctx)
	if cloud.IsNoEndpoint(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := b.Allocations(ctx, m.cfg.Pool.Owner)
	if err != nil {
		return nil, err
	}
	var l []drivers.Resource
	for _, a := range all {
		if ours(s, a) {
			l = append(l, drivers.Resource{Kind: drivers.KindAllocation, Name: a.Name, ID: a.ID, Attrs: map[string]string{attrNode: a.NodeID}})
		}
	}
	ports, err := m.ports.Marked(ctx, s)
	return infra.Unknown(s, append(l, ports...)), err
}
