package coe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// patience with an operation: on an idle machine it takes a few seconds.
const patience = 2 * time.Minute

// directions are what happens between commands; what they return is written below them.
var directions = []struct {
	says *regexp.Regexp
	do   func(*play, *testing.T, []string) string
}{
	{regexp.MustCompile(`^(\S+) becomes (\S+)$`), func(p *play, t *testing.T, a []string) string {
		p.One.Settled(t, a[1], a[2], patience)
		return ""
	}},
	{regexp.MustCompile(`^the server (\S+) is gone$`), func(p *play, t *testing.T, a []string) string {
		if l := p.Left(t, p.One.ProjectID)["server"]; slices.ContainsFunc(l, func(s string) bool { return strings.HasPrefix(s, a[1]) }) {
			t.Errorf("server %s is still there: %v", a[1], l)
		}
		return ""
	}},
	{regexp.MustCompile(`^(\S+) is gone$`), func(p *play, t *testing.T, a []string) string {
		p.One.Gone(t, a[1], patience)
		return ""
	}},
	{regexp.MustCompile(`^the cloud has no host for servers$`), func(p *play, t *testing.T, _ []string) string {
		p.Inject(t, sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Action: sim.Action{Fault: "No valid host was found."}})
		return ""
	}},
	{regexp.MustCompile(`^the cloud has hosts again$`), func(p *play, t *testing.T, _ []string) string {
		p.ClearFaults(t)
		return ""
	}},
	{regexp.MustCompile(`^the nodes, asked for with ./(\S+)$`), func(p *play, t *testing.T, a []string) string {
		return nodes(t, filepath.Join(p.terminal.dir, a[1]))
	}},
	{regexp.MustCompile(`^what ./(\S+) says$`), func(p *play, t *testing.T, a []string) string {
		text, err := os.ReadFile(filepath.Join(p.terminal.dir, a[1]))
		check(t, err)
		return string(text)
	}},
	{regexp.MustCompile(`^whose certificate ./(\S+) is, for the CA of ./(\S+)$`), func(p *play, t *testing.T, a []string) string {
		return subject(t, filepath.Join(p.terminal.dir, a[1]), filepath.Join(p.terminal.dir, a[2]))
	}},
}

func (p *play) direct(t *testing.T, text string) string {
	t.Helper()
	for _, d := range directions {
		if a := d.says.FindStringSubmatch(text); a != nil {
			return d.do(p, t, a)
		}
	}
	t.Fatalf("nobody knows the direction (%s)", text)
	return ""
}

// worker stands for the id of the server of one of dev's workers.
const worker = "$WORKER"

func (p *play) worker(t *testing.T) {
	t.Helper()
	servers := p.Left(t, p.One.ProjectID)["server"]
	for _, s := range servers {
		if id, name, _ := strings.Cut(s, " "); strings.HasPrefix(name, "dev-") && strings.Contains(name, "-default-worker-") {
			p.constant.literal(id, worker)
			return
		}
	}
	t.Fatalf("dev has no worker among %v", servers)
}

// nodes asks the cluster, with the configuration that the client wrote, as kubectl does.
func nodes(t *testing.T, kubeconfig string) string {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(t, err)
	if cfg.Insecure || len(cfg.CAData) == 0 {
		t.Errorf("%s verifies nothing", kubeconfig)
	}
	client, err := dynamic.NewForConfig(cfg)
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}).List(ctx, metav1.ListOptions{})
	check(t, err)
	var names []string
	for _, n := range l.Items {
		names = append(names, n.GetName()+"\n")
	}
	slices.Sort(names)
	return strings.Join(names, "")
}

// subject of a client's certificate, which the CA has signed.
func subject(t *testing.T, certificate, authority string) string {
	t.Helper()
	ca, err := os.ReadFile(authority)
	check(t, err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("no certificate is in %s", authority)
	}
	text, err := os.ReadFile(certificate)
	check(t, err)
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate is in %s", certificate)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	check(t, err)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("%s: %v", certificate, err)
	}
	return fmt.Sprintln(leaf.Subject)
}

// files are what the first tenant has at home: a public key, a folder, and requests for certificates, one of them none.
func (p *play) files(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	public, err := ssh.NewPublicKey(&key.PublicKey)
	check(t, err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "ada", Organization: []string{"builders"}}}, key)
	check(t, err)
	for name, content := range map[string][]byte{
		"id.pub":  ssh.MarshalAuthorizedKey(public),
		"ada.csr": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}),
		"bad.csr": []byte("please let me in\n"),
	} {
		check(t, os.WriteFile(filepath.Join(p.terminal.dir, name), content, 0o600))
	}
	for _, name := range []string{"dev", "keystone"} {
		check(t, os.Mkdir(filepath.Join(p.terminal.dir, name), 0o700))
	}
}
