package userdata_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/google/go-cmp/cmp"
)

// flags of a component, or fields of the kubelet's configuration, by their names.
type flags map[string]string

func (f flags) is(name, value string) bool { return f[name] == value }

func (f flags) has(name, item string) bool {
	return slices.Contains(strings.Split(f[name], ","), item)
}

func (f flags) atLeast(name string, least int) bool {
	n, err := strconv.Atoi(f[name])
	return err == nil && n >= least
}

func (f flags) set(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return f[name] == "" })
}

// strong tells that only suites with forward secrecy and authenticated encryption are offered.
func (f flags) strong(name string) bool {
	return f[name] != "" && !slices.ContainsFunc(strings.Split(f[name], ","), func(suite string) bool {
		return !strings.HasPrefix(suite, "TLS_ECDHE_") || !strings.Contains(suite, "GCM") && !strings.Contains(suite, "CHACHA20")
	})
}

// recommendation of the CIS Kubernetes Benchmark (1.11) that flags or configuration files can show.
type recommendation struct {
	id, component, what string
	holds               func(flags) bool
	kubeadms            bool   // kubeadm itself sees to it: our configuration alone does not show it
	deviates            string // why it does not hold; "": it has to
}

const (
	apiServer, controllerManager, scheduler, etcd = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"
	kubelet, kubeProxy                            = "kubelet", "kube-proxy"
)

func recommendations() []recommendation {
	off := func(name string) func(flags) bool { return func(f flags) bool { return f.is(name, "false") } }
	unset := func(name string) func(flags) bool { return func(f flags) bool { return f[name] == "" } }
	set := func(names ...string) func(flags) bool { return func(f flags) bool { return f.set(names...) } }
	is := func(name, value string) func(flags) bool { return func(f flags) bool { return f.is(name, value) } }
	has := func(name, item string) func(flags) bool { return func(f flags) bool { return f.has(name, item) } }
	lacks := func(name, item string) func(flags) bool { return func(f flags) bool { return !f.has(name, item) } }
	least := func(name string, n int) func(flags) bool { return func(f flags) bool { return f.atLeast(name, n) } }
	strong := func(name string) func(flags) bool { return func(f flags) bool { return f.strong(name) } }
	const plugins, noPlugins = "enable-admission-plugins", "disable-admission-plugins"
	return []recommendation{
		{"1.2.1", apiServer, "anonymous-auth is off", off("anonymous-auth"), false, "joining hosts read cluster-info, and load balancers health, without a name; RBAC lets the anonymous do nothing else"},
		{"1.2.2", apiServer, "token-auth-file is not set", unset("token-auth-file"), false, ""},
		{"1.2.3", apiServer, "DenyServiceExternalIPs is on", has(plugins, "DenyServiceExternalIPs"), false, ""},
		{"1.2.4", apiServer, "a client certificate for kubelets is set", set("kubelet-client-certificate", "kubelet-client-key"), true, ""},
		{"1.2.5", apiServer, "the authority of kubelets is set", set("kubelet-certificate-authority"), false, "kubelets have certificates of the cluster, but one that was not renewed in time would cut its node off from port forwarding, by which members of etcd are looked after"},
		{"1.2.6", apiServer, "authorization-mode is not AlwaysAllow", lacks("authorization-mode", "AlwaysAllow"), true, ""},
		{"1.2.7", apiServer, "authorization-mode has Node", has("authorization-mode", "Node"), true, ""},
		{"1.2.8", apiServer, "authorization-mode has RBAC", has("authorization-mode", "RBAC"), true, ""},
		{"1.2.9", apiServer, "EventRateLimit is on", has(plugins, "EventRateLimit"), false, "the right limit is one of the workload; priority and fairness keep events from crowding out the rest"},
		{"1.2.10", apiServer, "AlwaysAdmit is off", lacks(plugins, "AlwaysAdmit"), false, ""},
		{"1.2.11", apiServer, "AlwaysPullImages is on", has(plugins, "AlwaysPullImages"), false, "pods could not be started again while a registry is away, those of the control plane among them"},
		{"1.2.12", apiServer, "ServiceAccount is on", lacks(noPlugins, "ServiceAccount"), false, ""},
		{"1.2.13", apiServer, "NamespaceLifecycle is on", lacks(noPlugins, "NamespaceLifecycle"), false, ""},
		{"1.2.14", apiServer, "NodeRestriction is on", has(plugins, "NodeRestriction"), false, ""},
		{"1.2.15", apiServer, "profiling is off", off("profiling"), false, ""},
		{"1.2.16", apiServer, "an audit log is written", set("audit-log-path", "audit-policy-file"), false, ""},
		{"1.2.17", apiServer, "it is kept for 30 days", least("audit-log-maxage", 30), false, ""},
		{"1.2.18", apiServer, "ten files of it are kept", least("audit-log-maxbackup", 10), false, ""},
		{"1.2.19", apiServer, "they have 100 MB", least("audit-log-maxsize", 100), false, ""},
		{"1.2.20", apiServer, "request-timeout is that of Kubernetes", unset("request-timeout"), false, ""},
		{"1.2.21", apiServer, "service accounts are looked up", func(f flags) bool { return !f.is("service-account-lookup", "false") }, false, ""},
		{"1.2.22", apiServer, "the key of service accounts is set", set("service-account-key-file"), true, ""},
		{"1.2.23", apiServer, "a client certificate for etcd is set", set("etcd-certfile", "etcd-keyfile"), true, ""},
		{"1.2.24", apiServer, "a serving certificate is set", set("tls-cert-file", "tls-private-key-file"), true, ""},
		{"1.2.25", apiServer, "an authority of clients is set", set("client-ca-file"), true, ""},
		{"1.2.26", apiServer, "the authority of etcd is set", set("etcd-cafile"), true, ""},
		{"1.2.27", apiServer, "Secrets are encrypted in etcd", set("encryption-provider-config"), false, ""},
		{"1.2.29", apiServer, "only strong ciphers are offered", strong("tls-cipher-suites"), false, ""},
		{"1.2.30", apiServer, "tokens of service accounts are not extended", off("service-account-extend-token-expiration"), false, ""},
		{"1.3.1", controllerManager, "pods that have ended are removed in time", least("terminated-pod-gc-threshold", 1), false, ""},
		{"1.3.2", controllerManager, "profiling is off", off("profiling"), false, ""},
		{"1.3.3", controllerManager, "controllers have service accounts of their own", is("use-service-account-credentials", "true"), true, ""},
		{"1.3.4", controllerManager, "the key of service accounts is set", set("service-account-private-key-file"), true, ""},
		{"1.3.5", controllerManager, "the authority that pods are given is set", set("root-ca-file"), true, ""},
		{"1.3.6", controllerManager, "RotateKubeletServerCertificate is on", lacks("feature-gates", "RotateKubeletServerCertificate=false"), false, ""},
		{"1.3.7", controllerManager, "it listens on loopback", is("bind-address", "127.0.0.1"), false, ""},
		{"1.4.1", scheduler, "profiling is off", off("profiling"), false, ""},
		{"1.4.2", scheduler, "it listens on loopback", is("bind-address", "127.0.0.1"), false, ""},
		{"2.1", etcd, "a serving certificate is set", set("cert-file", "key-file"), true, ""},
		{"2.2", etcd, "clients show certificates", is("client-cert-auth", "true"), true, ""},
		{"2.3", etcd, "auto-tls is off", func(f flags) bool { return !f.is("auto-tls", "true") }, false, ""},
		{"2.4", etcd, "a certificate among peers is set", set("peer-cert-file", "peer-key-file"), true, ""},
		{"2.5", etcd, "peers show certificates", is("peer-client-cert-auth", "true"), true, ""},
		{"2.6", etcd, "peer-auto-tls is off", func(f flags) bool { return !f.is("peer-auto-tls", "true") }, false, ""},
		{"2.7", etcd, "it has an authority of its own", is("trusted-ca-file", "/etc/kubernetes/pki/etcd/ca.crt"), true, ""},
		{"4.2.1", kubelet, "anonymous-auth is off", off("authentication.anonymous.enabled"), false, ""},
		{"4.2.2", kubelet, "the API server authorizes", is("authorization.mode", "Webhook"), false, ""},
		{"4.2.3", kubelet, "an authority of clients is set", set("authentication.x509.clientCAFile"), false, ""},
		{"4.2.4", kubelet, "the read-only port is closed", is("readOnlyPort", "0"), false, ""},
		{"4.2.5", kubelet, "idle streams end", lacks("streamingConnectionIdleTimeout", "0"), false, ""},
		{"4.2.6", kubelet, "it makes its chains of iptables", lacks("makeIPTablesUtilChains", "false"), false, ""},
		{"4.2.8", kubelet, "events are limited as Kubernetes has it", unset("eventRecordQPS"), false, ""},
		{"4.2.10", kubelet, "client certificates are rotated", is("rotateCertificates", "true"), false, ""},
		{"4.2.11", kubelet, "serving certificates are asked for and rotated", is("serverTLSBootstrap", "true"), false, ""},
		{"4.2.12", kubelet, "only strong ciphers are offered", strong("tlsCipherSuites"), false, ""},
		{"4.2.13", kubelet, "pods have a limit of processes", least("podPidsLimit", 1), false, ""},
		{"4.2.14", kubelet, "seccomp is on by default", is("seccompDefault", "true"), false, ""},
		{"4.3.1", kubeProxy, "its metrics are on loopback", is("metricsBindAddress", "127.0.0.1:10249"), false, ""},
	}
}

// flatten gives the values of a document by the path of their names.
func flatten(prefix string, value any, into flags) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			flatten(strings.TrimPrefix(prefix+"."+name, "."), inner, into)
		}
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, fmt.Sprint(item))
		}
		into[prefix] = strings.Join(items, ",")
	default:
		into[prefix] = fmt.Sprint(v)
	}
}

// renderedFlags are what our configuration itself has, by component.
func renderedFlags(t *testing.T) map[string]flags {
	t.Helper()
	out := map[string]flags{etcd: {}}
	for _, document := range strings.Split(parse(t, render(t, initHost())).file(t, "/etc/kubernetes/kubeadm.yaml").Content, "---\n") {
		var read map[string]any
		if err := yaml.Unmarshal([]byte(document), &read); err != nil {
			t.Fatal(err)
		}
		switch read["kind"] {
		case "KubeletConfiguration", "KubeProxyConfiguration":
			name := map[any]string{"KubeletConfiguration": kubelet, "KubeProxyConfiguration": kubeProxy}[read["kind"]]
			out[name] = flags{}
			flatten("", read, out[name])
		case "ClusterConfiguration":
			for field, name := range map[string]string{"apiServer": apiServer, "controllerManager": controllerManager, "scheduler": scheduler} {
				out[name] = flags{}
				for _, arg := range read[field].(map[string]any)["extraArgs"].([]any) {
					a := arg.(map[string]any)
					out[name][a["name"].(string)] = a["value"].(string)
				}
			}
		}
	}
	return out
}

// TestCIS holds what a cluster is made with to each recommendation. Where there is a kubeadm, the pods that it makes are
// looked at; otherwise those recommendations are left out that it sees to by itself.
func TestCIS(t *testing.T) {
	have, pods := renderedFlags(t), staticPods(t, initHost())
	for name, pod := range pods {
		have[name] = flags{}
		for _, word := range pod.Spec.Containers[0].Command[1:] {
			flag, value, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
			have[name][flag] = value
		}
	}
	var report strings.Builder
	for _, r := range recommendations() {
		verdict := "holds"
		if r.deviates != "" {
			verdict = "deviates: " + r.deviates
		}
		fmt.Fprintf(&report, "%s %s, %s: %s\n", r.id, r.component, r.what, verdict)
		if pods == nil && r.kubeadms {
			continue
		}
		if r.holds(have[r.component]) != (r.deviates == "") {
			t.Errorf("%s %s, %s: not so, have %v", r.id, r.component, r.what, have[r.component])
		}
	}
	path := filepath.Join("testdata", "cis.golden")
	if *update {
		write(t, path, report.String())
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), report.String()); diff != "" {
		t.Errorf("differs from %s (-update writes it):\n%s", path, diff)
	}
	if pods == nil {
		t.Log("what kubeadm itself sees to was not looked at: there is none, or no right to give it a root of its own")
	}
}

// TestEncryption: 1.2.28, the provider of encryption is one of those that the benchmark names, and comes first.
func TestEncryption(t *testing.T) {
	for _, h := range []string{"init", "control-plane"} {
		f := parse(t, render(t, goldenHosts()[h])).file(t, "/etc/kubernetes/encryption.yaml")
		var c struct {
			Resources []struct {
				Resources []string
				Providers []map[string]struct {
					Keys []struct{ Name, Secret string }
				}
			}
		}
		if err := yaml.Unmarshal([]byte(f.Content), &c); err != nil {
			t.Fatal(err)
		}
		first := c.Resources[0].Providers[0]["secretbox"]
		if f.Permissions != "0600" || !slices.Contains(c.Resources[0].Resources, "secrets") || len(first.Keys) != 1 || first.Keys[0].Secret != string(testPKI().EncryptionKey) {
			t.Errorf("%s: %s %s", h, f.Permissions, f.Content)
		}
	}
	for _, f := range parse(t, render(t, workerHost())).WriteFiles {
		if strings.Contains(f.Path, "encryption") || strings.Contains(f.Path, "audit") {
			t.Errorf("a worker has %s", f.Path)
		}
	}
}
