package namespaces

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

func TestADiskIsFilledOnce(t *testing.T) {
	store := t.TempDir()
	for name, content := range map[string]string{"meta.db": "database", "blobs/sha256/x": "blob"} {
		path := filepath.Join(store, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := disk{filepath.Join(t.TempDir(), "disk")}
	machine := kube.Host{ID: "1-2", Name: "node", UserData: []byte("#cloud-config\n")}
	if err := d.fill(machine, Image{Containerd: store}); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(d.folder, "var/containerd/meta.db")
	if err := os.WriteFile(own, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.fill(machine, Image{Containerd: store}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		own: "changed", filepath.Join(store, "meta.db"): "database", filepath.Join(d.folder, "var/containerd/blobs/sha256/x"): "blob",
		filepath.Join(d.folder, "upper/etc/machine-id"):                                             "12\n",
		filepath.Join(d.folder, "upper/var/lib/cloud/seed/config_drive/openstack/latest/user_data"): "#cloud-config\n",
	} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v", path, got, err)
		}
	}
}
