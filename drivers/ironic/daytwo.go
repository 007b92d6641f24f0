package ironic

import (
	"context"
	"fmt"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// poweredOff is the state of a host whose node is active and has no power, while nobody is switching it.
const poweredOff = "power off"

// Status tells what Ironic says of each host in the ledger. Addresses are those of the ports, which Ironic does not know.
func (m *Machines) Status(ctx context.Context, s *drivers.Site) (map[string]drivers.HostStatus, error) {
	b, err := m.baremetal(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]drivers.HostStatus{}
	for _, r := range s.Ledger.All() {
		if r.Kind != drivers.KindAllocation || r.ID == "" {
			continue
		}
		all, err := m.nodes(ctx, s, b)
		if err != nil {
			return nil, err
		}
		x := drivers.HostStatus{ID: r.ID}
		n, ok := all[r.ID]
		if ok {
			x.State = state(n)
		} else if x.State, err = m.unlisted(ctx, b, r); err != nil {
			return nil, err
		}
		if port, ok := s.Ledger.Find(drivers.KindPort, r.Name); ok && x.State != drivers.HostGone {
			x.Addresses = []string{port.Attrs[drivers.AttrAddress]}
		}
		out[r.Name] = x
	}
	return out, nil
}

func state(n cloud.BaremetalNode) string {
	if n.State == "active" && n.PowerState == poweredOff && n.TargetPowerState == "" && n.Reservation == "" {
		return poweredOff
	}
	return n.State
}

// unlisted asks for a host by its id, before it is said to be gone.
func (m *Machines) unlisted(ctx context.Context, b *cloud.Baremetal, r drivers.Resource) (string, error) {
	l, err := b.Nodes(ctx, cloud.NodeFilter{InstanceID: r.ID})
	if err != nil {
		return "", err
	}
	if len(l) > 0 {
		return state(l[0]), nil
	}
	a, err := b.Allocation(ctx, r.ID)
	if cloud.IsNotFound(err) {
		return drivers.HostGone, nil
	}
	return a.State, err
}

// node of a host; Failed when it has none any more.
func (m *Machines) node(ctx context.Context, s *drivers.Site, name string) (*cloud.Baremetal, drivers.Resource, cloud.BaremetalNode, drivers.Result) {
	r, ok := s.Ledger.Find(drivers.KindAllocation, name)
	if !ok || r.ID == "" {
		return nil, r, cloud.BaremetalNode{}, drivers.Failed(drivers.ClassInternal, "host %s has no allocation", name)
	}
	b, err := m.baremetal(ctx)
	if err != nil {
		return nil, r, cloud.BaremetalNode{}, verdict(err)
	}
	l, err := b.Nodes(ctx, cloud.NodeFilter{InstanceID: r.ID})
	switch {
	case err != nil:
		return nil, r, cloud.BaremetalNode{}, verdict(err)
	case len(l) == 0:
		return nil, r, cloud.BaremetalNode{}, drivers.Failed(drivers.ClassCloud, "baremetal: host %s (allocation %s) is gone: somebody undeployed it", name, r.ID)
	}
	return b, r, l[0], drivers.Done()
}

// RebootHost asks Ironic to start a node again. Hardware without a soft way is switched off and on.
func (m *Machines) RebootHost(ctx context.Context, s *drivers.Site, name string, hard bool) drivers.Result {
	b, _, n, res := m.node(ctx, s, name)
	if !res.IsDone() {
		return res
	}
	switch {
	case n.Maintenance:
		return drivers.Done().Remark(fmt.Sprintf("left alone: node %s is in maintenance: %s", n.Title(), n.MaintenanceReason))
	case n.State != "active" || n.TargetPowerState != "":
		return drivers.Done() // it is being changed already
	}
	err := b.Reboot(ctx, n.ID, hard || n.PowerState == poweredOff)
	if cloud.IsInvalid(err) && !hard {
		err = b.Reboot(ctx, n.ID, true)
	}
	if cloud.IsConflict(err) {
		return drivers.Continue(drivers.PollInterval, "%s", err.Error())
	}
	return verdict(err)
}

// RetireHost marks a host's node as retired: when it is given back it does not become available again, until an operator
// has looked at it.
func (m *Machines) RetireHost(ctx context.Context, s *drivers.Site, name, reason string) drivers.Result {
	b, r, n, res := m.node(ctx, s, name)
	if res.Err() != nil && (r.ID == "" || drivers.ClassOf(res.Err()) == drivers.ClassCloud && b == nil) {
		return drivers.Done() // there is none to retire
	}
	if !res.IsDone() || n.Retired || !changeable(n) {
		return res
	}
	if err := b.ChangeNode(ctx, n.ID, cloud.Change{Path: "/retired", Value: true}, cloud.Change{Path: "/retired_reason", Value: reason}); err != nil {
		return verdict(err)
	}
	return drivers.Done().Remark(fmt.Sprintf("node %s is retired: it does not become available again before an operator has looked at it", n.Title()))
}

// RebuildHost has a host deployed once more on the node that it has, with its address: with another image, or the same. The
// token says for whom: a second call for the same one goes on where the first ended. Everything on its disks is lost.
func (m *Machines) RebuildHost(ctx context.Context, s *drivers.Site, h drivers.Host, token string, userData drivers.UserData) drivers.Result {
	b, r, n, res := m.node(ctx, s, h.Name)
	if !res.IsDone() {
		return res
	}
	if n.Maintenance {
		return drivers.Failed(drivers.ClassCloud, "baremetal: node %s of host %s is in maintenance: %s", n.Title(), h.Name, n.MaintenanceReason)
	}
	if r.Attrs[attrRebuild] != token {
		if n.State != "active" && n.State != "deploy failed" && n.State != "error" {
			return drivers.Continue(drivers.PollInterval, "node %s of host %s to be rebuilt: it is %s", n.Title(), h.Name, n.State)
		}
		if res := m.checkImage(ctx, s, h); !res.IsDone() {
			return res
		}
		r.Attrs = with(r.Attrs, attrRebuild, token, attrSince, n.StateSince)
		if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, r.ID, r.Attrs); err != nil {
			return drivers.FromError(err)
		}
	}
	if n.StateSince == r.Attrs[attrSince] { // it was not asked for yet
		return m.rebuild(ctx, s, b, h, r, n, userData)
	}
	switch n.State {
	case "active":
		return drivers.Done()
	case "deploy failed", "error":
		return drivers.Failed(drivers.ClassCloud, "baremetal: host %s could not be rebuilt on node %s: %s", h.Name, n.Title(), failure(n))
	}
	return drivers.Continue(drivers.PollInterval, "node %s of host %s is being rebuilt: it is %s", n.Title(), h.Name, n.State)
}

func (m *Machines) rebuild(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host, r drivers.Resource, n cloud.BaremetalNode, userData drivers.UserData) drivers.Result {
	if res := m.checkParts(ctx, s, h, n); !res.IsDone() {
		return res
	}
	if err := m.describe(ctx, s, b, h, n); err != nil {
		return verdict(err)
	}
	drive, err := m.configDrive(ctx, s, b, h, r, n, userData)
	if err != nil {
		return drivers.FromError(err)
	}
	switch err := b.Rebuild(ctx, n.ID, drive); {
	case cloud.IsInvalid(err): // its state has changed since it was read: the next look tells; or Ironic does not want it
		if now, look := b.Node(ctx, n.ID); look != nil || now.State != n.State || now.StateSince != n.StateSince {
			return drivers.Transient(err)
		}
		return drivers.Failed(drivers.ClassCloud, "baremetal: host %s cannot be rebuilt on node %s: %s", h.Name, n.Title(), oneLine(err.Error()))
	case err != nil:
		return verdict(err)
	}
	return drivers.Continue(drivers.PollInterval, "node %s of host %s was asked to rebuild", n.Title(), h.Name)
}
