package namespaces

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// disk is a folder with what a host has written:
//
//	upper, work   over the image, by overlayfs
//	var           folders that must not lie on an overlay, since containers lay their own overlays there
//	root          where it is mounted, in the host's own namespace only
type disk struct{ folder string }

// ownFolders are the folders below var, and where the host has them.
func ownFolders() map[string]string {
	return map[string]string{"containerd": "/var/lib/containerd", "kubelet": "/var/lib/kubelet", "etcd": "/var/lib/etcd"}
}

// fill makes the disk of a new host; one that is there is left as it is.
func (d disk) fill(machine kube.Host, image Image) error {
	ready := filepath.Join(d.folder, "ready")
	if there(ready) {
		return nil
	}
	if err := os.RemoveAll(d.folder); err != nil {
		return fmt.Errorf("make a disk: %w", err)
	}
	for _, name := range []string{"upper", "work", "root", "var/kubelet", "var/etcd"} {
		if err := os.MkdirAll(filepath.Join(d.folder, name), 0o755); err != nil {
			return fmt.Errorf("make a disk: %w", err)
		}
	}
	if err := copyStore(image.Containerd, filepath.Join(d.folder, "var/containerd")); err != nil {
		return fmt.Errorf("make a disk: %w", err)
	}
	if err := d.writeDrive(machine); err != nil {
		return fmt.Errorf("make a config drive: %w", err)
	}
	id := strings.ReplaceAll(machine.ID, "-", "") + "\n"
	for name, content := range map[string]string{"etc/machine-id": id, "etc/hosts": "127.0.0.1 localhost\n"} {
		path := filepath.Join(d.folder, "upper", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			return fmt.Errorf("make a disk: %w", err)
		}
	}
	return os.WriteFile(ready, nil, 0o600)
}

// copyStore copies containerd's store with the images in it. What is only ever read are links, databases are copies.
func copyStore(from, to string) error {
	if out, err := exec.Command("cp", "-al", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the images: %w: %s", err, out)
	}
	return filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.HasSuffix(path, ".db") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.WriteFile(path, content, 0o600)
	})
}

// metaData is what Nova tells a host of itself.
func metaData(machine kube.Host) ([]byte, error) {
	own := machine.MetaData
	if own == nil {
		own = map[string]string{} // Nova writes an empty one
	}
	return json.Marshal(map[string]any{"uuid": machine.ID, "name": machine.Name, "hostname": machine.Name, "meta": own,
		"availability_zone": "nova", "launch_index": 0, "project_id": ""})
}

// writeDrive puts the config drive where cloud-init looks for a copy of one: its data source is the same then.
func (d disk) writeDrive(machine kube.Host) error {
	folder := filepath.Join(d.folder, "upper/var/lib/cloud/seed/config_drive/openstack/latest")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	meta, err := metaData(machine)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(folder, "meta_data.json"), meta, 0o600), os.WriteFile(filepath.Join(folder, "user_data"), machine.UserData, 0o600))
}
