package kubernetes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// FolderVariable names the folder of the cache when it is not to be in the user's own.
const FolderVariable = "JEROBOAM_KUBERNETES_CACHE"

// Cache is the folder with everything that is built.
type Cache struct{ folder string }

// OpenCache finds the folder: that of JEROBOAM_KUBERNETES_CACHE, or one in the user's cache folder.
func OpenCache() (Cache, error) {
	folder := os.Getenv(FolderVariable)
	if folder == "" {
		own, err := os.UserCacheDir()
		if err != nil {
			return Cache{}, fmt.Errorf("find the cache folder: %w; %s may name one", err, FolderVariable)
		}
		folder = filepath.Join(own, "jeroboam", "kubernetes")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return Cache{}, fmt.Errorf("find the cache folder: %w", err)
	}
	return Cache{folder}, nil
}

// Folder is where it is.
func (c Cache) Folder() string { return c.folder }

// Nodes is the folder for what running hosts write; it lies beside what they share, on the same file system.
func (c Cache) Nodes() string { return filepath.Join(c.folder, "nodes") }

// program is the path of a program that was built.
func (c Cache) program(m module, name string) string {
	return filepath.Join(c.folder, "programs", m.name+"@"+m.version, name)
}

// image is the path of the archive of a container image.
func (c Cache) image(i image) string {
	return filepath.Join(c.folder, "images", i.name+"@"+i.version+".tar")
}

// Root is the tree of Debian alone.
func (c Cache) Root() string { return filepath.Join(c.folder, "roots", debianSuite+"@"+rootKey()) }

// Tree is what the host image of a release has beside Debian's.
func (c Cache) Tree(r Release) string {
	return filepath.Join(c.folder, "trees", r.Kubernetes+"@"+treeKey(r))
}

// Addons is a store for containerd like that of the tree, with the images of add-ons in it.
func (c Cache) Addons(r Release) string {
	parts := []string{fmt.Sprint(Releases()), treeKey(r), "5"}
	for _, m := range addonModules(r) {
		parts = append(parts, m.version)
	}
	return filepath.Join(c.folder, "addons", r.Kubernetes+"@"+shortHash(parts...))
}

// Missing lists what of the whole is not there yet.
func (c Cache) Missing() []string {
	var out []string
	want := func(path string) {
		if !there(path) {
			rel, err := filepath.Rel(c.folder, path)
			if err != nil {
				rel = path
			}
			out = append(out, rel)
		}
	}
	programs := func(m module) {
		for _, p := range m.programs {
			want(c.program(m, p.name))
		}
	}
	want(c.Root())
	for _, r := range Releases() {
		for _, m := range modulesOf(r) {
			programs(m)
		}
		want(c.Tree(r))
	}
	for _, m := range addonModules(Releases()[0]) {
		programs(m)
	}
	for _, r := range Releases() {
		want(c.Addons(r))
	}
	return out
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// lock keeps other builds out until the process ends.
func (c Cache) lock() (unlock func(), err error) {
	if err := os.MkdirAll(c.folder, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(c.folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cache folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another build is at work in %s", c.folder)
		}
		return nil, fmt.Errorf("lock the cache folder: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// scratch makes an empty folder for work whose result is renamed out of it. What an earlier build left there is removed.
func (c Cache) scratch(name string) (string, error) {
	folder := filepath.Join(c.folder, "work", name)
	if err := os.RemoveAll(folder); err != nil {
		return "", fmt.Errorf("clean up after an earlier build: %w", err)
	}
	return folder, os.MkdirAll(folder, 0o755)
}

// publish gives a finished file or folder its name, whole or not at all.
func publish(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	err := os.Rename(from, to)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return os.RemoveAll(from)
	}
	return err
}

// Program is where a program of a release is; "" when no release has one of that name.
func (c Cache) Program(r Release, name string) string {
	for _, m := range append(modulesOf(r), addonModules(r)...) {
		for _, p := range m.programs {
			if p.name == name {
				return c.program(m, name)
			}
		}
	}
	return ""
}

// FlannelManifest is where the manifest of a version is.
func (c Cache) FlannelManifest(f Flannel) string {
	return c.program(flannelModule(f.Version), flannelManifest)
}
