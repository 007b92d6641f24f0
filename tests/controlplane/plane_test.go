package controlplane

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

const (
	version  = "v1.37.2"
	patience = 3 * time.Minute // on machines with other things to do
)

// plane is a control plane without nodes, in a folder and on ports of its own.
type plane struct {
	root  string
	ports map[string]int // those that kubeadm's flags name → ours
	runs  map[string]*os.Process
	ca    pki.Bundle
	admin pki.Bundle
	kube  *kube.Client
}

// program that `make kubernetes-binaries` has built.
func program(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("JEROBOAM_KUBERNETES_CACHE")
	if cache, err := os.UserCacheDir(); folder == "" && err == nil {
		folder = filepath.Join(cache, "jeroboam", "kubernetes")
	}
	of := "kubernetes@" + version
	if name == "etcd" {
		of = "etcd@*"
	}
	found, _ := filepath.Glob(filepath.Join(folder, "programs", of, name)) // the pattern is a good one
	if len(found) == 0 {
		t.Fatalf("there is no %s here: make kubernetes-binaries builds it", name)
	}
	return found[len(found)-1]
}

func start(t *testing.T) *plane {
	t.Helper()
	kubeadm, programs := program(t, "kubeadm"), map[string]string{}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		programs[name] = program(t, name)
	}
	if os.Getuid() != 0 {
		t.Fatal("kubeadm is given a root of its own, which root alone can do")
	}
	p := &plane{root: t.TempDir(), ports: map[string]int{}, runs: map[string]*os.Process{}}
	for _, port := range []string{"6443", "2379", "2380", "2381", "10257"} {
		p.ports[port] = freePort(t)
	}
	p.install(t)
	for _, phase := range []string{"certs all", "kubeconfig controller-manager", "control-plane all", "etcd local"} {
		args := append(append([]string{"init", "phase"}, strings.Fields(phase)...), "--config", "/etc/kubernetes/kubeadm.yaml", "--rootfs", p.root)
		if out, err := exec.Command(kubeadm, args...).CombinedOutput(); err != nil {
			t.Fatalf("kubeadm %v: %v\n%s", args, err, out)
		}
	}
	p.move(t, filepath.Join(p.root, "etc/kubernetes/controller-manager.conf"))
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		p.run(t, name, programs[name])
	}
	var err error
	if p.kube, err = kube.New(kube.Access{Endpoint: p.endpoint(), CA: p.ca.Certificate, ClientCert: p.admin.Certificate, ClientKey: p.admin.PrivateKey}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kube.Close)
	testenv.Eventually(t, patience, "the API server to be ready", func() bool { return p.kube.Ready(context.Background()) == nil })
	return p
}

func (p *plane) endpoint() string { return fmt.Sprintf("https://127.0.0.1:%d", p.ports["6443"]) }

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// install writes what the user data of a first control plane writes below /etc/kubernetes.
func (p *plane) install(t *testing.T) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	source, keys := pki.Source{Now: time.Now()}, map[string]userdata.KeyPair{}
	for _, name := range []string{"ca", "front", "etcd"} {
		b, err := pki.NewCA(name, 2048, time.Hour, source)
		check(err)
		keys[name] = userdata.KeyPair{Certificate: b.Certificate, PrivateKey: b.PrivateKey}
		if name == "ca" {
			p.ca = b
		}
	}
	var err error
	p.admin, err = pki.NewClient(p.ca, pki.Spec{CommonName: "admin", Organizations: []string{pki.GroupMasters}, KeySize: 2048, Validity: time.Hour}, source)
	check(err)
	private, public, err := pki.NewKeyPair(2048)
	check(err)
	data, err := userdata.Render(userdata.Host{Name: "m1", Role: userdata.RoleInit, Distro: "debian", ClusterName: "demo", KubernetesVersion: version,
		ControlPlaneEndpoint: net.JoinHostPort("127.0.0.1", strconv.Itoa(p.ports["6443"])), PodSubnet: "10.100.0.0/16", ServiceSubnet: "10.254.0.0/16", BootstrapToken: "abcdef.0123456789abcdef",
		PKI: &userdata.PKI{CA: keys["ca"], FrontProxyCA: keys["front"], EtcdCA: keys["etcd"], SigningCA: p.ca.Certificate, ServiceAccountPrivate: private, ServiceAccountPublic: public,
			EncryptionKey: []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))}})
	check(err)
	var c struct {
		WriteFiles []struct{ Path, Content, Encoding string } `json:"write_files"`
	}
	check(yaml.Unmarshal(data, &c))
	for _, f := range c.WriteFiles {
		if !strings.HasPrefix(f.Path, "/etc/kubernetes/") {
			continue
		}
		content := []byte(f.Content)
		if f.Encoding != "text/plain" {
			content = unpack(t, f.Content, f.Encoding)
		}
		file := filepath.Join(p.root, f.Path)
		check(os.MkdirAll(filepath.Dir(file), 0o700))
		check(os.WriteFile(file, content, 0o600))
	}
	check(os.MkdirAll(filepath.Join(p.root, "var/log/kubernetes/audit"), 0o700)) // the kubelet's work: DirectoryOrCreate
}

// move brings the paths, addresses and ports of a file to those of this control plane.
func (p *plane) move(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(p.here(string(content))), 0o600); err != nil {
		t.Fatal(err)
	}
}

var hostAddress = regexp.MustCompile(`https?://\[?[0-9a-f.:]+\]?:(\d+)`)

func (p *plane) here(text string) string {
	for _, folder := range []string{"/etc/kubernetes", "/var/log/kubernetes", "/var/lib/etcd"} {
		text = strings.ReplaceAll(text, folder, p.root+folder)
	}
	return hostAddress.ReplaceAllStringFunc(text, func(url string) string {
		scheme, _, _ := strings.Cut(url, "://")
		port := url[strings.LastIndex(url, ":")+1:]
		if ours, known := p.ports[port]; known {
			port = strconv.Itoa(ours)
		}
		return scheme + "://127.0.0.1:" + port
	})
}

// run starts what a static pod runs, with its own flags.
func (p *plane) run(t *testing.T, name, program string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.root, "etc/kubernetes/manifests", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict(text, &pod); err != nil {
		t.Fatal(err)
	}
	args := pod.Spec.Containers[0].Command[1:]
	for i, arg := range args {
		switch flag, _, _ := strings.Cut(arg, "="); flag {
		case "--secure-port":
			args[i] = flag + "=" + strconv.Itoa(p.ports["6443"])
		default:
			args[i] = p.here(arg)
		}
	}
	switch name {
	case "kube-apiserver":
		args = append(args, "--bind-address=127.0.0.1")
	case "kube-controller-manager":
		args = append(args, "--secure-port="+strconv.Itoa(p.ports["10257"]))
	}
	log, err := os.Create(filepath.Join(p.root, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.runs[name] = cmd.Process
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("%s %s\n%s", name, strings.Join(args, " "), said[max(0, len(said)-4000):])
		}
		_ = log.Close()
	})
}

// stop ends one of them for good.
func (p *plane) stop(t *testing.T, name string) {
	t.Helper()
	if err := p.runs[name].Kill(); err != nil {
		t.Fatal(err)
	}
}

// client of an administrator, who may be anybody.
func (p *plane) client(t *testing.T, as rest.ImpersonationConfig) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(&rest.Config{Host: p.endpoint(), Impersonate: as, TLSClientConfig: rest.TLSClientConfig{CAData: p.ca.Certificate, CertData: p.admin.Certificate, KeyData: p.admin.PrivateKey}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
