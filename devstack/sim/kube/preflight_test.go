package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"maps"
	"strings"
	"testing"
)

func TestGoodUserData(t *testing.T) {
	c := newCloud(t)
	tests := []struct {
		name string
		host Host
	}{
		{"first control plane", c.master(0)},
		{"further control plane", c.master(1)},
		{"worker", c.worker(0)},
		{"gzipped", func() Host {
			host := c.worker(0)
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, err := w.Write(host.UserData)
			check(t, err)
			check(t, w.Close())
			host.UserData = b.Bytes()
			return host
		}()},
		{"kubeadm in runcmd itself", replaced(c.worker(0), "- [/usr/local/sbin/jeroboam-bootstrap]", "- kubeadm join --config=/etc/kubernetes/kubeadm.yaml")},
		{"script of two branches", replaced(c.worker(0), packed(t, joinScript), packed(t, joinScript+"say kubeadm join begins\nkubeadm join \\\n  --config /etc/kubernetes/kubeadm.yaml\n"))},
		{"dual stack", replaced(c.master(0), "podSubnet: 10.100.0.0/16", "podSubnet: 10.100.0.0/16,fd00:1::/56", "serviceSubnet: 10.254.0.0/16", "serviceSubnet: 10.254.0.0/16,fd00:2::/112")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := prepare(test.host); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// replaced changes the user data of a host; what it replaces has to be there.
func replaced(host Host, pairs ...string) Host {
	data := string(host.UserData)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(data, pairs[i]) {
			data = "no " + pairs[i] // a test with a mistake fails
		}
		data = strings.ReplaceAll(data, pairs[i], pairs[i+1])
	}
	host.UserData = []byte(data)
	return host
}

func TestBadUserData(t *testing.T) {
	c := newCloud(t)
	master, second, worker := c.master(0), c.master(1), c.worker(0)
	withPKI := func(host Host, name string, content []byte) Host {
		return replaced(host, base64.StdEncoding.EncodeToString(c.pki.files[name]), base64.StdEncoding.EncodeToString(content))
	}
	other := newPKI(t)
	leaf, leafKey := c.pki.client(t, "nobody")
	tests := []struct {
		name string
		host Host
		want string // in the console
	}{
		{"none", func() Host { h := worker; h.UserData = nil; return h }(), "no user data"},
		{"wrong header", replaced(worker, "#cloud-config", "# cloud-config"), "unhandled non-multipart"},
		{"not YAML", replaced(worker, "write_files:", "write_files: ]"), "invalid cloud-config"},
		{"truncated gzip", func() Host { h := worker; h.UserData = []byte{0x1f, 0x8b, 8}; return h }(), "decompress user data"},
		{"unknown key", replaced(worker, "runcmd:", "bootcmd: []\nruncmd:"), `unknown field "bootcmd"`},
		{"key in another case", replaced(worker, "runcmd:", "RunCmd:"), `unknown field "RunCmd"`},
		{"key twice", replaced(worker, "runcmd:", "hostname: again\nruncmd:"), "already set"},
		{"unknown key of a file", replaced(worker, "  permissions: \"0700\"", "  mode: \"0700\""), `unknown field "write_files[2].mode"`},
		{"permissions that are a number", replaced(worker, `"0700"`, "0700"), "permissions"},
		{"permissions in words", replaced(worker, `"0700"`, "u=rwx"), "not an octal number"},
		{"hostname that is a list", replaced(worker, "hostname: demo-node-0", "hostname: [a]"), "hostname"},
		{"wrong manage_etc_hosts", replaced(worker, "runcmd:", "manage_etc_hosts: template\nruncmd:"), "manage_etc_hosts"},
		{"relative path", replaced(worker, "path: /usr/local", "path: usr/local"), "not an absolute, clean path"},
		{"unknown owner", replaced(worker, "owner: root:root", "owner: kube:kube"), "unknown user or group"},
		{"unknown encoding", replaced(worker, "gz+b64", "zstd"), "unknown encoding"},
		{"bad base64", replaced(worker, packed(t, joinScript), "not-base64"), "decode base64"},
		{"bad gzip", replaced(worker, packed(t, joinScript), base64.StdEncoding.EncodeToString([]byte("plain"))), "decompress content"},
		{"no command", replaced(worker, "- [/usr/local/sbin/jeroboam-bootstrap]", "- [systemctl, daemon-reload]"), "no command runs kubeadm"},
		{"command of wrong type", replaced(worker, "- [/usr/local/sbin/jeroboam-bootstrap]", "- {a: b}"), "neither a string nor a list"},
		{"script is missing", replaced(worker, "path: /usr/local/sbin/jeroboam-bootstrap", "path: /usr/local/sbin/other"), "no such file or directory"},
		{"script is not executable", replaced(worker, `"0700"`, `"0600"`), "permission denied"},
		{"script without interpreter", replaced(worker, packed(t, joinScript), packed(t, "kubeadm join --config /etc/kubernetes/kubeadm.yaml")), "exec format error"},
		{"script without configuration", replaced(worker, packed(t, joinScript), packed(t, "#!/bin/sh\nkubeadm join\n")), "without --config"},
		{"script of both", replaced(worker, packed(t, joinScript), packed(t, joinScript+"kubeadm init --config /etc/kubernetes/kubeadm.yaml")), "different commands"},
		{"script of an init", replaced(worker, packed(t, joinScript), packed(t, initScript)), "kubeadm init: the configuration has a JoinConfiguration"},
		{"script of a join", replaced(master, packed(t, initScript), packed(t, joinScript)), "kubeadm join: the configuration has an InitConfiguration"},
		{"configuration is missing", replaced(worker, "path: /etc/kubernetes/kubeadm.yaml", "path: /etc/kubernetes/other.yaml"), "unable to read config"},
		{"image without kubeadm", func() Host { h := worker; h.Image = nil; return h }(), "kubeadm: command not found"},
		{"host without address", func() Host { h := worker; h.FixedIPs = nil; return h }(), "the host has no address"},

		{"old kubeadm API", replaced(worker, "kubeadm.k8s.io/v1beta4", "kubeadm.k8s.io/v1beta3"), "no kind of this name"},
		{"unknown field of kubeadm", replaced(worker, "kubeConfigPath", "kubeconfigPath"), `unknown field "discovery.file.kubeconfigPath"`},
		{"field of kubeadm in another case", replaced(master, "podSubnet", "podsubnet"), `unknown field "networking.podsubnet"`},
		{"arguments as a mapping", replaced(worker, "- name: provider-id\n        value: openstack:///id-demo-node-0", "  provider-id: x"), "kubeletExtraArgs"},
		{"no such duration", replaced(master, "ttl: 24h", "ttl: a day"), "duration"},
		{"kind twice", replaced(worker, "    discovery:", "    ---\n    apiVersion: kubeadm.k8s.io/v1beta4\n    kind: JoinConfiguration\n    discovery:"), "specified more than once"},
		{"token of an init", replaced(master, testToken, "ABCDEF.0123456789abcdef"), "the bootstrap token is invalid"},
		{"token of a join", replaced(worker, testToken, "abcdef0123456789abcdef"), "the bootstrap token is invalid"},
		{"usage of a token", replaced(master, "[signing, authentication]", "[signing, login]"), `Unsupported value: "login"`},
		{"endpoint without port", replaced(master, "controlPlaneEndpoint: 10.0.0.5:6443", "controlPlaneEndpoint: 10.0.0.5"), "controlPlaneEndpoint"},
		{"discovery by token", replaced(worker, "file: {kubeConfigPath: /etc/kubernetes/discovery.conf}", "bootstrapToken: {token: "+testToken+"}"), "discovery by token is not simulated"},
		{"discovery by nothing", replaced(worker, "      file: {kubeConfigPath: /etc/kubernetes/discovery.conf}\n", ""), "bootstrapToken or file must be set"},
		{"discovery file without a path", replaced(worker, "{kubeConfigPath: /etc/kubernetes/discovery.conf}", "{}"), "discovery.file.kubeConfigPath"},
		{"discovery file is missing", replaced(worker, "path: /etc/kubernetes/discovery.conf", "path: /etc/kubernetes/other.conf"), "couldn't validate the identity of the API Server"},
		{"pod subnet", replaced(master, "10.100.0.0/16", "10.100.0.0"), "couldn't parse subnet"},
		{"pod subnet that is too small", replaced(master, "10.100.0.0/16", "10.100.0.0/25"), "smaller than the size of node subnet"},
		{"overlapping subnets", replaced(master, "10.100.0.0/16", "10.254.0.0/16"), "overlaps"},
		{"service subnet that is too large", replaced(master, "10.254.0.0/16", "11.0.0.0/8"), "too large"},
		{"service subnet that is too small", replaced(master, "10.254.0.0/16", "10.254.0.0/30"), "too small"},
		{"DNS domain", replaced(master, "dnsDomain: cluster.local", "dnsDomain: Cluster_Local"), "dnsDomain"},
		{"SAN", replaced(master, "api.demo.example", "api_demo"), "altname is not a valid IP address"},
		{"version", replaced(master, "v1.37.2", "latest"), "not of the form"},
		{"version of another minor", replaced(master, "v1.37.2", "v1.36.2"), "does not deploy control planes of version v1.36.2"},
		{"encryption algorithm", replaced(master, "ECDSA-P256", "DSA"), "encryptionAlgorithm"},
		{"feature gate", replaced(master, "    clusterName: demo", "    clusterName: demo\n    featureGates: {NoSuchGate: true}"), "unrecognized feature-gate key"},
		{"advertised address of another host", replaced(master, "advertiseAddress: 10.0.0.10", "advertiseAddress: 10.0.0.99"), "cannot assign requested address"},
		{"node name", replaced(worker, "name: demo-node-0\n      cri", "name: Demo_Node\n      cri"), "nodeRegistration.name"},
		{"socket without scheme", replaced(worker, "unix:///run", "/run"), `only URL scheme "unix"`},
		{"socket of another runtime", replaced(worker, "containerd/containerd.sock", "docker.sock"), "[ERROR CRI]"},
		{"taint", replaced(worker, "effect: NoSchedule", "effect: Never"), "invalid taint effect"},
		{"unknown field of the kubelet", replaced(master, "maxPods", "maximumPods"), `unknown field "maximumPods"`},
		{"type of a field of the kubelet", replaced(master, "maxPods: 110", "maxPods: many"), `"maxPods" is not a number`},
		{"unknown field of kube-proxy", replaced(master, "mode: nftables", "modus: nftables"), `unknown field "modus"`},
		{"unknown kubelet flag", replaced(worker, "name: provider-id", "name: provider"), "unknown flag: --provider"},
		{"role by the kubelet", replaced(worker, "magnum.openstack.org/role=worker", "node-role.kubernetes.io/worker="), "unknown 'kubernetes.io' or 'k8s.io' labels"},
		{"malformed label", replaced(worker, "magnum.openstack.org/role=worker", "role:worker"), "malformed pair"},
		{"node IP of another host", replaced(worker, "name: provider-id\n        value: openstack:///id-demo-node-0", "name: node-ip\n        value: 10.9.9.9"), "not found in the host's network interfaces"},

		{"control plane without CAs", replaced(second, c.pki.writeFiles(), ""), "ca.crt: no such file or directory"},
		{"worker with a CA", replaced(worker, "runcmd:", "- path: /etc/kubernetes/pki/ca.crt\n  content: x\nruncmd:"), "[ERROR FileAvailable--etc-kubernetes-pki-ca.crt]"},
		{"key that others may read", replaced(master, "ca.key\n  permissions: \"0600\"", "ca.key\n  permissions: \"0644\""), "must be readable by its owner only"},
		{"CA that is no certificate", withPKI(master, "ca.crt", []byte("nonsense")), "couldn't load the certificate file"},
		{"CA that is not one", replaced(withPKI(master, "ca.crt", leaf), base64.StdEncoding.EncodeToString(c.pki.files["ca.key"]), base64.StdEncoding.EncodeToString(leafKey)), "is not a CA"},
		{"key of another CA", withPKI(master, "etcd/ca.key", other.files["etcd/ca.key"]), "private key does not match the certificate"},
		{"key that is none", withPKI(master, "front-proxy-ca.key", []byte("nonsense")), "no key in PEM form"},
		{"service accounts' key", withPKI(master, "sa.key", []byte("nonsense")), "sa.key"},
		{"service accounts' public key", withPKI(master, "sa.pub", other.files["sa.pub"]), "is not that of"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := prepare(test.host)
			if err == nil {
				t.Fatal("it is good")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("it says: %v", err)
			}
			if text := err.Error(); strings.Contains(text, "0123456789abcdef") || strings.Contains(text, "PRIVATE KEY") {
				t.Errorf("a secret is in it: %v", err)
			}
		})
	}
}

// TestFailedHost shows what becomes of a host with bad user data.
func TestFailedHost(t *testing.T) {
	c := newCloud(t)
	c.boot(replaced(c.master(0), "v1.37.2", "v1.36.2"))
	c.awaitState(StateFailed, "demo-master-0")
	node := c.nodes["demo-master-0"]
	if !consoleHas(node, "[ERROR KubernetesVersion]") {
		t.Errorf("console %q", node.Console())
	}
	if conn, err := c.fabric.Dial(t.Context(), "outside", "10.0.0.5:6443"); err == nil {
		t.Error("it listens", conn.Close())
	}
	node.Stop()
	node.Stop() // again is nothing
	if node.State() != StateFailed {
		t.Errorf("it is %s", node.State())
	}
}

// TestNoLoop has a join whose script tries once.
func TestNoLoop(t *testing.T) {
	c := newCloud(t)
	c.boot(replaced(c.worker(0), packed(t, joinScript), packed(t, "#!/bin/sh\nexec kubeadm join --config /etc/kubernetes/kubeadm.yaml\n")))
	c.awaitState(StateFailed, "demo-node-0")
}

// TestUnreachableEndpoint has a cluster whose endpoint leads nowhere at first.
func TestUnreachableEndpoint(t *testing.T) {
	c := newCloud(t)
	c.fabric.addresses["api.demo.test"] = nil
	c.boot(replaced(c.master(0), "controlPlaneEndpoint: 10.0.0.5:6443", "controlPlaneEndpoint: api.demo.test:6443"))
	await(t, func() error {
		if node := c.nodes["demo-master-0"]; !consoleHas(node, "connection refused") {
			return errNoLine(node)
		}
		return nil
	})
	if state := c.nodes["demo-master-0"].State(); state != StateInitializing {
		t.Errorf("it is %s", state)
	}
	c.fabric.mu.Lock()
	c.fabric.addresses["api.demo.test"] = []string{"id-demo-master-0"}
	c.fabric.mu.Unlock()
	c.awaitState(StateReady, "demo-master-0")
}

func TestBootArguments(t *testing.T) {
	c := newCloud(t)
	for name, change := range map[string]func(*Host){
		"no id":   func(h *Host) { h.ID = "" },
		"no name": func(h *Host) { h.Name = "" },
	} {
		host := c.worker(0)
		host.Image = maps.Clone(host.Image)
		change(&host)
		if _, err := Boot(context.Background(), host, c.fabric, c.clock); err == nil {
			t.Errorf("%s: it boots", name)
		}
	}
	if _, err := Boot(context.Background(), c.worker(0), nil, c.clock); err == nil {
		t.Error("without a fabric it boots")
	}
}
