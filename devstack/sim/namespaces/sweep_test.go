package namespaces

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSweepTakesOnlyWhatWasAbandoned(t *testing.T) {
	folder, hierarchy := t.TempDir(), t.TempDir()
	g := groups{"pids": hierarchy}
	for _, name := range []string{prefix + "alive", prefix + "dead", prefix + "early", "someone-elses"} {
		if err := os.MkdirAll(filepath.Join(hierarchy, name, "host", "kubepods"), 0o755); err != nil {
			t.Fatal(err)
		}
		if name == prefix+"early" || name == "someone-elses" {
			if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		lock, err := claim(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == prefix+"dead" {
			_ = lock.Close() // as the kernel does when a process is killed
			continue
		}
		defer lock.Close()
	}
	if err := sweep(folder, g); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{prefix + "alive": true, prefix + "dead": false, prefix + "early": false, "someone-elses": true} {
		if got := there(filepath.Join(folder, name)); got != want {
			t.Errorf("folder %s is there: %v", name, got)
		}
		if got := there(filepath.Join(hierarchy, name)); got != want {
			t.Errorf("control group %s is there: %v", name, got)
		}
	}
}

// Processes of a group that is frozen do not end, whoever kills them.
func TestThaw(t *testing.T) {
	folder := t.TempDir()
	for _, tc := range []struct{ file, frozen, want string }{{"freezer.state", "FROZEN", "THAWED"}, {"cgroup.freeze", "1", "0"}} {
		path := filepath.Join(folder, tc.file)
		if err := os.WriteFile(path, []byte(tc.frozen), 0o600); err != nil {
			t.Fatal(err)
		}
		thaw(folder)
		if got, err := os.ReadFile(path); err != nil || string(got) != tc.want {
			t.Errorf("%s has %s, %v", tc.file, got, err)
		}
	}
}
