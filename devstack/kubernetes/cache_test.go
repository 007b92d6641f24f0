package kubernetes

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCacheFolder(t *testing.T) {
	named, own := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", own)
	for _, x := range []struct{ name, variable, want string }{
		{"that of the variable", named, named},
		{"one in the user's own cache", "", filepath.Join(own, "jeroboam", "kubernetes")},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Setenv(FolderVariable, x.variable)
			c, err := OpenCache()
			if err != nil || c.Folder() != x.want {
				t.Errorf("the folder is %s, %v", c.Folder(), err)
			}
		})
	}
}

func TestOneBuildAtATime(t *testing.T) {
	c := Cache{t.TempDir()}
	unlock, err := c.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.lock(); err == nil {
		t.Error("two builds are at work")
	}
	unlock()
	again, err := c.lock()
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// A build that was killed leaves something in the folder for work, and nothing under a final name.
func TestWhatWasCutShortIsMadeAnew(t *testing.T) {
	c := Cache{t.TempDir()}
	work, err := c.scratch("module")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "half"), []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	if work, err = c.scratch("module"); err != nil {
		t.Fatal(err)
	}
	if there(filepath.Join(work, "half")) {
		t.Error("the half of an earlier build is still there")
	}
	m := etcdModule("v3.7.0")
	out := filepath.Join(work, "etcd")
	if err := os.WriteFile(out, []byte("whole"), 0o755); err != nil {
		t.Fatal(err)
	}
	if before := len(c.Missing()); before == 0 {
		t.Fatal("an empty cache misses nothing")
	} else if err := publish(out, c.program(m, "etcd")); err != nil {
		t.Fatal(err)
	} else if after := len(c.Missing()); after != before-1 {
		t.Errorf("%d things were missing, and with one more %d are", before, after)
	}
}

func TestPublishingAFolderTwiceKeepsTheFirst(t *testing.T) {
	base := t.TempDir()
	for _, name := range []string{"first", "second"} {
		if err := os.MkdirAll(filepath.Join(base, name, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := publish(filepath.Join(base, name), filepath.Join(base, "final")); err != nil {
			t.Fatal(err)
		}
	}
	if !there(filepath.Join(base, "final", "first")) || there(filepath.Join(base, "second")) {
		t.Error("the second was not dropped")
	}
}
