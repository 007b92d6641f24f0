package ironic

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

type object = map[string]any

func TestNetworkData(t *testing.T) {
	port := cloud.Port{ID: "p1", NetworkID: "n1", Address: "10.0.0.7", MAC: "52:54:00:00:00:09"}
	subnet := cloud.Subnet{CIDR: "10.0.0.0/22", GatewayIP: "10.0.0.1", DNSNameservers: []string{"192.0.2.53"}}
	dns := []any{object{"type": "dns", "address": "192.0.2.53"}}
	network := func(on string) []any {
		return []any{object{"id": "network0", "type": "ipv4", "link": on, "network_id": "n1", "ip_address": "10.0.0.7", "netmask": "255.255.252.0",
			"routes": []any{object{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"}}, "services": dns}}
	}
	serves := map[string]any{"tenant_vif_port_id": "p1"}
	for _, tc := range []struct {
		name string
		link link
		want object
	}{
		{"a card", link{port: port, subnet: subnet, mtu: 1450, cards: []cloud.NIC{{ID: "c0", Address: "52:54:00:00:00:01"}, {ID: "c1", Address: "52:54:00:00:00:02", Internal: serves}}},
			object{"links": []any{object{"id": "eth0", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:02", "vif_id": "p1", "mtu": 1450}}, "networks": network("eth0"), "services": dns}},
		{"a card that Ironic does not name", link{port: port, subnet: subnet},
			object{"links": []any{object{"id": "eth0", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:09", "vif_id": "p1"}}, "networks": network("eth0"), "services": dns}},
		{"a bond", link{port: port, subnet: subnet, mtu: 9000, cards: []cloud.NIC{{ID: "c0", GroupID: "g", Address: "52:54:00:00:00:01"}, {ID: "c1", GroupID: "g", Address: "52:54:00:00:00:02"}, {ID: "c2", Address: "52:54:00:00:00:03"}},
			bonds: []cloud.NIC{{ID: "g", Internal: serves, Mode: "802.3ad", Properties: object{"miimon": 100, "xmit_hash_policy": "layer3+4"}}}},
			object{"links": []any{object{"id": "eth0", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01", "mtu": 9000},
				object{"id": "eth1", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:02", "mtu": 9000},
				object{"id": "bond0", "type": "bond", "bond_links": []any{"eth0", "eth1"}, "ethernet_mac_address": "52:54:00:00:00:09", "bond_mode": "802.3ad", "vif_id": "p1", "mtu": 9000, "bond_miimon": 100, "bond_xmit_hash_policy": "layer3+4"}},
				"networks": network("bond0"), "services": dns}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, tc.link.networkData()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestEmptiestRack(t *testing.T) {
	nodes := func(n int) []cloud.BaremetalNode { return make([]cloud.BaremetalNode, n) }
	for _, tc := range []struct {
		name  string
		racks map[string][]cloud.BaremetalNode
		hosts map[string]int
		want  string
	}{
		{"one", map[string][]cloud.BaremetalNode{"r1": nodes(1)}, nil, "r1"},
		{"the one with more to choose from", map[string][]cloud.BaremetalNode{"r1": nodes(1), "r2": nodes(3)}, nil, "r2"},
		{"the one with fewer hosts", map[string][]cloud.BaremetalNode{"r1": nodes(9), "r2": nodes(1)}, map[string]int{"r1": 2, "r2": 1}, "r2"},
		{"none that is not known", map[string][]cloud.BaremetalNode{"": nodes(2), "r1": nodes(1)}, map[string]int{"": 1}, "r1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := emptiest(tc.racks, func(r string) int { return tc.hosts[r] }); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
