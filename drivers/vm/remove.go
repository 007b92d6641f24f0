package vm

import (
	"context"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// RemoveHost deletes the server, then its port, and forgets them.
func (m *Machines) RemoveHost(ctx context.Context, s *drivers.Site, name string) drivers.Result {
	for _, step := range []struct {
		kind   string
		remove func(context.Context, *drivers.Site, drivers.Resource) drivers.Result
	}{{drivers.KindServer, m.removeServer}, {drivers.KindPort, m.ports.Remove}} {
		r, ok := s.Ledger.Find(step.kind, name)
		if !ok {
			continue
		}
		if res := step.remove(ctx, s, r); !res.IsDone() {
			return res
		}
	}
	return drivers.Done()
}

// Remove deletes what node groups share, server groups, and what Leftovers found; hosts go by RemoveHost.
func (m *Machines) Remove(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	switch r.Kind {
	case drivers.KindServer:
		return m.removeServer(ctx, s, r)
	case drivers.KindPort:
		return m.ports.Remove(ctx, s, r)
	case drivers.KindServerGroup:
		return m.removeServerGroup(ctx, s, r)
	}
	return drivers.Failed(drivers.ClassInternal, "the vm driver makes no %s", r.Kind)
}

func (m *Machines) removeServer(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	n, err := m.compute(ctx, s)
	if err != nil {
		return infra.Verdict(err)
	}
	all, err := m.servers(ctx, s, n)
	if err != nil {
		return infra.Verdict(err)
	}
	ids := []string{r.ID}
	if r.ID == "" { // the answer to the request was lost: whatever it made goes too
		ids = nil
		for id, x := range all {
			if x.Name == r.Name {
				ids = append(ids, id)
			}
		}
	}
	gone := true
	for _, id := range ids {
		x, listed := all[id]
		if !listed { // gone, or somebody took its mark away: a look of its own tells
			x, err = n.Server(ctx, id)
			if cloud.IsNotFound(err) {
				continue
			}
			if err != nil {
				return infra.Verdict(err)
			}
		}
		if !x.Deleting && !slices.Contains(x.Tags, s.Cluster.Tag()) { // one that goes is not touched, whosever it is
			return drivers.Failed(drivers.ClassInternal, "server %s (%s) does not carry the mark of this cluster: left alone", r.Name, id)
		}
		gone = false
		if x.Deleting {
			continue
		}
		remove := n.DeleteServer
		if x.Reclaimable { // it holds the port and the volumes, and for however long
			remove = n.ForceDeleteServer
		}
		if err := remove(ctx, id); err != nil && !cloud.IsNotFound(err) && !cloud.IsConflict(err) {
			return infra.Verdict(err)
		}
	}
	if !gone {
		return drivers.Continue(drivers.PollInterval, "server %s is being deleted", r.Name)
	}
	return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
}

func (m *Machines) removeServerGroup(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result {
	n, err := m.compute(ctx, s)
	if err != nil {
		return infra.Verdict(err)
	}
	ids := []string{r.ID}
	if r.ID == "" {
		if ids, err = n.FindServerGroups(ctx, r.Name); err != nil {
			return infra.Verdict(err)
		}
	}
	for _, id := range ids {
		name, err := n.ServerGroupName(ctx, id)
		switch {
		case cloud.IsNotFound(err):
			continue
		case err != nil:
			return infra.Verdict(err)
		case name != r.Name: // groups have no tags: the name is the mark
			return drivers.Failed(drivers.ClassInternal, "server group %s (%s) does not carry the mark of this cluster: left alone", r.Name, id)
		}
		if err := n.DeleteServerGroup(ctx, id); err != nil && !cloud.IsNotFound(err) {
			return infra.Verdict(err)
		}
	}
	return drivers.FromError(s.Ledger.Forget(ctx, r.Kind, r.Name))
}
