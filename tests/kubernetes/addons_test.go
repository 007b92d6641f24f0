package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestAddonsAreAccepted holds what add-ons are rendered to a real API server, without nodes: every object is valid to the
// last field, applying twice changes nothing, a class of volumes can become another one, and all of it goes again.
func TestAddonsAreAccepted(t *testing.T) {
	access := apiServer(t)
	c, err := kube.New(access)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	testenv.Eventually(t, 2*time.Minute, "the API server to be ready", func() bool { return c.Ready(t.Context()) == nil })
	set, err := client.NewForConfig(&rest.Config{Host: access.Endpoint, TLSClientConfig: rest.TLSClientConfig{CAData: access.CA, CertData: access.ClientCert, KeyData: access.ClientKey}})
	if err != nil {
		t.Fatal(err)
	}
	facts := addons.Cluster{Name: "dev-x2x2x", KubernetesVersion: binaries.Releases()[0].Kubernetes, PodCIDR: "10.100.0.0/16", ServiceCIDR: "10.254.0.0/16", DNSDomain: "cluster.local", Settings: map[string]string{},
		Cloud:   addons.Cloud{AuthURL: "https://keystone.example.org/v3", UserID: "u", Password: "p", ProjectID: "p", CA: []byte("a certificate")},
		Storage: addons.Storage{VolumeTypes: []string{"ssd", "__DEFAULT__"}, ShareTypes: []addons.ShareType{{Name: "nfs"}}}}
	all := func() []*unstructured.Unstructured {
		var objects []*unstructured.Unstructured
		for _, name := range []string{addons.CoreDNS, addons.CloudConfig, addons.CloudProvider, addons.CinderCSI, addons.ManilaCSI, addons.MetricsServer} {
			l, err := addons.Render(facts, name)
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, l...)
		}
		return objects
	}
	apply := func() {
		t.Helper()
		if err := c.ApplyObjects(t.Context(), all(), addons.ManagedBy); err != nil {
			t.Fatal(err)
		}
	}
	versions := func() map[string]string {
		out := map[string]string{}
		daemons, err1 := set.AppsV1().DaemonSets("kube-system").List(t.Context(), metav1.ListOptions{})
		classes, err2 := set.StorageV1().StorageClasses().List(t.Context(), metav1.ListOptions{})
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for _, d := range daemons.Items {
			out[d.Name] = d.ResourceVersion
		}
		for _, s := range classes.Items {
			out[s.Name] = s.ResourceVersion + string(*s.ReclaimPolicy)
		}
		return out
	}
	apply()
	first := versions()
	if len(first) != 6 {
		t.Errorf("daemon sets and classes: %v", first)
	}
	apply()
	for name, version := range versions() {
		if first[name] != version {
			t.Errorf("applied again, %s changed from %s to %s", name, first[name], version)
		}
	}
	facts.Settings["csi_cinder_reclaim_policy"] = "Retain"
	apply()
	if class, err := set.StorageV1().StorageClasses().Get(t.Context(), "cinder-ssd", metav1.GetOptions{}); err != nil || *class.ReclaimPolicy != "Retain" {
		t.Errorf("the class that was to be another one: %+v, %v", class, err)
	}

	const ours = addons.ManagedLabel + "=" + addons.ManagedBy + "," + addons.Label
	keep := func(u *unstructured.Unstructured) bool { return u.GetLabels()[addons.Label] != addons.MetricsServer }
	if n, err := c.Prune(t.Context(), ours, keep); err != nil || n != 9 { // its API service has nobody behind it: that group cannot be listed
		t.Errorf("metrics-server: %d objects gone, %v", n, err)
	}
	if n, err := c.Prune(t.Context(), ours, func(*unstructured.Unstructured) bool { return false }); err != nil || n != len(all())-9 {
		t.Errorf("the rest: %d objects gone of %d, %v", n, len(all())-9, err)
	}
	if left := versions(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// apiServer starts one with its etcd on loopback, and gives an administrator's access to it.
func apiServer(t *testing.T) kube.Access {
	t.Helper()
	c, err := binaries.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	folder, release := t.TempDir(), binaries.Releases()[0]
	source := pki.Source{Now: time.Now(), Rand: rand.Reader}
	ca, err := pki.NewCA("test", 2048, time.Hour, source)
	if err != nil {
		t.Fatal(err)
	}
	private, public, err := pki.NewKeyPair(2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"ca.crt": ca.Certificate, "sa.key": private, "sa.pub": public} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store, peers, port := testenv.FreePort(t), testenv.FreePort(t), testenv.FreePort(t)
	start := func(name string, args ...string) {
		log, err := os.Create(filepath.Join(t.ArtifactDir(), name+".log"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(c.Program(release, name), args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = folder, log, log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = log.Close() })
	}
	url := func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }
	start("etcd", "--data-dir=etcd", "--unsafe-no-fsync", "--listen-client-urls="+url(store), "--advertise-client-urls="+url(store), "--listen-peer-urls="+url(peers))
	start("kube-apiserver", "--etcd-servers="+url(store), "--bind-address=127.0.0.1", "--advertise-address=192.0.2.2", fmt.Sprintf("--secure-port=%d", port), "--cert-dir=certs",
		"--client-ca-file=ca.crt", "--authorization-mode=RBAC", "--allow-privileged=true", "--service-cluster-ip-range=10.254.0.0/16", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key")
	served := filepath.Join(folder, "certs", "apiserver.crt")
	testenv.Eventually(t, 2*time.Minute, "the API server to have made its certificate", func() bool { _, err := os.Stat(served); return err == nil })
	trusted, err := os.ReadFile(served)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "test", Organization: []string{"system:masters"}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pki.SignCSR(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), pki.Options{TermOfValidity: time.Hour, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return kube.Access{Endpoint: fmt.Sprintf("https://127.0.0.1:%d", port), CA: slices.Clone(trusted), ClientCert: cert, ClientKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), Timeout: time.Minute}
}
