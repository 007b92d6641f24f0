package api

import (
	"testing"

	"github.com/jeroboam-cloud/jeroboam/db"
)

func TestLabelVersion(t *testing.T) {
	for _, tc := range []struct {
		name, tag, image, want string
		refused                bool
	}{
		{"image alone", "", "v1.37.2", "v1.37.2", false},
		{"tag alone", "v1.36.1", "", "v1.36.1", false},
		{"tag without v", "1.37.2", "v1.37.2", "v1.37.2", false},
		{"contradiction", "v1.36.1", "v1.37.2", "", true},
		{"neither", "", "", "", true},
		{"no version", "latest", "", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := &labels{m: db.Strings{"kube_tag": tc.tag}}
			got := l.version(tc.image)
			if (l.err != nil) != tc.refused {
				t.Fatalf("error %v, refused should be %v", l.err, tc.refused)
			}
			if !tc.refused && got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLabelValuesAreRefused(t *testing.T) {
	for name, read := range map[string]func(*labels){
		"boot_volume_size":        func(l *labels) { l.number("boot_volume_size", 0, 0) },
		"fixed_subnet_cidr":       func(l *labels) { l.cidr("fixed_subnet_cidr", "", 8, 24) },
		"dns_cluster_domain":      func(l *labels) { l.domain("dns_cluster_domain", "") },
		"auto_healing_enabled":    func(l *labels) { l.flag("auto_healing_enabled", false) },
		"master_lb_allowed_cidrs": func(l *labels) { l.cidrs("master_lb_allowed_cidrs") },
		"server_group_policies":   func(l *labels) { l.choice("server_group_policies", "a", "a", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			l := &labels{m: db.Strings{name: "no such thing!"}}
			read(l)
			if l.err == nil {
				t.Error("a wrong value was accepted")
			}
		})
	}
}

func TestMinorOf(t *testing.T) {
	for _, tc := range []struct {
		header string
		want   int
		status int // of the refusal
	}{
		{"", 1, 0}, {"container-infra 1.9", 9, 0}, {"container-infra latest", 14, 0}, {"compute LATEST", 14, 0},
		{"container-infrastructure-management 1.14", 14, 0}, {"container-infra 1.99", 0, 406}, {"container-infra 2.0", 0, 406},
		{"compute 1.1", 0, 406}, {"container-infra one", 0, 406}, {"1.1", 0, 406},
	} {
		t.Run(tc.header, func(t *testing.T) {
			got, err := minorOf(tc.header)
			if (err != nil) != (tc.status != 0) || got != tc.want {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

func TestLabelHosts(t *testing.T) {
	for value, refused := range map[string]bool{"": false, "ntp.example.org, 192.0.2.1,2001:db8::1": false, "a b": true, "http://ntp.example.org": true} {
		l := &labels{m: db.Strings{"ntp_servers": value}}
		if l.hosts("ntp_servers"); (l.err != nil) != refused {
			t.Errorf("%q: %v", value, l.err)
		}
	}
}
