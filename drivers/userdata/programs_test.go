//go:build kubernetes

package userdata_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

// TestKubeadmValidates has real kubeadms read every configuration strictly.
func TestKubeadmValidates(t *testing.T) {
	kubeadms := programs("kubeadm")
	if len(kubeadms) == 0 {
		t.Fatal("there is no kubeadm here: make kubernetes-binaries builds one")
	}
	for _, kubeadm := range kubeadms {
		for name, h := range goldenHosts() {
			t.Run(filepath.Base(filepath.Dir(kubeadm))+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				config, discovery := filepath.Join(dir, "kubeadm.yaml"), filepath.Join(dir, "discovery.conf")
				write(t, config, strings.ReplaceAll(kubeadmConfig(t, h), "/etc/kubernetes/discovery.conf", discovery))
				write(t, discovery, "") // kubeadm insists on its being there
				out, err := exec.Command(kubeadm, "config", "validate", "--config", config).CombinedOutput()
				if err != nil || strings.Contains(string(out), "unknown field") || bytes.Contains(out, []byte("WARNING")) {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

// TestRuntimeWithContainerd has real containerds judge what the script makes of their configuration. Beside those that are
// found JEROBOAM_CONTAINERDS lists more, with colons in between.
func TestRuntimeWithContainerd(t *testing.T) {
	binaries := append(programs("containerd"), filepath.SplitList(os.Getenv("JEROBOAM_CONTAINERDS"))...)
	if len(binaries) == 0 {
		t.Fatal("there is no containerd here: make kubernetes-binaries builds one")
	}
	for _, binary := range binaries {
		version, err := exec.Command(binary, "--version").Output()
		if err != nil {
			t.Fatal(err)
		}
		configs := map[string]string{"version 2": "version = 2\n" + runcTable}
		if strings.Contains(string(version), " v2.") {
			configs["version 3"] = "version = 3\n" + strings.Replace(runcTable, "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", 1)
		}
		for _, name := range userdata.Runtimes() {
			for is, config := range configs {
				t.Run(strings.Fields(string(version))[2]+" "+is+" "+name, func(t *testing.T) { judge(t, binary, name, config) })
			}
		}
	}
}

func judge(t *testing.T, binary, name, config string) {
	s := newSandbox(t, sandboxed(name), "touch $k/kubelet.conf")
	s.equip("", "containerd-shim-kata-v2", "containerd-shim-runsc-v1")
	s.write("bin/containerd", "#!/bin/bash\nif [ \"$1\" = config ]; then exec "+binary+" --config \"$ROOT/etc/containerd/config.toml\" \"$@\"; fi\nexec "+binary+" \"$@\"\n")
	s.write("etc/containerd/config.toml", config)
	if err := s.run(); err != nil {
		t.Fatalf("%v\n%s", err, s.read("var/log/jeroboam-bootstrap.log"))
	}
	dump, err := exec.Command(binary, "--config", filepath.Join(s.root, "etc/containerd/config.toml"), "config", "dump").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, dump)
	}
	for _, kept := range []string{"SystemdCgroup = true", "runtimes." + userdata.RuntimeHandler(name) + "]"} {
		if !strings.Contains(string(dump), kept) {
			t.Errorf("the configuration has no %s:\n%s", kept, dump)
		}
	}
}

// kubeadmConfig is the configuration that a host has for kubeadm, whatever its user data is written in.
func kubeadmConfig(t *testing.T, h userdata.Host) string {
	t.Helper()
	const path = "/etc/kubernetes/kubeadm.yaml"
	if h.Distro != "flatcar" {
		return parse(t, render(t, h)).file(t, path).Content
	}
	for _, f := range parseIgnition(t, render(t, h)).Storage.Files {
		if f.Path == path {
			return ignitionContent(t, f)
		}
	}
	t.Fatalf("there is no %s", path)
	return ""
}
