package vm

import (
	"context"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// EnsureHost asks for the server and answers Done when it is ACTIVE. A server that Nova could not build is deleted with
// its record by RemoveHost; here it is a failure with Nova's own words.
func (m *Machines) EnsureHost(ctx context.Context, s *drivers.Site, h drivers.Host, userData drivers.UserData) drivers.Result {
	n, err := m.compute(ctx, s)
	if err != nil {
		return infra.Verdict(err)
	}
	if r, ok := s.Ledger.Find(drivers.KindServer, h.Name); ok && r.ID != "" {
		return m.state(ctx, s, n, r)
	}
	port, ok := s.Ledger.Find(drivers.KindPort, h.Name)
	if !ok || port.ID == "" {
		return drivers.Failed(drivers.ClassInternal, "host %s has no port yet", h.Name)
	}
	data, err := userData(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	_, err = m.ensure(ctx, s, drivers.Object{Kind: drivers.KindServer, Name: h.Name, Node: h.Name,
		Find: func(ctx context.Context) ([]drivers.Found, error) { return m.find(ctx, s, n, h.Name) },
		Create: func(ctx context.Context) (drivers.Found, error) {
			id, err := n.CreateServer(ctx, m.spec(s, h, port.ID, data))
			return drivers.Found{ID: id}, err
		},
		Delete: n.DeleteServer})
	if cloud.IsConflict(err) { // the port is in use: by a server whose answer was lost and that the list does not show yet
		return drivers.Transient(err)
	}
	if err != nil {
		return infra.Verdict(err)
	}
	return drivers.Continue(drivers.PollInterval, "server %s was requested", h.Name)
}

func (m *Machines) spec(s *drivers.Site, h drivers.Host, portID string, userData []byte) cloud.ServerSpec {
	group, _ := s.Ledger.Find(drivers.KindServerGroup, groupName(s, h.NodeGroup))
	return cloud.ServerSpec{Name: h.Name, FlavorID: h.FlavorID, ImageID: h.ImageID, PortID: portID, AvailabilityZone: h.AvailabilityZone,
		ServerGroupID: group.ID, UserData: userData, Tags: []string{s.Cluster.Tag()},
		Metadata:       map[string]string{"jeroboam-cluster": s.Cluster.UUID, "jeroboam-nodegroup": h.NodeGroup},
		BootVolumeSize: h.BootVolumeSize, BootVolumeType: h.BootVolumeType, DataVolumeSize: h.DockerVolumeSize, DataVolumeType: h.DockerVolumeType}
}

func (m *Machines) find(ctx context.Context, s *drivers.Site, n *cloud.Compute, name string) ([]drivers.Found, error) {
	l, err := n.ServersNamed(ctx, name, s.Cluster.Tag())
	var out []drivers.Found
	for _, x := range l {
		out = append(out, drivers.Found{ID: x.ID})
	}
	return out, err
}

// servers lists the cluster's servers, once per slice.
func (m *Machines) servers(ctx context.Context, s *drivers.Site, n *cloud.Compute) (map[string]cloud.Server, error) {
	return drivers.Once(s.Memo, "servers", func() (map[string]cloud.Server, error) {
		l, err := n.Servers(ctx, s.Cluster.Tag())
		byID := map[string]cloud.Server{}
		for _, x := range l {
			byID[x.ID] = x
		}
		return byID, err
	})
}

func (m *Machines) state(ctx context.Context, s *drivers.Site, n *cloud.Compute, r drivers.Resource) drivers.Result {
	all, err := m.servers(ctx, s, n)
	if err != nil {
		return infra.Verdict(err)
	}
	x, ok := all[r.ID]
	if !ok { // asked for after the list was read, or gone: a look of its own tells
		x, err = n.Server(ctx, r.ID)
		if cloud.IsNotFound(err) || x.Reclaimable {
			return drivers.Failed(drivers.ClassCloud, "compute: server %s (%s) is gone: somebody deleted it", r.Name, r.ID)
		}
		if err != nil {
			return infra.Verdict(err)
		}
	}
	switch strings.ToUpper(x.Status) {
	case "ACTIVE":
		return drivers.Done()
	case "ERROR":
		return m.failed(ctx, n, x)
	default:
		return drivers.Continue(drivers.PollInterval, "server %s is %s", r.Name, x.Status)
	}
}

// failed reads the fault, which lists leave out.
func (m *Machines) failed(ctx context.Context, n *cloud.Compute, x cloud.Server) drivers.Result {
	if full, err := n.Server(ctx, x.ID); err == nil {
		x = full
	}
	class := drivers.ClassCloud
	switch {
	case cloud.NoCapacity(x.Fault):
		class = drivers.ClassCapacity
	case strings.Contains(strings.ToLower(x.Fault), "quota"):
		class = drivers.ClassQuota
	}
	return drivers.Failed(class, "compute: server %s is in status ERROR: %s", x.Name, x.Fault)
}

// Status tells what the cloud says of each host in the ledger.
func (m *Machines) Status(ctx context.Context, s *drivers.Site) (map[string]drivers.HostStatus, error) {
	n, err := m.compute(ctx, s)
	if err != nil {
		return nil, err
	}
	all, err := m.servers(ctx, s, n)
	if err != nil {
		return nil, err
	}
	out := map[string]drivers.HostStatus{}
	for _, r := range s.Ledger.All() {
		if r.Kind != drivers.KindServer || r.ID == "" {
			continue
		}
		x, ok := all[r.ID]
		if !ok {
			x, err = n.Server(ctx, r.ID)
		}
		switch {
		case cloud.IsNotFound(err), x.Reclaimable:
			out[r.Name] = drivers.HostStatus{ID: r.ID, State: drivers.HostGone}
		case err != nil:
			return nil, err
		default:
			out[r.Name] = drivers.HostStatus{ID: x.ID, State: x.Status, Addresses: x.Addresses}
		}
		err = nil
	}
	return out, nil
}

// RebootHost asks Nova to start a server again. Hard also gets those that are in ERROR or switched off.
func (m *Machines) RebootHost(ctx context.Context, s *drivers.Site, name string, hard bool) drivers.Result {
	n, err := m.compute(ctx, s)
	if err != nil {
		return infra.Verdict(err)
	}
	r, ok := s.Ledger.Find(drivers.KindServer, name)
	if !ok || r.ID == "" {
		return drivers.Failed(drivers.ClassInternal, "host %s has no server", name)
	}
	err = n.RebootServer(ctx, r.ID, hard)
	if cloud.IsConflict(err) && !hard { // it does not run, or is starting again already
		return drivers.Done()
	}
	if cloud.IsConflict(err) {
		return drivers.Continue(drivers.PollInterval, "%s", err.Error())
	}
	return infra.Verdict(err)
}
