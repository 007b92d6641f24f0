package kube_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// host is one in a folder: scripts' paths lead into it, and the programs that change a host write down that they were called.
type host struct {
	t     *testing.T
	root  string
	files string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, root: t.TempDir(), files: t.TempDir()}
	for _, folder := range []string{"bin", "etc/kubernetes/pki/etcd", "etc/kubernetes/manifests", "var/lib/kubelet/pki", "usr/bin", "var/lib/jeroboam"} {
		if err := os.MkdirAll(filepath.Join(h.root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"kubeadm", "systemctl", "curl", "sleep"} {
		h.program(program, "")
	}
	return h
}

func (h *host) program(name, script string) {
	h.write("bin/"+name, "#!/bin/sh\necho \""+name+" $*\" >>"+h.root+"/calls\n"+script+"\n", 0o755)
}

func (h *host) write(name, content string, mode os.FileMode) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.root, name), []byte(content), mode); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) read(name string) string {
	h.t.Helper()
	content, err := os.ReadFile(filepath.Join(h.root, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(content)
}

// run runs a command's script as the host's shell does.
func (h *host) run(c kube.HostCommand, err error) (string, error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	for name, content := range c.Files {
		if err := os.WriteFile(filepath.Join(h.files, name), content, 0o400); err != nil {
			h.t.Fatal(err)
		}
	}
	script := c.Script
	for _, path := range []string{"/etc/", "/proc/", "/var/lib/", "/usr/bin/", "/opt/bin/", "/usr/local/bin/"} {
		script = strings.ReplaceAll(script, path, h.root+path)
	}
	command := exec.Command("sh", "-c", script)
	command.Env = []string{"PATH=" + h.root + "/bin:/usr/bin:/bin", "FILES=" + h.files, "LC_ALL=C"}
	for name, value := range c.Env {
		command.Env = append(command.Env, name+"="+value)
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

func (h *host) mustRun(c kube.HostCommand, err error) {
	h.t.Helper()
	if out, err := h.run(c, err); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
}

func TestScriptsAreValid(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	if _, err := exec.LookPath("shellcheck"); err != nil {
		testenv.Lacks(t, "shellcheck is not installed")
	}
	if out, err := exec.Command("shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

const manifest = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.10:2379
  labels:
    component: etcd
    tier: control-plane
  name: etcd
spec:
  containers:
  - command:
    - etcd
`

func TestInstallAuthorities(t *testing.T) {
	h := newHost(t)
	for _, name := range kube.Components() {
		h.write("etc/kubernetes/manifests/"+name+".yaml", manifest, 0o600)
	}
	for _, name := range []string{"admin", "kubelet"} {
		h.write("etc/kubernetes/"+name+".conf", "clusters:\n- cluster:\n    certificate-authority-data: b2xk\n    server: https://x\n", 0o600)
	}
	h.write("etc/kubernetes/pki/ca.key", "old key", 0o600)
	for number, name := range map[string]string{"7": "kube-controller", "8": "kubelet", "9": "kube-apiserver"} {
		if err := os.MkdirAll(filepath.Join(h.root, "proc", number), 0o755); err != nil {
			t.Fatal(err)
		}
		h.write("proc/"+number+"/comm", name+"\n", 0o644)
	}
	h.program("sleep", "cd "+h.root+"; grep -l restarted etc/kubernetes/manifests/*.yaml >restarted; if [ -e proc/7 ]; then rm -r proc/7; else rm -r proc/9; fi")
	a := kube.Authorities{CA: []byte("new and old"), CAKey: []byte("new key"), SigningCA: []byte("new"), EtcdCA: []byte("etcd")}
	command, err := kube.InstallAuthorities("r", "issue", "m-0", a, kube.Renewal{Certificates: []string{"admin.conf", "etcd-peer"}, Components: kube.Components(), Kubelet: true})
	for range 2 {
		h.mustRun(command, err)
	}
	for name, want := range map[string]string{
		"etc/kubernetes/pki/ca.crt": "new and old", "etc/kubernetes/pki/ca.key": "new key", "etc/kubernetes/pki/signing-ca.crt": "new", "etc/kubernetes/pki/etcd/ca.crt": "etcd",
		"etc/kubernetes/admin.conf":          "clusters:\n- cluster:\n    certificate-authority-data: bmV3IGFuZCBvbGQ=\n    server: https://x\n",
		"etc/kubernetes/manifests/etcd.yaml": strings.Replace(manifest, "  labels:\n", "  labels:\n    jeroboam.cloud/restarted: \"r-issue\"\n", 1),
		// when the API server was waited for to end: it needs etcd for that
		"restarted": "etc/kubernetes/manifests/kube-apiserver.yaml\netc/kubernetes/manifests/kube-controller-manager.yaml\netc/kubernetes/manifests/kube-scheduler.yaml\n",
		"calls": "kubeadm certs renew admin.conf\nkubeadm certs renew etcd-peer\nsleep 1\nsleep 1\nsystemctl restart kubelet\n" +
			"kubeadm certs renew admin.conf\nkubeadm certs renew etcd-peer\nsystemctl restart kubelet\n",
	} {
		if got := h.read(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]os.FileMode{"pki/ca.crt": 0o644, "pki/ca.key": 0o600, "kubelet.conf": 0o600, "manifests/etcd.yaml": 0o600} {
		if info, err := os.Stat(filepath.Join(h.root, "etc/kubernetes", name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if left, _ := filepath.Glob(h.root + "/etc/kubernetes/*.new"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestAnAPIServerShowsItsNewCertificate: it is waited for, and what curl said of one that does not is told.
func TestAnAPIServerShowsItsNewCertificate(t *testing.T) {
	for _, tc := range []struct{ name, endpoint, shows, want string }{
		{"later", "10.0.0.10:6443", "[ -e $0.asked ] || { touch $0.asked; exit 60; }", "10.0.0.10:6443"},
		{"an address of version 6", "'[fd00::10]:6443'", "", "[fd00::10]:6443"},
		{"never", "10.0.0.10:6443", "echo 'certificate problem' >&2; exit 60", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost(t)
			h.write("etc/kubernetes/manifests/kube-apiserver.yaml", "metadata:\n  annotations:\n    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: "+tc.endpoint+"\n", 0o600)
			h.write("etc/kubernetes/pki/ca.crt", "new and old", 0o600)
			h.write("etc/kubernetes/admin.conf", "", 0o600)
			h.program("curl", tc.shows)
			out, err := h.run(kube.InstallAuthorities("r", "serve", "m-0", kube.Authorities{}, kube.Renewal{Certificates: []string{kube.CertificateAPIServer}, Shown: true}))
			if tc.want == "" {
				if err == nil || !strings.Contains(out, "the API server at 10.0.0.10:6443 does not show its new certificate: certificate problem") {
					t.Errorf("%v, %q", err, out)
				}
				return
			}
			calls := h.read("calls")
			if err != nil || !strings.HasPrefix(calls, "kubeadm certs renew apiserver\n") || !strings.HasSuffix(calls, "--cacert "+h.root+"/etc/kubernetes/pki/signing-ca.crt https://"+tc.want+"/livez\n") {
				t.Errorf("%v, %q, calls %q", err, out, calls)
			}
		})
	}
}

func TestNewKubeletCertificate(t *testing.T) {
	command, err := kube.NewKubeletCertificate("r", "kubelet", "w-0", "https://10.0.0.5:6443", newAuthority(t).pem, "abcdef.0123456789abcdef")
	config, current := "etc/kubernetes/kubelet.conf", "var/lib/kubelet/pki/kubelet-client-current.pem"
	t.Run("given", func(t *testing.T) {
		h := newHost(t)
		h.write(config, "old", 0o600)
		h.write(current, "old", 0o600)
		h.program("sleep", "[ -e "+h.root+"/etc/kubernetes/bootstrap-kubelet.conf ] && echo new >"+h.root+"/"+config+" && echo new >"+h.root+"/"+current)
		h.mustRun(command, err)
		if h.read(config) != "new\n" || h.read("calls") != "systemctl stop kubelet\nsystemctl start kubelet\nsleep 2\n" {
			t.Errorf("calls: %s", h.read("calls"))
		}
		if left, _ := filepath.Glob(h.root + "/etc/kubernetes/*.conf*"); len(left) != 1 {
			t.Errorf("left: %v", left)
		}
	})
	t.Run("refused", func(t *testing.T) {
		h := newHost(t)
		h.write(config, "old", 0o600)
		h.write(current, "old", 0o600)
		if out, err := h.run(command, err); err == nil || !strings.Contains(out, "it has its old one again") {
			t.Errorf("%v: %s", err, out)
		}
		if h.read(config) != "old" || h.read(current) != "old" {
			t.Error("the old certificate is not back")
		}
	})
}

func TestUpgrade(t *testing.T) {
	const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	from := kube.Binaries{URL: "https://dl.example.org/{version}/bin/linux/{arch}/", SHA256: map[string]string{}}
	for _, name := range []string{"kubeadm", "kubelet", "kubectl"} {
		from.SHA256["v1.38.1/amd64/"+name] = strings.ToUpper(sum)
	}
	download := func(h *host, content string) {
		h.program("curl", "for f; do [ \"$o\" = yes ] && printf '"+content+"' >\"$f\"; o=no; [ \"$f\" = -o ] && o=yes; done; exit 0")
		h.write("usr/bin/kubeadm", "old", 0o755)
	}
	t.Run("well", func(t *testing.T) {
		h := newHost(t)
		download(h, "hello")
		if err := os.MkdirAll(h.root+"/etc/jeroboam", 0o755); err != nil {
			t.Fatal(err)
		}
		h.write("etc/jeroboam/proxy.env", "https_proxy=http://p:3128/?a=$(touch "+h.root+"/owned)&b\n", 0o600)
		command, err := kube.Upgrade("r", "m-0", "amd64", "v1.38.1", true, from)
		for range 2 {
			h.mustRun(command, err)
		}
		calls := strings.Split(h.read("calls"), "\n")
		want := []string{"curl -fsSL --retry 3 -o " + h.root + "/var/lib/jeroboam/kubeadm https://dl.example.org/v1.38.1/bin/linux/amd64/kubeadm", "kubeadm upgrade apply --yes v1.38.1"}
		if len(calls) < 10 || !slices.Equal(calls[:2], want) || strings.Count(h.read("calls"), "curl") != 3 {
			t.Errorf("calls: %v", calls)
		}
		if h.read("usr/bin/kubelet") != "hello" {
			t.Error("there is no new kubelet")
		}
		if _, err := os.Stat(h.root + "/owned"); err == nil {
			t.Error("the proxy's environment was run")
		}
	})
	t.Run("another binary", func(t *testing.T) {
		h := newHost(t)
		download(h, "evil")
		command, err := kube.Upgrade("r", "w-0", "amd64", "v1.38.1", false, from)
		if out, err := h.run(command, err); err == nil || !strings.Contains(out, "is not what its checksum says") {
			t.Errorf("%v: %s", err, out)
		}
		if h.read("usr/bin/kubeadm") != "old" || strings.Contains(h.read("calls"), "kubeadm") && strings.Contains(h.read("calls"), "upgrade node") {
			t.Error("it was used")
		}
	})
	for name, broken := range map[string]kube.Binaries{"no URL": {SHA256: from.SHA256}, "no checksum": {URL: from.URL}} {
		if _, err := kube.Upgrade("r", "w-0", "amd64", "v1.38.1", false, broken); err == nil {
			t.Errorf("%s: there is a command", name)
		}
	}
}
