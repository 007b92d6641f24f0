package contract

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/ports"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// card gives a hardware address that nobody has.
func card() string {
	id := strings.ReplaceAll(uuid.NewString(), "-", "")
	return "52:54:" + strings.Join([]string{id[0:2], id[2:4], id[4:6], id[6:8]}, ":")
}

// bond gives a node two cards more, as one.
func (m *metal) bond(node string) (id, address string) {
	m.t.Helper()
	ctx := m.t.Context()
	var made struct {
		UUID string `json:"uuid"`
	}
	address = card()
	_, err := m.admin.Post(ctx, m.admin.ServiceURL("portgroups"), map[string]any{"node_uuid": node, "address": address, "mode": "802.3ad", //nolint:bodyclose // read to its end
		"properties": map[string]any{"miimon": 100}, "standalone_ports_supported": false}, &made, &gophercloud.RequestOpts{OkCodes: []int{201}})
	m.must(err)
	for range 2 {
		_, err := ports.Create(ctx, m.admin, ports.CreateOpts{NodeUUID: node, Address: card(), PortGroupUUID: made.UUID}).Extract()
		m.must(err)
	}
	return made.UUID, address
}

// TestBaremetalBond: a host whose address is on two cards that are one.
func TestBaremetalBond(t *testing.T) {
	b := newBed(t)
	ctx, m, l := t.Context(), b.metal("r1"), b.lan()
	id := m.ids[0]
	group, address := m.bond(id)
	g := only(m.Bonds(ctx, id))(b)
	if g.ID != group || g.Address != address || g.Mode != "802.3ad" || g.Properties["miimon"] != 100.0 || g.Standalone || g.VIF() != "" {
		t.Errorf("the bond: %+v", g)
	}
	cards, err := m.NICs(ctx, id)
	b.must(err)
	members := 0
	for _, c := range cards {
		if c.GroupID == group {
			members++
		}
	}
	if len(cards) != 3 || members != 2 {
		t.Errorf("the cards: %+v", cards)
	}

	port, err := b.network().CreateBaremetalPort(ctx, m.class+"-bonded", mark, l.network, l.subnet, nil)
	b.must(err)
	b.later("deleting a port", func(ctx context.Context) error { return b.network().DeletePort(ctx, port.ID) })
	b.lost(func() error { return m.AttachVIF(ctx, id, port.ID, "", "") })
	if g := only(m.Bonds(ctx, id))(b); g.VIF() != port.ID { // Ironic prefers it to a card
		t.Errorf("the bond with an address: %+v", g)
	}
	if p, err := b.network().Port(ctx, port.ID); err != nil || p.MAC != address {
		t.Errorf("the port of the bond %s: %+v, %v", address, p, err)
	}
	if got := only(m.VIFs(ctx, id))(b); got != port.ID {
		t.Errorf("attached: %s", got)
	}
	b.want(m.AttachVIF(ctx, id, port.ID, "", group), cloud.IsConflict, "attaching it twice")
	b.must(m.DetachVIF(ctx, id, port.ID))
	if g := only(m.Bonds(ctx, id))(b); g.VIF() != "" {
		t.Errorf("the bond without it: %+v", g)
	}
	none(m.VIFs(ctx, id))(b)
}
