package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// module is a Go module whose programs are built, static, by a small module that requires it.
type module struct {
	name, path, version string
	programs            []program
	tags                string
	symbols             map[string]string // set by the linker
	// staging is the version of the modules that the module keeps in its own repository and replaces by folders there;
	// "": such replacements are left out, since what it requires is published.
	staging string
	// edits are texts of the module's files that hosts of namespaces need otherwise.
	edits []edit
	// beside is a newer version that is built, too: with what that one requires, most is compiled once. "": there is none.
	beside string
	// unlisted: the checksum database does not have it.
	unlisted bool
}

// program has a name and an import path. One with the ending of testsSuffix is the tests of that package, one with that of
// manifestSuffix no program, but a file of the module.
type program struct{ name, path string }

// edit replaces a text of a file, which has it once.
type edit struct{ file, old, now string }

const (
	testsSuffix    = ".test"
	manifestSuffix = ".yml"
)

// wrapper is the go.mod of the module that requires this one: replacements count in the main module only, so those of the
// required one are repeated. With a version beside it is made of that one's go.mod.
func (m module) wrapper(goMod []byte) ([]byte, error) {
	from, err := modfile.Parse("go.mod", goMod, nil)
	if err != nil {
		return nil, fmt.Errorf("read the go.mod of %s: %w", m.name, err)
	}
	to := new(modfile.File)
	steps := []error{to.AddModuleStmt("kubernetes.test/" + m.name)}
	if from.Go != nil {
		steps = append(steps, to.AddGoStmt(from.Go.Version))
	}
	for _, g := range from.Godebug {
		steps = append(steps, to.AddGodebug(g.Key, g.Value))
	}
	steps = append(steps, to.AddRequire(m.path, m.version))
	if m.beside != "" {
		for _, r := range from.Require {
			steps = append(steps, to.AddRequire(r.Mod.Path, r.Mod.Version))
		}
	}
	for _, r := range from.Replace {
		path, version := r.New.Path, r.New.Version
		if version == "" { // a folder of its repository
			if m.staging == "" {
				continue
			}
			path, version = r.Old.Path, m.staging
		}
		steps = append(steps, to.AddReplace(r.Old.Path, r.Old.Version, path, version))
	}
	if len(m.edits) > 0 {
		steps = append(steps, to.AddReplace(m.path, "", "./"+editedFolder, ""))
	}
	if err := errors.Join(steps...); err != nil {
		return nil, fmt.Errorf("write a go.mod for %s: %w", m.name, err)
	}
	to.Cleanup()
	return to.Format()
}

// ldflags leave out the symbol table and set the versions.
func (m module) ldflags() string {
	flags := []string{"-s", "-w"}
	for _, name := range slices.Sorted(maps.Keys(m.symbols)) {
		flags = append(flags, "-X", name+"="+m.symbols[name])
	}
	return strings.Join(flags, " ")
}

// prepare downloads the module and writes the wrapper.
func (m module) prepare(ctx context.Context, folder string) error {
	dir, goMod, err := m.download(ctx, folder, m.version)
	if err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if m.beside != "" { // sums that only that one has are fetched by the build
		if _, goMod, err = m.download(ctx, folder, m.beside); err != nil {
			return err
		}
	}
	wrapper, err := m.wrapper(goMod)
	if err != nil {
		return err
	}
	if err := m.edited(folder, dir); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(folder, "go.mod"), wrapper, 0o644), os.WriteFile(filepath.Join(folder, "go.sum"), sums, 0o644))
}

// download gives where a version of the module is, and its go.mod.
func (m module) download(ctx context.Context, folder, version string) (dir string, goMod []byte, err error) {
	out, err := m.goCommand(ctx, folder, "mod", "download", "-json", m.path+"@"+version)
	if err != nil {
		return "", nil, err
	}
	var got struct{ Dir, GoMod string }
	if err = json.Unmarshal(out, &got); err == nil {
		goMod, err = os.ReadFile(got.GoMod)
	}
	if err != nil {
		return "", nil, fmt.Errorf("download %s %s: %w", m.name, version, err)
	}
	return got.Dir, goMod, nil
}

// editedFolder is a copy of the module, beside the wrapper.
const editedFolder = "edited"

// edited copies the module and edits the copy.
func (m module) edited(folder, source string) error {
	if len(m.edits) == 0 {
		return nil
	}
	copied := filepath.Join(folder, editedFolder)
	if err := os.CopyFS(copied, os.DirFS(source)); err != nil {
		return fmt.Errorf("copy %s: %w", m.name, err)
	}
	for _, e := range m.edits {
		path := filepath.Join(copied, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("edit %s: %w", m.name, err)
		}
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return fmt.Errorf("edit %s: %s has %q %d times instead of once", m.name, e.file, e.old, n)
		}
		if err := os.WriteFile(path, bytes.Replace(text, []byte(e.old), []byte(e.now), 1), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// build makes one program in the folder that was prepared.
func (m module) build(ctx context.Context, folder string, p program) (string, error) {
	out := filepath.Join(folder, p.name)
	if strings.HasSuffix(p.name, manifestSuffix) {
		return out, m.take(ctx, folder, p.path, out)
	}
	_, err := m.goCommand(ctx, folder, m.arguments(p, out)...)
	return out, err
}

// take copies a file of the module.
func (m module) take(ctx context.Context, folder, path, out string) error {
	where, err := m.goCommand(ctx, folder, "list", "-m", "-f", "{{.Dir}}", m.path)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(where)), path))
	if err != nil {
		return err
	}
	return os.WriteFile(out, content, 0o644)
}

// arguments of the go command that builds a program.
func (m module) arguments(p program, out string) []string {
	args := []string{"build"}
	if strings.HasSuffix(p.name, testsSuffix) {
		args = []string{"test", "-c", "-vet=off"} // the module's own people look at their code
	}
	args = append(args, "-trimpath", "-ldflags", m.ldflags(), "-o", out)
	if m.tags != "" {
		args = append(args, "-tags", m.tags)
	}
	return append(args, p.path)
}

func (m module) goCommand(ctx context.Context, folder string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", strings.TrimSpace("GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod -buildvcs=false"))
	if m.unlisted {
		cmd.Env = append(cmd.Env, "GONOSUMDB="+m.path)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: go %s: %w: %s", m.name, m.version, args[0], err, tail(stderr.Bytes(), 2000))
	}
	return out, nil
}

// tail is the end of an output.
func tail(b []byte, n int) string {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return strings.TrimSpace(string(b))
}
