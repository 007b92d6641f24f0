package ironic

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// deploy prepares an allocated node and has it deployed. Each part is looked for before it is done, so that a second run
// goes on where the first one ended.
func (m *Machines) deploy(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host, r drivers.Resource, n cloud.BaremetalNode, userData drivers.UserData) drivers.Result {
	if res := m.checkParts(ctx, s, h, n); !res.IsDone() {
		return res
	}
	if err := m.describe(ctx, s, b, h, n); err != nil {
		return verdict(err)
	}
	port, ok := s.Ledger.Find(drivers.KindPort, h.Name)
	if !ok || port.ID == "" {
		return drivers.Failed(drivers.ClassInternal, "host %s has no port yet", h.Name)
	}
	attached, err := b.VIFs(ctx, n.ID)
	if err != nil {
		return verdict(err)
	}
	if !slices.Contains(attached, port.ID) {
		if err := b.AttachVIF(ctx, n.ID, port.ID, "", ""); err != nil { // to a bond where the node has one: so Ironic chooses
			return m.attachFailed(ctx, s, b, h, r, n, err)
		}
	}
	bad, err := b.Validate(ctx, n.ID)
	if err != nil {
		return verdict(err)
	}
	if len(bad) > 0 {
		return m.giveUp(ctx, s, b, h.Name, r, n, "it cannot be deployed: "+words(bad))
	}
	drive, err := m.configDrive(ctx, s, b, h, r, n, userData)
	if err != nil {
		return drivers.FromError(err)
	}
	err = b.Deploy(ctx, n.ID, drive)
	if cloud.IsInvalid(err) { // it is not available any more, because somebody was quicker; or Ironic does not want it
		if now, look := b.Node(ctx, n.ID); look != nil || now.State != "available" {
			return drivers.Transient(err)
		}
		return m.giveUp(ctx, s, b, h.Name, r, n, err.Error())
	}
	if err != nil {
		return verdict(err)
	}
	return drivers.Continue(drivers.PollInterval, "node %s for host %s was asked to deploy", n.Title(), h.Name)
}

// attachFailed: a node without a free network card is no good; everything else is tried again.
func (m *Machines) attachFailed(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host, r drivers.Resource, n cloud.BaremetalNode, err error) drivers.Result {
	if cloud.IsInvalid(err) {
		return m.giveUp(ctx, s, b, h.Name, r, n, err.Error())
	}
	return verdict(err)
}

func words(bad map[string]string) string {
	var l []string
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		l = append(l, name+": "+bad[name])
	}
	return strings.Join(l, "; ")
}

// describe writes into a node's instance_info what it is to become. Traits are there already: Ironic takes them from the
// allocation, and runs the deploy templates of those names, RAID and firmware settings among them.
func (m *Machines) describe(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host, n cloud.BaremetalNode) error {
	source := map[string]any{"image_source": h.ImageID}
	if n.DeployInterface == cloud.RamdiskDeploy {
		l, err := m.image(ctx, s, h)
		if err != nil {
			return err
		}
		source = parts(l)
	}
	changes := description(s.Cluster, h, source, n.InstanceInfo)
	if len(changes) == 0 {
		return nil
	}
	return b.ChangeNode(ctx, n.ID, changes...)
}

// parts are what a node of deploy interface ramdisk boots, as the image names them. The image itself must not be named beside them: Ironic would
// forget them with a rebuild.
func parts(images []cloud.ImageInfo) map[string]any {
	source := map[string]any{}
	for _, i := range images {
		for key, property := range map[string]string{"kernel": cloud.KernelProperty, "ramdisk": cloud.RamdiskProperty} {
			if id := i.Properties[property]; id != "" {
				source[key] = id
			}
		}
	}
	return source
}

// description is what has to change in an instance_info for a host that is made of this source.
func description(c drivers.Cluster, h drivers.Host, source, have map[string]any) []cloud.Change {
	want := map[string]any{"display_name": h.Name, "project_id": c.ProjectID, "jeroboam_cluster": c.UUID}
	maps.Copy(want, source)
	if len(h.RootDevice) > 0 {
		hints := map[string]any{}
		for k, v := range h.RootDevice {
			hints[k] = v
		}
		want["root_device"] = hints
	}
	var changes []cloud.Change
	for _, key := range []string{"image_source", "kernel", "ramdisk"} {
		if have[key] != nil && want[key] == nil { // of the image before a rebuild
			changes = append(changes, cloud.Change{Path: "/instance_info/" + key})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(have[key], want[key]) {
			changes = append(changes, cloud.Change{Path: "/instance_info/" + key, Value: want[key]})
		}
	}
	return changes
}

// configDrive is what the host reads when it boots. A network without DHCP and without metadata is enough for it.
func (m *Machines) configDrive(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host, r drivers.Resource, n cloud.BaremetalNode, userData drivers.UserData) (cloud.ConfigDrive, error) {
	data, err := userData(ctx)
	if err != nil {
		return cloud.ConfigDrive{}, err
	}
	link, err := m.link(ctx, s, b, h, n)
	if err != nil {
		return cloud.ConfigDrive{}, fmt.Errorf("describing the network of host %s: %w", h.Name, err)
	}
	meta := map[string]any{"uuid": r.ID, "name": h.Name, "hostname": h.Name, "project_id": s.Cluster.ProjectID,
		"meta": map[string]any{clusterKey: s.Cluster.UUID, "jeroboam-nodegroup": h.NodeGroup}}
	return cloud.ConfigDrive{MetaData: meta, NetworkData: link.networkData(), UserData: string(data)}, nil
}

// link reads what the network of a host is: its port, subnet and network, and the cards that serve the port.
func (m *Machines) link(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host, n cloud.BaremetalNode) (link, error) {
	clients, err := infra.Clients(ctx, m.clouds, s)
	if err != nil {
		return link{}, err
	}
	neutron, err := clients.Network()
	if err != nil {
		return link{}, err
	}
	r, _ := s.Ledger.Find(drivers.KindPort, h.Name)
	var l link
	if l.port, err = neutron.Port(ctx, r.ID); err != nil {
		return l, err
	}
	if l.subnet, err = neutron.Subnet(ctx, l.port.SubnetID); err != nil {
		return l, err
	}
	networks, err := neutron.Networks(ctx, l.port.NetworkID)
	if err != nil {
		return l, err
	}
	if len(networks) > 0 {
		l.mtu = networks[0].MTU
	}
	if l.cards, err = b.NICs(ctx, n.ID); err != nil {
		return l, err
	}
	l.bonds, err = b.Bonds(ctx, n.ID)
	return l, err
}
