package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBinaries(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, tc := range []struct{ name, text, want string }{
		{"as sha256sum writes it", sum + "  v1.37.2/amd64/kubeadm\n\n" + sum + " *v1.37.2/amd64/kubelet\n", ""},
		{"a sum that is short", "abab  v1.37.2/amd64/kubeadm\n", "line 1"},
		{"a name without a version", sum + "  kubeadm\n", "line 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "sums")
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := Binaries{URL: "https://mirror.example.org", Sums: file}.read()
			switch {
			case tc.want != "":
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want %q in it", err, tc.want)
				}
			case err != nil || b.SHA256["v1.37.2/amd64/kubeadm"] != sum || b.SHA256["v1.37.2/amd64/kubelet"] != sum:
				t.Errorf("%v, %v", b.SHA256, err)
			}
		})
	}
	if _, err := (Binaries{URL: "https://mirror.example.org", Sums: "/nowhere"}).read(); err == nil {
		t.Error("sums that are not there are no error")
	}
	if _, err := (Binaries{}).read(); err != nil {
		t.Errorf("no mirror: %v", err)
	}
}
