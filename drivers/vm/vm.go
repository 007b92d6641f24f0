// Package vm makes hosts that are Nova servers. It implements drivers.Machines.
//
// The port comes first: its address is known before the server exists, and Nova refuses a second server on it, so that a
// repeated request cannot make two hosts. Volumes are made by Nova and go with the server.
package vm

import (
	"context"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// Name of the driver, as node groups name it.
const Name = "vm"

// Machines implements drivers.Machines on Nova.
type Machines struct {
	clouds  *cloud.Factory
	ports   infra.HostPorts
	onExtra func(kind, id string)
}

var _ drivers.Machines = (*Machines)(nil)

// New makes the driver. Duplicate is told of each object that was found twice; nil is fine.
func New(clouds *cloud.Factory, network drivers.Infrastructure, duplicate func(kind, id string)) *Machines {
	return &Machines{clouds: clouds, onExtra: duplicate, ports: infra.HostPorts{Clouds: clouds, Network: network, Duplicate: duplicate}}
}

// Name of the driver.
func (m *Machines) Name() string { return Name }

func groupName(s *drivers.Site, nodeGroup string) string { return s.Cluster.Prefix + "-" + nodeGroup }

func (m *Machines) compute(ctx context.Context, s *drivers.Site) (*cloud.Compute, error) {
	c, err := infra.Clients(ctx, m.clouds, s)
	if err != nil {
		return nil, err
	}
	return c.Compute()
}

func (m *Machines) ensure(ctx context.Context, s *drivers.Site, o drivers.Object) (drivers.Resource, error) {
	o.Duplicate = m.onExtra
	return drivers.Ensure(ctx, s.Ledger, o)
}

// EnsureGroup makes the server group that spreads a node group's hosts.
func (m *Machines) EnsureGroup(ctx context.Context, s *drivers.Site, nodeGroup string) drivers.Result {
	if s.Cluster.ServerGroupPolicy == "" {
		return drivers.Done()
	}
	n, err := m.compute(ctx, s)
	if err != nil {
		return infra.Verdict(err)
	}
	group := groupName(s, nodeGroup)
	// Nova takes no server into a group that is gone: it is asked for once, each time hosts are to be made.
	if r, ok := s.Ledger.Find(drivers.KindServerGroup, group); ok && r.ID != "" {
		if _, err := n.ServerGroupName(ctx, r.ID); err == nil || !cloud.IsNotFound(err) {
			return infra.Verdict(err)
		}
		if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, "", r.Attrs); err != nil {
			return drivers.FromError(err)
		}
	}
	_, err = m.ensure(ctx, s, drivers.Object{Kind: drivers.KindServerGroup, Name: group,
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			ids, err := n.FindServerGroups(ctx, group)
			var out []drivers.Found
			for _, id := range ids {
				out = append(out, drivers.Found{ID: id})
			}
			return out, err
		},
		Create: func(ctx context.Context) (drivers.Found, error) {
			id, err := n.CreateServerGroup(ctx, group, s.Cluster.ServerGroupPolicy)
			return drivers.Found{ID: id}, err
		},
		Delete: n.DeleteServerGroup})
	return infra.Verdict(err)
}

// EnsureAddress makes the host's port.
func (m *Machines) EnsureAddress(ctx context.Context, s *drivers.Site, h drivers.Host) drivers.Result {
	return m.ports.Ensure(ctx, s, h)
}
