package userdata_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

func sandboxed(runtime string) userdata.Host {
	h := workerHost()
	h.Runtime = runtime
	return h
}

// fakeContainerd merges as far as the script needs it: what is imported comes after the file itself. Its version is the
// environment's.
const fakeContainerd = `#!/bin/bash
echo "containerd $*" >>"$ROOT/calls"
if [ "$1" = --version ]; then echo "containerd github.com/containerd/containerd $(cat "$ROOT/version") abc"; exit 0; fi
[ "$*" = "config dump" ] || exit 9
cat "$ROOT/etc/containerd/config.toml" 2>/dev/null
if grep -q '^imports.*conf.d' "$ROOT/etc/containerd/config.toml" 2>/dev/null; then cat "$ROOT/etc/containerd/conf.d/"*.toml 2>/dev/null; fi
exit 0
`

const runcTable = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n"

func TestRuntimeIsAdded(t *testing.T) {
	const dropIn = "etc/containerd/conf.d/90-jeroboam-runtime.toml"
	tests := []struct {
		name, version, runtime, config string // config "": there is none
		wantConfig, wantDropIn         string // parts; "" of the drop-in: there is none
	}{
		{name: "containerd 1.7", version: "v1.7.30", runtime: "kata", config: "version = 2\n" + runcTable,
			wantConfig: "version = 2\n" + runcTable + "\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\nruntime_type = \"io.containerd.kata.v2\""},
		{name: "containerd of Debian", version: "1.6.20~ds1", runtime: "gvisor", config: "version = 2\n", wantConfig: "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runsc.options]\nTypeUrl"},
		{name: "containerd 1 without a configuration", version: "1.7.24", runtime: "kata", wantConfig: "version = 2\n\n[plugins"},
		{name: "containerd 2 with a configuration of version 3", version: "v2.2.1", runtime: "kata", config: "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n",
			wantConfig: "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n", wantDropIn: "version = 3\n\n[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.kata]"},
		{name: "containerd 2 with a configuration of version 2", version: "v2.2.1", runtime: "gvisor", config: "version = 2\nimports = [\"/opt/x.toml\"]\n",
			wantConfig: "imports = [\"/etc/containerd/conf.d/*.toml\", \"/opt/x.toml\"]", wantDropIn: "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runsc]"},
		{name: "containerd 2 that imports nothing", version: "v2.0.0", runtime: "kata", config: "version = 3\n[grpc]\n", wantConfig: "imports = [\"/etc/containerd/conf.d/*.toml\"]\nversion = 3\n[grpc]\n", wantDropIn: "version = 3"},
		{name: "containerd 2 without a configuration", version: "v2.2.1", runtime: "gvisor", wantConfig: "imports = [\"/etc/containerd/conf.d/*.toml\"]\nversion = 3\n", wantDropIn: "runtimes.runsc"},
		{name: "the image has it", version: "v1.7.30", runtime: "kata", config: "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.'kata']\n", wantConfig: "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.'kata']\n"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := newSandbox(t, sandboxed(tc.runtime), "touch $k/kubelet.conf")
			s.equip(tc.version, "containerd-shim-kata-v2", "containerd-shim-runsc-v1")
			if tc.config != "" {
				s.write("etc/containerd/config.toml", strings.ReplaceAll(tc.config, "/etc/", s.root+"/etc/"))
			}
			for range 2 { // a run that was cut short is done again
				if err := s.run(); err != nil {
					t.Fatalf("%v\n%s", err, s.read("var/log/jeroboam-bootstrap.log"))
				}
				if got := s.plain("etc/containerd/config.toml"); !strings.Contains(got, tc.wantConfig) || strings.Count(got, "runtimes.kata]")+strings.Count(got, "runtimes.runsc]") > 1 {
					t.Errorf("config.toml:\n%s", got)
				}
				if tc.wantDropIn == "" != !s.exists(dropIn) || tc.wantDropIn != "" && !strings.Contains(s.plain(dropIn), tc.wantDropIn) {
					t.Errorf("the drop-in is not as expected")
				}
				if err := os.Remove(filepath.Join(s.root, "var/lib/jeroboam/bootstrapped")); err != nil {
					t.Fatal(err)
				}
				s.write("etc/kubernetes/kubelet.conf", "")
			}
			if calls := s.read("calls"); strings.LastIndex(calls, "config dump") > strings.LastIndex(calls, "restart containerd") {
				t.Errorf("containerd was not restarted with its new configuration:\n%s", calls)
			}
		})
	}
}

// equip gives the host a containerd and programs beside it; /dev/kvm is there.
func (s *sandbox) equip(version string, programs ...string) {
	s.t.Helper()
	s.write("bin/containerd", fakeContainerd)
	s.write("version", version)
	s.write("dev/kvm", "")
	s.script = strings.ReplaceAll(s.script, "/dev/kvm", s.root+"/dev/kvm")
	for _, name := range programs {
		s.write("bin/"+name, "#!/bin/bash\n")
	}
}

// plain is a file as it would be on a real host: the folder of the sandbox taken off.
func (s *sandbox) plain(path string) string { return strings.ReplaceAll(s.read(path), s.root, "") }

func TestARuntimeThatCannotBe(t *testing.T) {
	tests := []struct {
		name, runtime, says string
		equip               func(*sandbox)
	}{
		{"no Kata", "kata", "does not have containerd-shim-kata-v2", func(s *sandbox) { s.equip("v2.2.1") }},
		{"no gVisor", "gvisor", "does not have containerd-shim-runsc-v1", func(s *sandbox) { s.equip("v2.2.1", "containerd-shim-kata-v2") }},
		{"no virtualization", "kata", "hardware virtualization", func(s *sandbox) {
			s.equip("v2.2.1", "containerd-shim-kata-v2")
			if err := os.Remove(filepath.Join(s.root, "dev/kvm")); err != nil {
				s.t.Fatal(err)
			}
		}},
		{"a containerd that reads something else", "gvisor", "does not take the runtime runsc", func(s *sandbox) {
			s.equip("v2.2.1", "containerd-shim-runsc-v1")
			s.write("bin/containerd", strings.Replace(fakeContainerd, "cat \"$ROOT/etc/containerd/conf.d/\"*.toml", "true", 1))
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := newSandbox(t, sandboxed(tc.runtime), "touch $k/kubelet.conf")
			tc.equip(s)
			if err := s.run(); err == nil {
				t.Error("the host became a node")
			}
			if log := s.read("var/log/jeroboam-bootstrap.log"); !strings.Contains(log, tc.says) {
				t.Errorf("the log does not say %q:\n%s", tc.says, log)
			}
			if calls := s.read("calls"); strings.Contains(calls, "kubeadm") {
				t.Errorf("kubeadm was called:\n%s", calls)
			}
		})
	}
}
