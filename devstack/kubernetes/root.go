package kubernetes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rootPackages are what a host image of Debian has: systemd and cloud-init as in a cloud, and what kubelet, kubeadm and
// containerd want to find.
func rootPackages() []string {
	return []string{
		"systemd", "systemd-sysv", "dbus", "cloud-init", "netbase", "iproute2", "iptables", "nftables", "conntrack", "socat", "ebtables",
		"ethtool", "kmod", "iputils-ping", "runc", "ca-certificates", "curl", "procps", "util-linux", "mount", "jq", "openssl",
	}
}

// rootKey is another one when anything about the root is.
func rootKey() string { return shortHash(strings.Join(rootPackages(), " "), "1") }

func shortHash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:4])
}

// buildRoot installs Debian into a folder, as root, by mmdebstrap or else debootstrap.
func (c Cache) buildRoot(ctx context.Context) error {
	work, err := c.scratch("root")
	if err != nil {
		return err
	}
	tree := filepath.Join(work, "tree")
	cmd, err := debstrap(ctx, tree)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, tail(out.Bytes(), 2000))
	}
	// A host makes its own identity on its first boot.
	for _, name := range []string{"etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname"} {
		if err := os.Remove(filepath.Join(tree, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "etc/machine-id"), nil, 0o444); err != nil {
		return err
	}
	return publish(tree, c.Root())
}

func debstrap(ctx context.Context, tree string) (*exec.Cmd, error) {
	packages := strings.Join(rootPackages(), ",")
	if path, err := exec.LookPath("mmdebstrap"); err == nil {
		return exec.CommandContext(ctx, path, "--quiet", "--variant=minbase", "--mode=root", "--include="+packages,
			"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
			`--aptopt=APT::Install-Recommends "false"`, debianSuite, tree), nil
	}
	if path, err := exec.LookPath("debootstrap"); err == nil {
		return exec.CommandContext(ctx, path, "--variant=minbase", "--include="+packages, debianSuite, tree), nil
	}
	return nil, fmt.Errorf("the root of a host image is made by mmdebstrap: apt-get install mmdebstrap")
}
