package kubernetes

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unpack(t *testing.T, raw []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[h.Name]; twice {
			t.Errorf("%s is there twice", h.Name)
		}
		out[h.Name] = append(content, h.Linkname...)
	}
}

func TestArchive(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("machine code"), 0o755); err != nil {
		t.Fatal(err)
	}
	i := image{reference: "registry.k8s.io/thing:v1", entrypoint: []string{"/usr/bin/thing"},
		files: []layerFile{{path: "/usr/bin/thing", source: program}, {path: "/usr/bin/other", link: "thing"}}}
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := writeArchive(b, i); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same image has other bytes the second time")
	}
	files := unpack(t, first.Bytes())
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"registry.k8s.io/thing:v1"}, manifest[0].RepoTags); diff != "" {
		t.Error(diff)
	}
	var config struct {
		Config struct{ Entrypoint []string }
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	layer := files[manifest[0].Layers[0]]
	sum := sha256.Sum256(layer)
	if diff := cmp.Diff([]string{"sha256:" + hex.EncodeToString(sum[:])}, config.RootFS.DiffIDs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(i.entrypoint, config.Config.Entrypoint); diff != "" {
		t.Error(diff)
	}
	got := map[string]string{}
	for name, content := range unpack(t, layer) {
		got[name] = string(content)
	}
	delete(got, "etc/passwd")
	want := map[string]string{"tmp/": "", "etc/": "", "run/": "", "var/": "", "var/run/": "", "usr/": "", "usr/bin/": "", "usr/bin/thing": "machine code", "usr/bin/other": "thing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestArchiveOfWhatIsNotThere(t *testing.T) {
	if err := writeArchive(io.Discard, image{files: []layerFile{{path: "/x", source: filepath.Join(t.TempDir(), "x")}}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it ends with %v", err)
	}
}

func TestLibrariesAreFoundInTheRoot(t *testing.T) {
	root := t.TempDir()
	for _, folder := range []string{"usr/lib/x86_64-linux-gnu", "usr/lib64"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	real := filepath.Join(root, "usr/lib/x86_64-linux-gnu/ld-2.36.so")
	if err := os.WriteFile(real, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"usr/lib64/ld-linux-x86-64.so.2":   "/lib/x86_64-linux-gnu/ld-2.36.so",
		"usr/lib/x86_64-linux-gnu/lib.so1": "ld-2.36.so",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct{ name, library, path string }{
		{"a loader behind an absolute link", "/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2"},
		{"a library behind a relative link", "lib.so1", "/usr/lib/x86_64-linux-gnu/lib.so1"},
	} {
		t.Run(x.name, func(t *testing.T) {
			path, file, err := findLibrary(root, x.library)
			if err != nil || path != x.path || file != real {
				t.Errorf("found %s at %s, %v", path, file, err)
			}
		})
	}
	if _, _, err := findLibrary(root, "libnone.so"); err == nil {
		t.Error("a library was found that is not there")
	}
}
