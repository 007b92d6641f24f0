package namespaces

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// filter is what nftables has to do for the ports of one network: what their security groups do not let in is dropped, and
// what a host sends under an address that is not its own. It replaces what was there before, at once.
func filter(ports []sim.PicturePort) string {
	var b strings.Builder
	for _, family := range []string{"ip", "bridge"} {
		fmt.Fprintf(&b, "table %s neutron\ndelete table %s neutron\n", family, family)
	}
	b.WriteString("table bridge neutron {\n\tchain spoof {\n\t\ttype filter hook prerouting priority -300; policy accept;\n")
	for _, p := range ports {
		if p.Open {
			continue
		}
		own := addresses(p)
		fmt.Fprintf(&b, "\t\tiifname %q ether saddr != %s drop\n", linkName(p), p.MAC)
		fmt.Fprintf(&b, "\t\tiifname %q ether type ip ip saddr != { %s } drop\n", linkName(p), own)
		fmt.Fprintf(&b, "\t\tiifname %q arp saddr ip != { %s } drop\n", linkName(p), own)
	}
	b.WriteString("\t}\n}\ntable ip neutron {\n")
	for _, p := range ports {
		if !p.Open {
			fmt.Fprintf(&b, "\tchain %s {\n%s\t\tdrop\n\t}\n", linkName(p), admitted(p.Rules))
		}
	}
	b.WriteString("\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n\t\tct state established,related accept\n")
	for _, p := range ports {
		if !p.Open {
			fmt.Fprintf(&b, "\t\tip daddr { %s } jump %s\n", addresses(p), linkName(p))
		}
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// addresses of a host, those of its pods included.
func addresses(p sim.PicturePort) string {
	list := []netip.Prefix{}
	for _, a := range p.Addresses {
		list = append(list, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
	}
	return prefixes(append(list, p.Pairs...))
}

// prefixes without those that lie in others, since nftables takes no overlaps.
func prefixes(list []netip.Prefix) string {
	var out []string
	for i, p := range list {
		covered := false
		for j, other := range list {
			if i != j && p.Addr().Is4() && other.Contains(p.Addr()) && (other.Bits() < p.Bits() || other == p && j < i) {
				covered = true
			}
		}
		if p.Addr().Is4() && !covered {
			out = append(out, p.Masked().String())
		}
	}
	return strings.Join(out, ", ")
}

func admitted(rules []sim.PictureRule) string {
	var b strings.Builder
	for _, r := range rules {
		from := prefixes(r.From)
		if from == "" {
			continue // a group without members
		}
		b.WriteString("\t\t")
		if from != "0.0.0.0/0" {
			fmt.Fprintf(&b, "ip saddr { %s } ", from)
		}
		switch {
		case r.Protocol != "" && r.Max > 0:
			fmt.Fprintf(&b, "%s dport %d-%d ", r.Protocol, r.Min, r.Max)
		case r.Protocol != "":
			fmt.Fprintf(&b, "ip protocol %s ", r.Protocol)
		}
		b.WriteString("accept\n")
	}
	return b.String()
}

// linkName is the end of a port's link on the bridge; names of links are short.
func linkName(p sim.PicturePort) string { return "tap" + p.ID[:min(len(p.ID), 11)] }
