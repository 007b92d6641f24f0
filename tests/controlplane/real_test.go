package controlplane

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestRealControlPlane: real components take the configuration as it is, and do with it what it is for.
func TestRealControlPlane(t *testing.T) {
	p := start(t)
	t.Run("Secrets are encrypted in etcd, and not in the audit log", p.testSecrets)
	t.Run("serving certificates of kubelets", p.testServing)
	t.Run("runtime classes", p.testRuntimeClasses)
	t.Run("who has no name", p.testAnonymous)
	t.Run("without etcd", p.testWithoutEtcd)
}

func (p *plane) testSecrets(t *testing.T) {
	const value = "open-sesame-5f3a"
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hush"}, StringData: map[string]string{"word": value}}
	if _, err := p.client(t, rest.ImpersonationConfig{}).CoreV1().Secrets("default").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(p.root, "var/lib/etcd"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, text := range []string{value, "k8s:enc:secretbox:v1:key1:", "/registry/secrets/default/hush"} {
			kept[text] = kept[text] || bytes.Contains(content, []byte(text))
		}
		return err
	})
	if err != nil || kept[value] || !kept["k8s:enc:secretbox:v1:key1:"] || !kept["/registry/secrets/default/hush"] {
		t.Errorf("etcd has on its disk: %v, %v", kept, err)
	}
	testenv.Eventually(t, patience, "an entry of the audit log", func() bool { return strings.Contains(p.audit(t), `"name":"hush"`) })
	for _, text := range []string{value, base64.StdEncoding.EncodeToString([]byte(value))} {
		if strings.Contains(p.audit(t), text) {
			t.Errorf("the audit log has %s", text)
		}
	}
}

func (p *plane) audit(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.root, "var/log/kubernetes/audit/audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// testServing: what we approve the controller manager signs; what we leave alone it does not.
func (p *plane) testServing(t *testing.T) {
	request := func(name, node, address string) {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
			DNSNames: []string{node}, IPAddresses: []net.IP{net.ParseIP(address)}}, key)
		if err != nil {
			t.Fatal(err)
		}
		r := &certificatesv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), SignerName: certificatesv1.KubeletServingSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth}}}
		kubelet := p.client(t, rest.ImpersonationConfig{UserName: "system:node:" + node, Groups: []string{"system:nodes", "system:authenticated"}})
		if _, err := kubelet.CertificatesV1().CertificateSigningRequests().Create(t.Context(), r, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	request("honest", "w1", "10.0.0.5")
	request("greedy", "w2", "10.0.0.5") // another's address
	addresses := map[string][]string{"w1": {"10.0.0.5"}, "w2": {"10.0.0.6"}}
	var seen kube.Serving
	testenv.Eventually(t, patience, "a serving certificate", func() bool {
		var err error
		if seen, err = p.kube.ApproveServing(t.Context(), addresses); err != nil {
			t.Fatal(err)
		}
		return seen.Issued["w1"] != nil
	})
	if !pki.IssuedBy(seen.Issued["w1"], p.ca.Certificate) || seen.Issued["w2"] != nil || !strings.Contains(seen.Refused["w2"], "10.0.0.5") {
		t.Errorf("%v, refused %v", len(seen.Issued), seen.Refused)
	}
}

func (p *plane) testRuntimeClasses(t *testing.T) {
	kata := kube.RuntimeClass{Name: "kata", Handler: "kata", Overhead: map[string]string{"cpu": "250m", "memory": "160Mi"}, Label: [2]string{"example.org/runtime", "kata"},
		Taint: kube.Taint{Key: "example.org/runtime", Value: "kata", Effect: "NoSchedule"}}
	classes := p.client(t, rest.ImpersonationConfig{}).NodeV1().RuntimeClasses()
	versions := map[string]bool{}
	for range 2 { // the second time changes nothing
		if err := p.kube.SetRuntimeClasses(t.Context(), []kube.RuntimeClass{kata}); err != nil {
			t.Fatal(err)
		}
		class, err := classes.Get(t.Context(), "kata", metav1.GetOptions{})
		if err != nil || class.Overhead.PodFixed.Memory().String() != "160Mi" || class.Scheduling.Tolerations[0].Value != "kata" {
			t.Fatalf("%+v, %v", class, err)
		}
		versions[class.ResourceVersion] = true
	}
	if len(versions) != 1 {
		t.Errorf("applying it again made other versions of it: %v", versions)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"}, Spec: corev1.PodSpec{RuntimeClassName: &kata.Name, Containers: []corev1.Container{{Name: "c", Image: "example.org/c"}}}}
	testenv.Eventually(t, patience, "the service account of pods", func() bool {
		made, err := p.client(t, rest.ImpersonationConfig{}).CoreV1().Pods("default").Create(context.Background(), pod, metav1.CreateOptions{})
		if err != nil {
			return false
		}
		if made.Spec.NodeSelector["example.org/runtime"] != "kata" || made.Spec.Overhead.Cpu().String() != "250m" {
			t.Errorf("a pod of the class: %+v", made.Spec)
		}
		return true
	})
	if err := p.kube.SetRuntimeClasses(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if l, err := classes.List(t.Context(), metav1.ListOptions{}); err != nil || len(l.Items) > 0 {
		t.Errorf("left: %v, %v", l, err)
	}
}

// ask without a name.
func (p *plane) ask(t *testing.T, path string) (status int, body string) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.ca.Certificate)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.endpoint()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(text)
}

// testAnonymous: health is everybody's to see, and next to nothing else.
func (p *plane) testAnonymous(t *testing.T) {
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 200, "/version": 200, "/metrics": 403, "/api": 403, "/apis": 403, "/openapi/v2": 403,
		"/api/v1/namespaces": 403, "/api/v1/namespaces/kube-system/secrets": 403, "/api/v1/nodes": 403} {
		if got, body := p.ask(t, path); got != want {
			t.Errorf("%s: HTTP %d, expected %d: %s", path, got, want, body)
		}
	}
}

// testWithoutEtcd: an API server that has lost etcd goes on listening, and says that it is neither alive nor ready, upon which
// the kubelet ends it. It is the last: etcd does not come back.
func (p *plane) testWithoutEtcd(t *testing.T) {
	p.stop(t, "etcd")
	testenv.Eventually(t, patience, "the API server to miss etcd", func() bool {
		live, _ := p.ask(t, "/livez")
		ready, _ := p.ask(t, "/readyz")
		return live == http.StatusInternalServerError && ready == http.StatusInternalServerError
	})
}
