package periodic

import (
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

func TestUpgradeTo(t *testing.T) {
	spec := ops.ClusterSpec{KubernetesVersion: "v1.37.2", Distro: "ubuntu"}
	for _, tc := range []struct {
		name, tag string
		image     drivers.Image
		want      string
	}{
		{"by the image", "", drivers.Image{Distro: "ubuntu", KubernetesVersion: "v1.37.3"}, "v1.37.3"},
		{"without its letter", "", drivers.Image{Distro: "ubuntu", KubernetesVersion: "1.37.3"}, "v1.37.3"},
		{"by the template", "1.37.4", drivers.Image{Distro: "ubuntu"}, "v1.37.4"},
		{"they contradict each other", "v1.37.4", drivers.Image{Distro: "ubuntu", KubernetesVersion: "v1.37.3"}, ""},
		{"another distribution", "", drivers.Image{Distro: "debian", KubernetesVersion: "v1.37.3"}, ""},
		{"the next minor version", "", drivers.Image{Distro: "ubuntu", KubernetesVersion: "v1.38.0"}, ""},
		{"the same", "", drivers.Image{Distro: "ubuntu", KubernetesVersion: "v1.37.2"}, ""},
		{"no version", "", drivers.Image{Distro: "ubuntu"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			if u := upgradeTo(&db.ClusterTemplate{Labels: db.Strings{"kube_tag": tc.tag}}, tc.image, spec); u != nil {
				got = u.KubernetesVersion
			}
			if got != tc.want {
				t.Errorf("upgrades to %q, want %q", got, tc.want)
			}
		})
	}
}
