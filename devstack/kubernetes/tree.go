package kubernetes

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed hostfiles
var hostFiles embed.FS

// The two parts of a tree.
const (
	TreeFiles      = "files"      // to be laid over Debian's root
	TreeContainerd = "containerd" // for /var/lib/containerd, with the images in it
)

// hostFile is a small file of the host image.
type hostFile struct {
	source, path string
	mode         os.FileMode
}

func hostFileList() []hostFile {
	const units = "usr/lib/systemd/system/"
	return []hostFile{
		{"kubeadm", "usr/bin/kubeadm", 0o755},
		{"kubelet.service", units + "kubelet.service", 0o644},
		{"10-kubeadm.conf", units + "kubelet.service.d/10-kubeadm.conf", 0o644},
		{"10-namespaces.conf", "usr/lib/kubelet/10-namespaces.conf", 0o644},
		{"containerd.service", units + "containerd.service", 0o644},
		{"containerd.toml", "etc/containerd/config.toml", 0o644},
		{"cloud.cfg", "etc/cloud/cloud.cfg.d/90-host.cfg", 0o644},
	}
}

// treeKey is another one when anything in the tree is.
func treeKey(r Release) string {
	parts := []string{fmt.Sprint(r), containerdVersion, pluginsVersion, gvisorVersion, fmt.Sprint(gvisorModule().edits), rootKey(), "1"}
	for _, f := range hostFileList() {
		content, err := hostFiles.ReadFile("hostfiles/" + f.source)
		if err != nil {
			return "" // they are part of this program
		}
		parts = append(parts, f.path, string(content))
	}
	return shortHash(parts...)
}

// buildTree puts the host image of a release together.
func (c Cache) buildTree(ctx context.Context, r Release) error {
	work, err := c.scratch("tree")
	if err != nil {
		return err
	}
	files := filepath.Join(work, "tree", TreeFiles)
	steps := []func() error{
		func() error { return c.linkPrograms(files, r) },
		func() error { return writeHostFiles(files, r) },
		func() error {
			images, err := c.images(r)
			if err != nil {
				return err
			}
			return c.loadImages(ctx, work, filepath.Join(work, "tree", TreeContainerd), images)
		},
		func() error { return publish(filepath.Join(work, "tree"), c.Tree(r)) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("host image of %s: %w", r.Kubernetes, err)
		}
	}
	return nil
}

// buildAddons makes a store with the images of a release and those of add-ons. It is no part of the tree, since a build that
// is interrupted before the last programs is of use.
func (c Cache) buildAddons(ctx context.Context, r Release) error {
	work, err := c.scratch("addons")
	if err != nil {
		return err
	}
	images, err := c.images(r)
	if err != nil {
		return err
	}
	more, err := c.addonImages(r)
	if err != nil {
		return err
	}
	store := filepath.Join(work, "store")
	if err := c.loadImages(ctx, work, store, append(images, more...)); err != nil {
		return fmt.Errorf("images of add-ons for %s: %w", r.Kubernetes, err)
	}
	return publish(store, c.Addons(r))
}

// linkPrograms gives the programs their places. They are links, so each is on the disk once.
func (c Cache) linkPrograms(files string, r Release) error {
	kubernetes, containerd, plugins, gvisor := kubernetesModule(r.Kubernetes), containerdModule(), pluginsModule(), gvisorModule()
	places := map[string]string{
		"usr/libexec/kubeadm": c.program(kubernetes, "kubeadm"), "usr/bin/kubelet": c.program(kubernetes, "kubelet"), "usr/bin/kubectl": c.program(kubernetes, "kubectl"),
	}
	for _, p := range containerd.programs {
		places["usr/bin/"+p.name] = c.program(containerd, p.name)
	}
	for _, p := range gvisor.programs {
		places["usr/local/bin/"+p.name] = c.program(gvisor, p.name)
	}
	for _, p := range plugins.programs {
		places["opt/cni/bin/"+p.name] = c.program(plugins, p.name)
	}
	for place, source := range places {
		path := filepath.Join(files, place)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Link(source, path); err != nil {
			return err
		}
	}
	return nil
}

func writeHostFiles(files string, r Release) error {
	for _, f := range hostFileList() {
		content, err := hostFiles.ReadFile("hostfiles/" + f.source)
		if err != nil {
			return err
		}
		path := filepath.Join(files, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(content, []byte("PAUSE"), []byte(r.Pause)), f.mode); err != nil {
			return err
		}
	}
	return nil
}

// loadImages lets a containerd of its own unpack the images, as an image builder has them in its images: a host that starts
// from there unpacks nothing.
func (c Cache) loadImages(ctx context.Context, work, store string, images []image) error {
	config, socket := filepath.Join(work, "containerd.toml"), filepath.Join(work, "containerd.sock")
	text := fmt.Sprintf("version = 3\nroot = %q\nstate = %q\ndisabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime', 'io.containerd.nri.v1.nri']\n[grpc]\n  address = %q\n[ttrpc]\n  address = %q\n",
		store, filepath.Join(work, "state"), socket, socket+".ttrpc")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	var out bytes.Buffer
	daemon := exec.Command(c.program(containerdModule(), "containerd"), "--config", config) //nolint:noctx // it is ended below, in order
	daemon.Stdout, daemon.Stderr = &out, &out
	if err := daemon.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	err := c.importImages(ctx, socket, images, ended)
	_ = daemon.Process.Signal(os.Interrupt)
	if ended := <-ended; err == nil && ended != nil {
		err = fmt.Errorf("containerd: %w", ended)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, tail(out.Bytes(), 1000))
	}
	return nil
}

func (c Cache) importImages(ctx context.Context, socket string, images []image, ended chan error) error {
	ctr := c.program(containerdModule(), "ctr")
	for !there(socket) {
		select {
		case err := <-ended:
			ended <- err
			return errors.New("containerd did not start")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	for _, i := range images {
		out, err := exec.CommandContext(ctx, ctr, "--address", socket, "--namespace", "k8s.io", "images", "import", "--local", c.image(i)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("load %s: %w: %s", i.reference, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
