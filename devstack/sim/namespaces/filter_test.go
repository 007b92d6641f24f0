package namespaces

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

func prefixList(t *testing.T, list ...string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestPrefixes(t *testing.T) {
	for _, x := range []struct {
		name string
		in   []string
		want string
	}{
		{"none", nil, ""},
		{"apart from each other", []string{"10.0.0.1/32", "10.0.1.0/24"}, "10.0.0.1/32, 10.0.1.0/24"},
		{"one in the other", []string{"10.0.0.1/32", "10.0.0.0/24"}, "10.0.0.0/24"},
		{"one twice", []string{"10.0.0.1/32", "10.0.0.1/32"}, "10.0.0.1/32"},
		{"with host bits", []string{"10.0.0.1/24"}, "10.0.0.0/24"},
		{"of the other family", []string{"fd00::1/128", "10.0.0.1/32"}, "10.0.0.1/32"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := prefixes(prefixList(t, x.in...)); got != x.want {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

func TestFilter(t *testing.T) {
	port := sim.PicturePort{ID: "11111111-2222-3333", MAC: "fa:16:3e:00:00:01", Addresses: prefixList(t, "10.0.0.7/24"), Pairs: prefixList(t, "10.100.1.0/24"),
		Rules: []sim.PictureRule{
			{Protocol: "tcp", Min: 6443, Max: 6443, From: prefixList(t, "0.0.0.0/0")},
			{From: prefixList(t, "10.0.0.8/32", "10.0.0.9/32")},
			{Protocol: "icmp", From: prefixList(t, "10.0.0.0/24")},
			{Protocol: "udp", Min: 53, Max: 53}, // of a group that nobody is in
		}}
	open := sim.PicturePort{ID: "99999999-2222-3333", MAC: "fa:16:3e:00:00:02", Addresses: prefixList(t, "10.0.0.8/24"), Open: true}
	const want = `table ip neutron
delete table ip neutron
table bridge neutron
delete table bridge neutron
table bridge neutron {
	chain spoof {
		type filter hook prerouting priority -300; policy accept;
		iifname "tap11111111-22" ether saddr != fa:16:3e:00:00:01 drop
		iifname "tap11111111-22" ether type ip ip saddr != { 10.0.0.7/32, 10.100.1.0/24 } drop
		iifname "tap11111111-22" arp saddr ip != { 10.0.0.7/32, 10.100.1.0/24 } drop
	}
}
table ip neutron {
	chain tap11111111-22 {
		tcp dport 6443-6443 accept
		ip saddr { 10.0.0.8/32, 10.0.0.9/32 } accept
		ip saddr { 10.0.0.0/24 } ip protocol icmp accept
		drop
	}
	chain forward {
		type filter hook forward priority 0; policy accept;
		ct state established,related accept
		ip daddr { 10.0.0.7/32, 10.100.1.0/24 } jump tap11111111-22
	}
}
`
	got := filter([]sim.PicturePort{port, open})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if nft, err := exec.LookPath("nft"); err == nil {
		cmd := exec.Command(nft, "--check", "-f", "-")
		cmd.Stdin = strings.NewReader(got)
		if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "Operation not permitted") {
			t.Errorf("nft does not take it: %v\n%s", err, out)
		}
	}
}
