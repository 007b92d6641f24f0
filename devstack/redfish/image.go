package redfish

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// guest is the program that runs on a machine.
const guest = "github.com/jeroboam-cloud/jeroboam/devstack/redfish/guest"

// modules of Debian's kernel without which the guest does not see its disks, read a config drive or feel its power button;
// each comes after those that it needs.
var modules = []string{"virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "cdrom", "isofs", "evdev", "button"}

// Image builds what a machine boots: the kernel that is in a package of Debian's, and a ramdisk of the guest and nothing else.
func Image(ctx context.Context, file string) (kernel, ramdisk []byte, err error) {
	kernel, found, err := unpack(ctx, file)
	if err != nil {
		return nil, nil, err
	}
	program, err := build(ctx)
	if err != nil {
		return nil, nil, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	a := archive{w: z}
	a.add("init", 0o100755, program)
	a.add("modules", 0o040755, nil)
	for i, name := range modules {
		a.add(fmt.Sprintf("modules/%02d-%s.ko", i, name), 0o100644, found[name])
	}
	a.add("TRAILER!!!", 0, nil)
	err = errors.Join(a.err, z.Close())
	return kernel, packed.Bytes(), err
}

// unpack finds the kernel and its modules in a package.
func unpack(ctx context.Context, file string) (kernel []byte, found map[string][]byte, err error) {
	out, err := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file).Output()
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", file, err)
	}
	found = map[string][]byte{}
	files := tar.NewReader(bytes.NewReader(out))
	for {
		h, err := files.Next()
		switch {
		case errors.Is(err, io.EOF):
			return kernel, found, complete(file, kernel, found)
		case err != nil:
			return nil, nil, fmt.Errorf("reading %s: %w", file, err)
		}
		name, module := strings.CutSuffix(path.Base(h.Name), ".ko")
		switch {
		case module && slices.Contains(modules, name):
			found[name], err = io.ReadAll(files)
		case strings.HasPrefix(name, "vmlinuz-"):
			kernel, err = io.ReadAll(files)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", file, err)
		}
	}
}

func complete(file string, kernel []byte, found map[string][]byte) error {
	for _, name := range modules {
		if found[name] == nil {
			return fmt.Errorf("%s has no module %s", file, name)
		}
	}
	if kernel == nil {
		return fmt.Errorf("%s has no kernel", file)
	}
	return nil
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
		for _, p := range [][]byte{part, make([]byte, -len(part)&3)} { // each begins at a multiple of four
			if a.err == nil {
				_, a.err = a.w.Write(p)
			}
		}
	}
}
