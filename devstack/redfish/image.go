package redfish

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// guest is the program that runs on a machine.
const guest = "github.com/jeroboam-cloud/jeroboam/devstack/redfish/guest"

// modules of Debian's kernel without which the guest does not see its disks, read a config drive or feel its power button;
// each comes after those that it needs.
var modules = []string{"virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "cdrom", "isofs", "evdev", "button"}

// Ramdisk builds what a machine boots together with the kernel whose modules are in the folder: the guest and nothing else.
func Ramdisk(ctx context.Context, folder string) ([]byte, error) {
	program, err := build(ctx)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	a := archive{w: z}
	a.add("init", 0o100755, program)
	a.add("modules", 0o040755, nil)
	for i, name := range modules {
		image, err := os.ReadFile(filepath.Join(folder, name+".ko"))
		if err != nil {
			return nil, fmt.Errorf("a module of the kernel: %w", err)
		}
		a.add(fmt.Sprintf("modules/%02d-%s.ko", i, name), 0o100644, image)
	}
	a.add("TRAILER!!!", 0, nil)
	if err := errors.Join(a.err, z.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// build compiles the guest; its kernel starts nothing that needs a library.
func build(ctx context.Context) ([]byte, error) {
	folder, err := os.MkdirTemp("", "jeroboam-guest-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	name := filepath.Join(folder, "init")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", name, guest)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the guest: %w: %s", err, out)
	}
	return os.ReadFile(name)
}

// archive writes files as the kernel unpacks them: cpio in its form "newc".
type archive struct {
	w     io.Writer
	count int
	err   error
}

func (a *archive) add(name string, mode int, content []byte) {
	a.count++
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	for _, part := range [][]byte{[]byte(header), content} {
		if a.err == nil {
			_, a.err = a.w.Write(append(part, make([]byte, -len(part)&3)...))
		}
	}
}
