package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Build makes what is missing, and tells progress. source is the folder of this project's own module.
func (c Cache) Build(ctx context.Context, source string, progress io.Writer) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	b := &build{Cache: c, source: source, progress: progress, began: time.Now()}
	for _, r := range Releases() {
		for _, m := range modulesOf(r) {
			if err := b.module(ctx, m); err != nil {
				return err
			}
		}
		if err := b.tree(ctx, r); err != nil {
			return err
		}
	}
	for _, r := range Releases() {
		if err := b.addons(ctx, r); err != nil {
			return err
		}
	}
	b.say("all of it is in %s", c.folder)
	return os.RemoveAll(filepath.Join(c.folder, "work"))
}

type build struct {
	Cache
	source   string
	progress io.Writer
	began    time.Time
}

func (b *build) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%5.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// module builds the programs of a module that are not there.
func (b *build) module(ctx context.Context, m module) error {
	var missing []program
	for _, p := range m.programs {
		if !there(b.program(m, p.name)) {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	work, err := b.scratch("module")
	if err != nil {
		return err
	}
	if err := m.prepare(ctx, work); err != nil {
		return err
	}
	for i, p := range missing {
		b.say("%s %s: building %s, %d of %d", m.name, m.version, p.name, i+1, len(missing))
		out, err := m.build(ctx, work, p)
		if err != nil {
			return err
		}
		if err := publish(out, b.program(m, p.name)); err != nil {
			return err
		}
	}
	return nil
}

// tree makes the host image of a release, and before that what is put into it.
func (b *build) tree(ctx context.Context, r Release) error {
	if there(b.Tree(r)) {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("the programs are built; host images are made by root")
	}
	if !there(b.Root()) {
		b.say("installing Debian for hosts")
		if err := b.buildRoot(ctx); err != nil {
			return err
		}
	}
	for _, name := range []string{"pause", "kubeproxy"} {
		if err := b.ownProgram(ctx, name); err != nil {
			return err
		}
	}
	images, err := b.images(r)
	if err != nil {
		return err
	}
	if err := b.archives(images); err != nil {
		return err
	}
	b.say("host image of Kubernetes %s", r.Kubernetes)
	return b.buildTree(ctx, r)
}

// ownProgram builds a program of this project, each time: it takes a second.
func (b *build) ownProgram(ctx context.Context, name string) error {
	work, err := b.scratch("own")
	if err != nil {
		return err
	}
	out := filepath.Join(work, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./devstack/kubernetes/"+name)
	cmd.Dir, cmd.Env = b.source, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, tail(text, 1000))
	}
	return publish(out, b.own(name))
}

// addons makes the programs of add-ons, which are the last to be built, and a store with their images.
func (b *build) addons(ctx context.Context, r Release) error {
	for _, m := range addonModules(r) {
		if err := b.module(ctx, m); err != nil {
			return err
		}
	}
	if there(b.Addons(r)) {
		return nil
	}
	if err := b.ownProgram(ctx, "csiside"); err != nil {
		return err
	}
	images, err := b.addonImages(r)
	if err != nil {
		return err
	}
	for _, i := range images { // what is said of them here may have changed
		if err := os.RemoveAll(b.image(i)); err != nil {
			return err
		}
	}
	if err := b.archives(images); err != nil {
		return err
	}
	b.say("images of add-ons for Kubernetes %s", r.Kubernetes)
	return b.buildAddons(ctx, r)
}

// archives writes the container images that are not there.
func (b *build) archives(images []image) error {
	for _, i := range images {
		if there(b.image(i)) {
			continue
		}
		b.say("image %s", i.reference)
		work, err := b.scratch("image")
		if err != nil {
			return err
		}
		if err := b.archive(i, filepath.Join(work, "image.tar")); err != nil {
			return err
		}
	}
	return nil
}

func (b *build) archive(i image, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(writeArchive(f, i), f.Close()); err != nil {
		return err
	}
	return publish(path, b.image(i))
}
