package userdata_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

func TestRenderRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*userdata.Host)
		field  string // of the *InvalidError
		is     error
	}{
		{name: "another distro", change: func(h *userdata.Host) { h.Distro = "beos" }, is: userdata.ErrUnsupportedDistro},
		{name: "authorities with something else", change: func(h *userdata.Host) { h.Authorities = []byte(cloudAuthority + "x") }, field: "authorities"},
		{name: "authorities with a key", change: func(h *userdata.Host) { h.Authorities = pem("PRIVATE KEY", "x", 2) }, field: "authorities"},
		{name: "ntp server", change: func(h *userdata.Host) { h.NTPServers = []string{"a b"} }, field: "ntp server"},
		{name: "no distro", change: func(h *userdata.Host) { h.Distro = "" }, is: userdata.ErrUnsupportedDistro},
		{name: "old kubernetes", change: func(h *userdata.Host) { h.KubernetesVersion = "v1.30.9" }, is: userdata.ErrUnsupportedVersion},
		{name: "no version", change: func(h *userdata.Host) { h.KubernetesVersion = "1.37.2" }, field: "kubernetes version"},
		{name: "role", change: func(h *userdata.Host) { h.Role = "king" }, field: "role"},
		{name: "name", change: func(h *userdata.Host) { h.Name = "a; reboot" }, field: "name"},
		{name: "cluster name", change: func(h *userdata.Host) { h.ClusterName = "a\nb: c" }, field: "cluster name"},
		{name: "endpoint without port", change: func(h *userdata.Host) { h.ControlPlaneEndpoint = "10.0.0.1" }, field: "control plane endpoint"},
		{name: "endpoint port", change: func(h *userdata.Host) { h.ControlPlaneEndpoint = "10.0.0.1:0" }, field: "control plane endpoint"},
		{name: "endpoint zone", change: func(h *userdata.Host) { h.ControlPlaneEndpoint = "[fe80::1%eth0]:1" }, field: "control plane endpoint"},
		{name: "token", change: func(h *userdata.Host) { h.BootstrapToken = "ABCDEF.0123456789abcdef" }, field: "bootstrap token"},
		{name: "token ttl", change: func(h *userdata.Host) { h.TokenTTL = -1 }, field: "token ttl"},
		{name: "pod subnet", change: func(h *userdata.Host) { h.PodSubnet = "10.0.0.0" }, field: "pod subnet"},
		{name: "no pod subnet", change: func(h *userdata.Host) { h.PodSubnet = "" }, field: "pod subnet"},
		{name: "three subnets", change: func(h *userdata.Host) { h.ServiceSubnet = "10.0.0.0/8,fd00::/8,fd01::/16" }, field: "service subnet"},
		{name: "dns domain", change: func(h *userdata.Host) { h.DNSDomain = "a b" }, field: "dns domain"},
		{name: "san", change: func(h *userdata.Host) { h.APIServerCertSANs = []string{"a_b"} }, field: "api server certificate"},
		{name: "image repository", change: func(h *userdata.Host) { h.ImageRepository = "a b" }, field: "image repository"},
		{name: "no pki", change: func(h *userdata.Host) { h.PKI = nil }, field: "pki"},
		{name: "half a pki", change: func(h *userdata.Host) { h.PKI.EtcdCA.PrivateKey = nil }, field: "pki"},
		{name: "a key of Secrets that is too short", change: func(h *userdata.Host) { h.PKI.EncryptionKey = []byte("AAAA") }, field: "pki"},
		{name: "ssh key of two lines", change: func(h *userdata.Host) { h.SSHKeys = []string{"a\nb"} }, field: "ssh key"},
		{name: "label key", change: func(h *userdata.Host) { h.NodeLabels = map[string]string{"a b": ""} }, field: "node label"},
		{name: "label value", change: func(h *userdata.Host) { h.NodeLabels = map[string]string{"a": "b,c=d"} }, field: "node label a"},
		{name: "label of the administrator", change: func(h *userdata.Host) { h.NodeLabels = map[string]string{"node-role.kubernetes.io/x": ""} }, field: "node label"},
		{name: "taint effect", change: func(h *userdata.Host) { h.NodeTaints = []userdata.Taint{{Key: "a", Effect: "Never"}} }, field: "node taint a"},
		{name: "provider id", change: func(h *userdata.Host) { h.ProviderID = "a --b" }, field: "provider id"},
		{name: "argument name", change: func(h *userdata.Host) { h.KubeletExtraArgs = map[string]string{"--v": "1"} }, field: "kubelet argument"},
		{name: "argument that is ours", change: func(h *userdata.Host) { h.KubeletExtraArgs = map[string]string{"node-labels": "a=b"} }, field: "kubelet argument"},
		{name: "argument value", change: func(h *userdata.Host) { h.KubeletExtraArgs = map[string]string{"v": `1" --x`} }, field: "kubelet argument"},
		{name: "proxy", change: func(h *userdata.Host) { h.Proxy.HTTP = "proxy:3128" }, field: "http proxy"},
		{name: "proxy with a line break", change: func(h *userdata.Host) { h.Proxy.HTTPS = "http://a/\nB=c" }, field: "https proxy"},
		{name: "no proxy", change: func(h *userdata.Host) { h.Proxy.No = []string{"a\nB=c"} }, field: "no proxy"},
		{name: "file path", change: func(h *userdata.Host) { h.ExtraFiles = []userdata.File{{Path: "../etc/x"}} }, field: "file"},
		{name: "file of ours", change: func(h *userdata.Host) {
			h.ExtraFiles = []userdata.File{{Path: "/etc/kubernetes/pki/ca.key"}}
		}, field: "file"},
		{name: "file twice", change: func(h *userdata.Host) { h.ExtraFiles = []userdata.File{{Path: "/x"}, {Path: "/x"}} }, field: "file"},
		{name: "file owner", change: func(h *userdata.Host) { h.ExtraFiles = []userdata.File{{Path: "/x", Owner: "a b"}} }, field: "file /x"},
		{name: "file permissions", change: func(h *userdata.Host) { h.ExtraFiles = []userdata.File{{Path: "/x", Permissions: "644"}} }, field: "file /x"},
		{name: "worker with keys", change: func(h *userdata.Host) { pki := h.PKI; *h = workerHost(); h.PKI = pki }, field: "pki"},
		{name: "worker that would believe anybody", change: func(h *userdata.Host) { *h = workerHost(); h.ClusterCA = nil }, field: "cluster ca"},
		{name: "control plane that would believe anybody", change: func(h *userdata.Host) { *h = controlPlaneHost(); h.ClusterCA = []byte("sha256:0") }, field: "cluster ca"},
		{name: "runtime", change: func(h *userdata.Host) { h.Runtime = "runc" }, field: "runtime"},
		{name: "file in the folder of ours", change: func(h *userdata.Host) {
			h.ExtraFiles = []userdata.File{{Path: "/etc/jeroboam/runtime"}}
		}, field: "file"},
		{name: "worker's subnet", change: func(h *userdata.Host) { *h = workerHost(); h.PodSubnet = "x\nLD_PRELOAD=y" }, field: "pod subnet"},
		{name: "worker's dns domain", change: func(h *userdata.Host) { *h = workerHost(); h.DNSDomain = "x\nLD_PRELOAD=y" }, field: "dns domain"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := initHost()
			tc.change(&h)
			_, err := userdata.Render(h)
			if tc.is != nil {
				if !errors.Is(err, tc.is) {
					t.Errorf("error %v, want %v", err, tc.is)
				}
				return
			}
			var invalid *userdata.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != tc.field {
				t.Errorf("error %v, want one of the field %q", err, tc.field)
			}
		})
	}
}

func TestRenderReportsAllAtOnce(t *testing.T) {
	h := initHost()
	h.Name, h.Distro, h.PodSubnet = "A", "beos", "x"
	_, err := userdata.Render(h)
	for _, part := range []string{"name", "distro", "pod subnet"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not speak of %s", err, part)
		}
	}
}

// FuzzRender: whatever is accepted comes back from YAML as it went in, and changes no script.
func FuzzRender(f *testing.F) {
	clean := parse(f, render(f, workerHost())).file(f, "/usr/local/sbin/jeroboam-bootstrap").Content
	f.Add("worker-0", "k", "v", "ssh-rsa AAAA x", "max-pods", "1", "10.0.0.0/8", "/etc/x", "content")
	f.Add("a\"\n  b: c", "k: [", "- v", "k\n", "x", "$(id)", "\n", "/etc/x\n", "---\n")
	f.Add("on", "yes", "null", "~", "v", "0x10", "::", "/0", "!!binary |")
	f.Add("w", "k", "v", "\x95", "v", "1", "::", "/x", "not UTF-8")
	f.Fuzz(func(t *testing.T, name, label, value, ssh, flag, flagValue, exempt, path, content string) {
		h := workerHost()
		h.Name, h.SSHKeys = name, []string{ssh}
		h.NodeLabels = map[string]string{label: value}
		h.NodeTaints = []userdata.Taint{{Key: label, Value: value, Effect: "NoSchedule"}}
		h.KubeletExtraArgs = map[string]string{flag: flagValue}
		h.Proxy.No = []string{exempt}
		h.ExtraFiles = []userdata.File{{Path: path, Content: []byte(content)}}
		out, err := userdata.Render(h)
		if err != nil {
			return
		}
		c := parse(t, out)
		if c.Hostname != name || !slices.Equal(c.SSHAuthorizedKeys, []string{ssh}) || c.file(t, path).Content != content {
			t.Fatalf("came back as %+v", c)
		}
		if c.file(t, "/usr/local/sbin/jeroboam-bootstrap").Content != clean {
			t.Fatal("the script is another one")
		}
		checkJoin(t, c.file(t, "/etc/kubernetes/kubeadm.yaml").Content, h)
		for line := range strings.Lines(c.file(t, "/etc/jeroboam/proxy.env").Content) {
			if variable, _, _ := strings.Cut(line, "="); !strings.HasSuffix(strings.ToLower(variable), "_proxy") {
				t.Fatalf("a variable too many: %q", line)
			}
		}
	})
}

func checkJoin(t *testing.T, text string, h userdata.Host) {
	t.Helper()
	var join struct {
		NodeRegistration struct {
			Name             string
			Taints           []userdata.Taint
			KubeletExtraArgs []struct{ Name, Value string }
		}
	}
	if err := yaml.Unmarshal([]byte(text), &join); err != nil {
		t.Fatal(err)
	}
	r := join.NodeRegistration
	if r.Name != h.Name || !slices.Equal(r.Taints, h.NodeTaints) {
		t.Fatalf("node registration %+v", r)
	}
	got := map[string]string{}
	for _, a := range r.KubeletExtraArgs {
		got[a.Name] = a.Value
		if strings.ContainsAny(a.Value, " \t\n\"'\\$") {
			t.Fatalf("flag %s would be split or expanded: %q", a.Name, a.Value)
		}
	}
	want := maps.Clone(h.KubeletExtraArgs)
	want["provider-id"], want["cloud-provider"] = h.ProviderID, "external"
	for key, value := range h.NodeLabels {
		want["node-labels"] = key + "=" + value
	}
	if !maps.Equal(got, want) {
		t.Fatalf("flags %v, want %v", got, want)
	}
}
