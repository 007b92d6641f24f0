package horizon

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const (
	template, cluster = "small-kubernetes", "fromhorizon"
	image, flavor     = "ubuntu-24.04-kube-v1.37.2", "m1.medium"
	keypair           = "mykey"
	settleTimeout     = 90 * time.Second

	// loaded is the page of clusters with its numbers: without them its table is empty for another reason
	loaded = `find('dd', /^Used \d+ of \d+$/)`
)

// TestHorizon is the life of a cluster in the browser.
func TestHorizon(t *testing.T) {
	s := stack.Start(t, stack.Options{Speed: 20, Conductors: 1})
	s.One.OpenStack(t, "keypair", "create", "--public-key", publicKey(t, s.Dir), keypair)
	orchestration(t, s)
	home := dashboard(t, s)
	p := browse(t, t.ArtifactDir())

	p.logIn(home, s.Region, s.One)
	p.makesTemplate(home)
	p.makesCluster(home)
	p.reloadsUntil(home, "CREATE_COMPLETE", "1")
	p.content("cluster-complete")
	p.downloadsCertificate(t, s)
	p.resizes()
	p.reloadsUntil(home, "UPDATE_COMPLETE", "2")
	p.content("cluster-resized")
	p.deletesCluster(home)
	p.deletesTemplate(home)
	if l, _ := s.One.Want(t, http.StatusOK, http.MethodGet, "/v1/clustertemplates", nil).JSON(t)["clustertemplates"].([]any); len(l) != 0 {
		t.Errorf("templates are left: %v", l)
	}
	if left := s.Left(t, s.One.ProjectID); len(left["server"]) > 0 || len(left["network"]) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
}

// publicKey is a file with one.
func publicKey(t *testing.T, dir string) string {
	t.Helper()
	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key.pub")
	if err := os.WriteFile(path, ssh.MarshalAuthorizedKey(public), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logIn goes past the overview, whose usage report is nobody's here, and chooses the region: Keystone is in two, and Horizon
// begins with either.
func (p *person) logIn(home, region string, x *stack.Tenant) {
	p.t.Helper()
	p.visit(home + "/auth/login/?next=/project/api_access/")
	p.sees(fmt.Sprintf("(() => { const n = %q, w = %q; const u = document.querySelector('#id_username'), s = document.querySelector('#id_password'); if (!u || !s) return false; u.value = n; s.value = w; return true })()", x.Name, x.Password))
	p.content("login")
	p.does("click", "#loginBtn", "")
	p.sees("location.pathname.startsWith('/project/api_access')")
	p.visit(home + "/auth/switch_services_region/" + region + "/?next=/project/clusters/")
	p.sees(loaded)
	p.content("logged-in")
}

func (p *person) makesTemplate(home string) {
	p.t.Helper()
	p.visit(home + "/project/cluster_templates")
	p.does("click", "button", "Create Cluster Template")
	p.does("enter", "Cluster Template Name", template)
	p.does("choose", "Container Orchestration Engine", "Kubernetes")
	p.content("template-info")
	p.does("click", ".modal .nav a", "Node Spec")
	p.does("choose", "Image", image)
	p.does("choose", "Flavor", flavor)
	p.does("choose", "Master Flavor", flavor)
	p.does("choose", "Keypair", keypair)
	p.content("template-nodes")
	p.does("click", ".modal .nav a", "Network")
	p.does("choose", "External Network ID", "public")
	p.content("template-network")
	p.does("click", ".modal-footer button", "Submit")
	p.sees(call("cells", template) + " !== null && document.querySelector('.modal') === null")
	p.content("template-made")
}

func (p *person) makesCluster(home string) {
	p.t.Helper()
	p.visit(home + "/project/clusters")
	p.does("click", "button", "Create Cluster")
	p.does("enter", "Cluster Name", cluster)
	p.does("choose", "Cluster Template", template)
	p.does("choose", "Availability Zone", "nova")
	p.does("choose", "Keypair", keypair)
	p.content("cluster-details")
	p.does("click", ".modal .nav a", "Size")
	p.does("enter", "Number of Master Nodes", "1")
	p.does("choose", "Flavor of Master Nodes", flavor)
	p.does("enter", "Number of Worker Nodes", "1")
	p.does("choose", "Flavor of Worker Nodes", flavor)
	p.content("cluster-size")
	p.does("click", ".modal .nav a", "Network")
	p.does("choose", "Cluster API", "Accessible on the public internet")
	p.content("cluster-network")
	p.does("click", ".modal-footer button", "Submit")
	p.sees(call("cells", cluster) + " !== null && document.querySelector('.modal') === null")
	p.content("cluster-made")
}

// reloadsUntil the cluster's row has the words in its cells: the table does not refresh itself.
func (p *person) reloadsUntil(home string, want ...string) {
	p.t.Helper()
	var row []string
	testenv.Eventually(p.giveUp(), settleTimeout, fmt.Sprintf("cluster to show %q", want), every(time.Second, func() bool {
		p.visit(home + "/project/clusters")
		p.sees(loaded + " && " + call("cells", cluster) + " !== null")
		row = evaluate[[]string](p, call("cells", cluster))
		return containsAll(row, want)
	}))
}

func containsAll(row, want []string) bool {
	for _, w := range want {
		found := false
		for _, cell := range row {
			found = found || cell == w
		}
		if !found {
			return false
		}
	}
	return true
}

// downloadsCertificate by the first action of the row, and compares it with what the API says.
func (p *person) downloadsCertificate(t *testing.T, s *stack.Stack) {
	t.Helper()
	p.does("clickInRow", cluster, "button, a", "Show Certificate")
	path := filepath.Join(p.artifacts, cluster+"_ca.pem")
	var raw []byte
	testenv.Eventually(p.giveUp(), patience, "the certificate to be downloaded", every(pollInterval, func() bool {
		var err error
		raw, err = os.ReadFile(path)
		return err == nil && len(raw) > 0
	}))
	block, _ := pem.Decode(raw)
	if block == nil {
		t.Fatalf("what was downloaded is no PEM: %s", raw)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !ca.IsCA {
		t.Fatalf("what was downloaded is no certificate of an authority: %v", err)
	}
	uuid := s.One.Want(t, http.StatusOK, http.MethodGet, "/v1/clusters/"+cluster, nil).JSON(t)["uuid"]
	said, _ := s.One.Want(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/v1/certificates/%v", uuid), nil).JSON(t)["pem"].(string)
	if !bytes.Equal(bytes.TrimSpace(raw), bytes.TrimSpace([]byte(said))) {
		t.Errorf("what was downloaded:\n%s\nwhat the API says:\n%s", raw, said)
	}
	p.content("certificate-downloaded")
}

func (p *person) resizes() {
	p.t.Helper()
	p.does("clickInRow", cluster, ".dropdown-toggle, [data-toggle=dropdown]", "")
	p.content("actions")
	p.does("clickInRow", cluster, "li a, li button", "Resize Cluster")
	p.does("enter", "Node Count", "2")
	p.content("resize")
	p.does("click", ".modal-footer button", "Submit")
	p.sees("document.querySelector('.modal') === null")
	p.content("resizing")
}

func (p *person) deletesCluster(home string) {
	p.t.Helper()
	p.deletes(cluster, "Delete Cluster")
	p.content("cluster-deleting")
	testenv.Eventually(p.giveUp(), settleTimeout, "the cluster to be gone from the table", every(time.Second, func() bool {
		p.visit(home + "/project/clusters")
		p.sees(loaded)
		return evaluate[bool](p, call("cells", cluster)+" === null")
	}))
	p.content("cluster-gone")
}

func (p *person) deletesTemplate(home string) {
	p.t.Helper()
	p.visit(home + "/project/cluster_templates")
	p.sees(call("cells", template) + " !== null")
	p.deletes(template, "Delete Cluster Template")
	p.sees(call("cells", template) + " === null && document.querySelector('.modal') === null")
	p.content("template-gone")
}

// deletes what a row stands for, and says yes.
func (p *person) deletes(name, action string) {
	p.t.Helper()
	p.does("clickInRow", name, ".dropdown-toggle, [data-toggle=dropdown]", "")
	p.does("clickInRow", name, "li a, li button", action)
	p.does("click", ".modal-footer .btn-danger, .modal-footer .btn-primary", "")
	p.sees("document.querySelector('.modal') === null")
}
