package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrapper(t *testing.T) {
	const own = `module example.org/thing

go 1.26.0

godebug default=go1.26

require example.org/staging/api v0.0.0

replace (
	example.org/staging/api => ./staging/src/api
	example.org/fork => example.org/better v1.2.3
)
`
	for _, x := range []struct{ name, staging, want string }{
		{name: "what it keeps in its repository is taken as published",
			want: "module kubernetes.test/thing\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire example.org/thing v1.37.2\n\nreplace example.org/fork => example.org/better v1.2.3\n"},
		{name: "what it keeps in its repository is taken at the version of its own", staging: "v0.37.2",
			want: "module kubernetes.test/thing\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire example.org/thing v1.37.2\n\n" +
				"replace example.org/staging/api => example.org/staging/api v0.37.2\n\nreplace example.org/fork => example.org/better v1.2.3\n"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, err := module{name: "thing", path: "example.org/thing", version: "v1.37.2", staging: x.staging}.wrapper([]byte(own))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(x.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVersionsReachThePrograms(t *testing.T) {
	m := kubernetesModule("v1.36.5")
	for _, want := range []string{"-X k8s.io/component-base/version.gitVersion=v1.36.5", "-X k8s.io/component-base/version.gitMinor=36", "-X k8s.io/client-go/pkg/version.gitVersion=v1.36.5"} {
		if !strings.Contains(m.ldflags(), want) {
			t.Errorf("%q is not in %q", want, m.ldflags())
		}
	}
	if m.staging != "v0.36.5" {
		t.Errorf("staging modules are taken at %s", m.staging)
	}
}

func TestArguments(t *testing.T) {
	m := module{name: "thing", tags: "small"}
	for _, x := range []struct {
		name string
		of   program
		want string
	}{
		{"a program", program{"thing", "example.org/thing"}, "build -trimpath -ldflags -s -w -o out -tags small example.org/thing"},
		{"tests", program{"thing.test", "example.org/thing"}, "test -c -vet=off -trimpath -ldflags -s -w -o out -tags small example.org/thing"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := strings.Join(m.arguments(x.of, "out"), " "); got != x.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// A file is edited where it has the text once, and nowhere else: the versions of modules change.
func TestEdits(t *testing.T) {
	source, folder := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "a.go"), []byte("package a\n\nconst score = -999\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	m := module{name: "thing", path: "example.org/thing", version: "v1.37.2", edits: []edit{{"a.go", "score = -999", "score = 0"}}}
	if err := m.edited(folder, source); err != nil {
		t.Fatal(err)
	}
	if edited, err := os.ReadFile(filepath.Join(folder, editedFolder, "a.go")); err != nil || string(edited) != "package a\n\nconst score = 0\n" {
		t.Errorf("%v, %s", err, edited)
	}
	if got, err := m.wrapper([]byte("module example.org/thing\n")); err != nil || !strings.Contains(string(got), "replace example.org/thing => ./edited\n") {
		t.Errorf("%v, %s", err, got)
	}
	m.edits[0].old = "score = -998"
	if err := m.edited(t.TempDir(), source); err == nil {
		t.Error("a text that is not there is edited")
	}
}

// What a version beside it requires counts as well, by the go.mod of that one.
func TestWrapperWithAVersionBeside(t *testing.T) {
	got, err := module{name: "thing", path: "example.org/thing", version: "v1.36.5", beside: "v1.37.2"}.wrapper([]byte("module example.org/thing\n\ngo 1.26.0\n\nrequire example.org/api v0.37.2\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "module kubernetes.test/thing\n\ngo 1.26.0\n\nrequire (\n\texample.org/thing v1.36.5\n\texample.org/api v0.37.2\n)\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// A file of a module is taken from where Go has the module.
func TestFilesAreTaken(t *testing.T) {
	folder := t.TempDir()
	source := filepath.Join(folder, editedFolder)
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	m := module{name: "thing", path: "example.org/thing", version: "v1.37.2", edits: []edit{{}}}
	own := []byte("module example.org/thing\n\ngo 1.26\n")
	wrapper, err := m.wrapper(own)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{filepath.Join(folder, "go.mod"): wrapper, filepath.Join(source, "go.mod"): own, filepath.Join(source, "thing.yml"): []byte("kind: Thing\n")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := m.build(t.Context(), folder, program{"taken" + manifestSuffix, "thing.yml"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "kind: Thing\n" {
		t.Errorf("%v, %s", err, got)
	}
}

func TestReleasesGoDown(t *testing.T) {
	for i, r := range Releases()[1:] {
		if newer := minor(Releases()[i].Kubernetes); minor(r.Kubernetes) >= newer {
			t.Errorf("%s does not come before 1.%s", r.Kubernetes, newer)
		}
	}
}

// Every release has a flannel of its own, so that an upgrade changes it.
func TestFlannelsGoWithReleases(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Flannels() {
		seen[f.Version] = true
	}
	if len(seen) != len(Releases()) {
		t.Errorf("%d versions of flannel for %d releases", len(seen), len(Releases()))
	}
}
