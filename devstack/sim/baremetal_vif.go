package sim

import (
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// vifKey is where a card or bond remembers the port of Neutron that is attached to it.
const vifKey = "tenant_vif_port_id"

func vifOf(nic *object) string { return nic.doc.sub("internal_info").str(vifKey) }

// nicsOf are the cards of a node, and then its bonds.
func (c *Cloud) nicsOf(node *object) []*object {
	return append(c.with(metalPorts.kind, "node_uuid", node.id), c.with(metalPortgroups.kind, "node_uuid", node.id)...)
}

func listVIFs(q *call) (any, error) {
	node, err := q.node("baremetal:node:vif:list", readsNode)
	if err != nil {
		return nil, err
	}
	out := []doc{}
	for _, nic := range q.nicsOf(node) {
		if vif := vifOf(nic); vif != "" {
			out = append(out, doc{"id": vif})
		}
	}
	return doc{"vifs": out}, nil
}

func attachVIF(q *call) (any, error) {
	node, err := q.node("baremetal:node:vif:attach", runsNode)
	if err != nil {
		return nil, err
	}
	vif := q.body.str("id")
	switch {
	case vif == "":
		return nil, badRequest("Schema error for vif: 'id' is a required property")
	case q.microversion() >= 67 && q.body.has("port_uuid") && q.body.has("portgroup_uuid"):
		return nil, badRequest("Cannot specify both port_uuid and portgroup_uuid")
	}
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	nic, err := q.freeNIC(node, vif)
	if err != nil {
		return nil, err
	}
	if mac := nic.doc.str("address"); mac != "" {
		port := q.own("port", vif)
		if port == nil || q.macTaken(port, mac) {
			return nil, fail(http.StatusInternalServerError, "", "Unable to attach VIF %s because Ironic can not update Neutron port %s MAC address to match physical MAC address %s", vif, vif, mac)
		}
		port.doc["mac_address"] = mac
	}
	nic.doc.sub("internal_info")[vifKey] = vif
	if node.doc.str("provision_state") == "active" {
		q.bindVIF(node, nic)
	}
	return nil, nil
}

// macTaken tells whether another port of the network has the address already.
func (c *Cloud) macTaken(port *object, mac string) bool {
	return slices.ContainsFunc(c.with("port", "network_id", port.doc.str("network_id")), func(o *object) bool {
		return o != port && o.doc.str("mac_address") == mac
	})
}

// freeNIC finds what a VIF is attached to: what was asked for, else a bond rather than a card, and of those one that the
// node boots from.
func (q *call) freeNIC(node *object, vif string) (*object, error) {
	port, group := q.body.str("port_uuid"), q.body.str("portgroup_uuid")
	var cards, bonds []*object
	used, members := map[string]bool{}, map[string][]*object{}
	for _, nic := range q.nicsOf(node) {
		if vifOf(nic) == vif {
			class := map[string]string{metalPorts.kind: "Port", metalPortgroups.kind: "Portgroup"}[nic.kind]
			return nil, fail(http.StatusConflict, "", "Unable to attach VIF because VIF %s is already attached to Ironic %s %s", vif, class, nic.id)
		}
		bond := nic.doc.str("portgroup_uuid")
		switch {
		case nic.kind == metalPortgroups.kind:
			if vifOf(nic) == "" && port == "" && (group == "" || group == nic.id) && !used[nic.id] && len(members[nic.id]) > 0 {
				bonds = append(bonds, nic)
			}
		case vifOf(nic) != "":
			used[bond] = true
		case node.doc.str("network_interface") == "neutron" && len(nic.doc.sub("local_link_connection")) == 0, port != "" && port != nic.id:
		case bond == "" && group == "":
			cards = append(cards, nic)
		default:
			members[bond] = append(members[bond], nic)
		}
	}
	for bond, list := range members {
		if used[bond] && group == "" {
			cards = append(cards, list...)
		}
	}
	slices.SortStableFunc(cards, func(a, b *object) int {
		return map[bool]int{true: 0, false: 1}[a.doc.flag("pxe_enabled", true)] - map[bool]int{true: 0, false: 1}[b.doc.flag("pxe_enabled", true)]
	})
	if all := append(bonds, cards...); len(all) > 0 {
		return all[0], nil
	}
	return nil, badRequest("Unable to attach VIF %s, not enough free physical ports.", vif)
}

func detachVIF(q *call) (any, error) {
	node, err := q.node("baremetal:node:vif:detach", runsNode)
	if err != nil {
		return nil, err
	}
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	for _, nic := range q.nicsOf(node) {
		if vifOf(nic) == q.arg("vif") {
			q.unplug(nic, node.doc.str("provision_state") == "active")
			return nil, nil
		}
	}
	return nil, badRequest("Unable to detach VIF %s from node %s because it is not attached to it.", q.arg("vif"), node.id)
}

// bindVIF connects a port of Neutron to the node.
func (c *Cloud) bindVIF(node, nic *object) {
	port := c.get("port", vifOf(nic))
	if port == nil {
		return
	}
	links := []doc{nic.doc.sub("local_link_connection")}
	if nic.kind == metalPortgroups.kind {
		links = nil
		for _, card := range c.with(metalPorts.kind, "portgroup_uuid", nic.id) {
			links = append(links, card.doc.sub("local_link_connection"))
		}
	}
	port.doc["binding:host_id"], port.doc["binding:vnic_type"], port.doc["status"] = node.id, "baremetal", "ACTIVE"
	port.doc["binding:profile"] = doc{"local_link_information": links}
	if mac := nic.doc.str("address"); mac != "" {
		port.doc["mac_address"] = mac
	}
	c.fabric.portChanged(port)
}

// unplug forgets a VIF. One that was bound becomes an ordinary port again, with a hardware address of its own.
func (c *Cloud) unplug(nic *object, unbind bool) {
	port := c.get("port", vifOf(nic))
	delete(nic.doc.sub("internal_info"), vifKey)
	if port == nil || !unbind {
		return
	}
	port.doc["binding:host_id"], port.doc["binding:profile"], port.doc["status"] = "", doc{}, "DOWN"
	id := uuid.NewString()
	port.doc["mac_address"] = "fa:16:3e:" + id[0:2] + ":" + id[2:4] + ":" + id[4:6]
	c.fabric.portChanged(port)
}
