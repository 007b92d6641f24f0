package cloud

import (
	"context"
	"net/url"

	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
)

// NIC is a network card of a node, or a group of them that is bonded (Ironic's port and portgroup).
type NIC struct {
	ID              string         `json:"uuid"`
	Name            string         `json:"name"`
	Address         string         `json:"address"`
	GroupID         string         `json:"portgroup_uuid"` // of a card in a group
	PXE             bool           `json:"pxe_enabled"`
	PhysicalNetwork string         `json:"physical_network"`
	Internal        map[string]any `json:"internal_info"`

	// Of a group:
	Mode       string         `json:"mode"`
	Properties map[string]any `json:"properties"`
	Standalone bool           `json:"standalone_ports_supported"`
}

// VIF is the id of the Neutron port that the card serves, "" for none.
func (n NIC) VIF() string {
	id, _ := n.Internal["tenant_vif_port_id"].(string)
	return id
}

// NICs lists the cards of a node.
func (b *Baremetal) NICs(ctx context.Context, nodeID string) ([]NIC, error) {
	return pages(ctx, b, "listing the ports of node "+nodeID, "ports",
		url.Values{"node": {nodeID}, "fields": {"uuid,address,portgroup_uuid,pxe_enabled,physical_network,internal_info"}}, func(n NIC) string { return n.ID })
}

// Bonds lists the groups of cards of a node.
func (b *Baremetal) Bonds(ctx context.Context, nodeID string) ([]NIC, error) {
	return pages(ctx, b, "listing the port groups of node "+nodeID, "portgroups",
		url.Values{"node": {nodeID}, "fields": {"uuid,name,address,internal_info,mode,properties,standalone_ports_supported"}}, func(n NIC) string { return n.ID })
}

// VIFs lists the ids of the Neutron ports that are attached to a node.
func (b *Baremetal) VIFs(ctx context.Context, nodeID string) ([]string, error) {
	l, err := nodes.ListVirtualInterfaces(ctx, b.c, nodeID).Extract()
	return mapSlice(l, func(v nodes.VIF) string { return v.ID }), wrap(baremetal, err, "listing the interfaces of node %s", nodeID)
}

// AttachVIF gives a Neutron port to a node: to this card or bond, or where that is "" to one that Ironic chooses. A
// conflict: it is attached already, or somebody is busy with the node.
func (b *Baremetal) AttachVIF(ctx context.Context, nodeID, portID, nicID, bondID string) error {
	return wrap(baremetal, nodes.AttachVirtualInterface(ctx, b.c, nodeID, nodes.VirtualInterfaceOpts{ID: portID, PortUUID: nicID, PortgroupUUID: bondID}).ExtractErr(),
		"attaching port %s to node %s", portID, nodeID)
}

// DetachVIF takes it away.
func (b *Baremetal) DetachVIF(ctx context.Context, nodeID, portID string) error {
	return wrap(baremetal, nodes.DetachVirtualInterface(ctx, b.c, nodeID, portID).ExtractErr(), "detaching port %s from node %s", portID, nodeID)
}
