package ironic

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// link is the one network of a host.
type link struct {
	port         cloud.Port
	subnet       cloud.Subnet
	mtu          int // 0: not known
	cards, bonds []cloud.NIC
}

// networkData is network_data.json of a config drive: one address, on a card or on a bond of cards.
func (l link) networkData() map[string]any {
	id, links := l.links()
	network := map[string]any{"id": "network0", "type": "ipv4", "link": id, "network_id": l.port.NetworkID, "ip_address": l.port.Address}
	if p, err := netip.ParsePrefix(l.subnet.CIDR); err == nil {
		if p.Addr().Is6() {
			network["type"] = "ipv6"
		}
		network["netmask"] = net.IP(net.CIDRMask(p.Bits(), p.Addr().BitLen())).String()
		if l.subnet.GatewayIP != "" {
			everywhere, none := "0.0.0.0", "0.0.0.0"
			if p.Addr().Is6() {
				everywhere, none = "::", "::"
			}
			network["routes"] = []any{map[string]any{"network": everywhere, "netmask": none, "gateway": l.subnet.GatewayIP}}
		}
	}
	services := []any{}
	for _, a := range l.subnet.DNSNameservers {
		services = append(services, map[string]any{"type": "dns", "address": a})
	}
	network["services"] = services
	return map[string]any{"links": links, "networks": []any{network}, "services": services}
}

// links are the cards that the address is on. The port's own hardware address is that of its card, or of the bond: Ironic
// writes it there when the port is attached.
func (l link) links() (id string, links []any) {
	serves := func(n cloud.NIC) bool { return n.VIF() == l.port.ID }
	if i := slices.IndexFunc(l.bonds, serves); i >= 0 {
		return l.bond(l.bonds[i])
	}
	mac := l.port.MAC
	if i := slices.IndexFunc(l.cards, serves); i >= 0 {
		mac = l.cards[i].Address
	}
	return "eth0", []any{l.sized(map[string]any{"id": "eth0", "type": "phy", "ethernet_mac_address": mac, "vif_id": l.port.ID})}
}

func (l link) bond(b cloud.NIC) (id string, links []any) {
	var members []any
	for _, c := range l.cards {
		if c.GroupID == b.ID {
			name := fmt.Sprintf("eth%d", len(members))
			links = append(links, l.sized(map[string]any{"id": name, "type": "phy", "ethernet_mac_address": c.Address}))
			members = append(members, name)
		}
	}
	mac := b.Address
	if mac == "" {
		mac = l.port.MAC
	}
	bond := map[string]any{"id": "bond0", "type": "bond", "bond_links": members, "ethernet_mac_address": mac, "bond_mode": b.Mode, "vif_id": l.port.ID}
	for _, key := range slices.Sorted(maps.Keys(b.Properties)) { // miimon, xmit_hash_policy, …
		if name := "bond_" + key; key != "" && bond[name] == nil {
			bond[name] = b.Properties[key]
		}
	}
	return "bond0", append(links, l.sized(bond))
}

func (l link) sized(m map[string]any) map[string]any {
	if l.mtu > 0 {
		m["mtu"] = l.mtu
	}
	return m
}
