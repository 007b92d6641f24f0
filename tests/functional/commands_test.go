package functional

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// row is one of a list of the command's.
type row map[string]any

// session is one user at a terminal, and the cluster that is worked on.
type session struct {
	*stack.Stack
	uuid string // of the cluster
	dir  string
}

// commands is a working day with `openstack coe`, in order.
func commands(t *testing.T, s *stack.Stack) {
	x := &session{Stack: s, dir: t.TempDir()}
	steps := []struct {
		name string
		run  func(*testing.T)
	}{
		{"template", x.template}, {"create", x.create}, {"show", x.show}, {"config", x.config}, {"ca", x.certificates}, {"tenants", x.tenants},
		{"resize up", x.resizeUp}, {"resize down", x.resizeDown}, {"update", x.update}, {"nodegroups", x.nodeGroups}, {"services", x.services}, {"delete", x.delete},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			return // the rest would only say so again
		}
	}
}

func (x *session) template(t *testing.T) {
	var made, shown row
	x.One.JSON(t, &made, "coe", "cluster", "template", "create", "k8s", "--coe", "kubernetes", "--image", image, "--external-network", "public",
		"--flavor", flavor, "--master-flavor", flavor, "--master-lb-enabled", "--labels", "team=blue,auto_healing_enabled=false")
	want(t, made, row{"name": "k8s", "image_id": image, "coe": "kubernetes", "cluster_distro": "ubuntu", "external_network_id": "public",
		"flavor_id": flavor, "master_lb_enabled": true, "network_driver": "flannel", "server_type": "vm", "public": false})
	x.One.OpenStack(t, "coe", "cluster", "template", "update", "k8s", "add", "labels/shift=night")
	x.One.JSON(t, &shown, "coe", "cluster", "template", "show", "k8s")
	want(t, shown, row{"uuid": made["uuid"], "name": "k8s"})
	if l := fmt.Sprint(shown["labels"]); !strings.Contains(l, "shift") || !strings.Contains(l, "team") {
		t.Errorf("the labels are %s", l)
	}
	var all []row
	x.One.JSON(t, &all, "coe", "cluster", "template", "list")
	if len(all) != 1 || all[0]["uuid"] != made["uuid"] || all[0]["name"] != "k8s" {
		t.Errorf("the list of templates is %v", all)
	}
}

func (x *session) create(t *testing.T) {
	x.keypair(t)
	out := x.One.OpenStack(t, "coe", "cluster", "create", "dev", "--cluster-template", "k8s", "--master-count", "3", "--node-count", "2", "--keypair", "mykey",
		"--labels", "team=red", "--merge-labels")
	if _, err := fmt.Sscanf(out, "Request to create cluster %s accepted", &x.uuid); err != nil {
		t.Fatalf("it printed %q", out)
	}
	table := strings.Split(strings.TrimSpace(x.One.OpenStack(t, "coe", "cluster", "list")), "\n")
	if len(table) != 5 {
		t.Fatalf("the table has %d lines:\n%s", len(table), strings.Join(table, "\n"))
	}
	if got := cells(table[1]); !slices.Equal(got, []string{"uuid", "name", "keypair", "node_count", "master_count", "status", "health_status"}) {
		t.Errorf("the columns are %v", got)
	}
	got := cells(table[3])
	if !slices.Equal(got[:5], []string{x.uuid, "dev", "mykey", "2", "3"}) || !strings.HasPrefix(got[5], "CREATE_") {
		t.Errorf("the row is %v", got)
	}
	x.One.Settled(t, x.uuid, "CREATE_COMPLETE", settling)
}

// keypair uploads a key to Nova as the user would.
func (x *session) keypair(t *testing.T) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	public, err := ssh.NewPublicKey(&private.PublicKey)
	check(t, err)
	path := filepath.Join(x.dir, "id.pub")
	check(t, os.WriteFile(path, ssh.MarshalAuthorizedKey(public), 0o600))
	x.One.OpenStack(t, "keypair", "create", "--public-key", path, "mykey")
}

func (x *session) show(t *testing.T) {
	var c row
	x.One.JSON(t, &c, "coe", "cluster", "show", "dev")
	want(t, c, row{"uuid": x.uuid, "name": "dev", "status": "CREATE_COMPLETE", "health_status": "HEALTHY", "node_count": 2.0, "master_count": 3.0, "keypair": "mykey",
		"coe_version": "v1.37.2", "create_timeout": 60.0, "master_lb_enabled": true, "project_id": x.One.ProjectID})
	if got := fmt.Sprint(c["labels"]); !strings.Contains(got, "red") || !strings.Contains(got, "shift") {
		t.Errorf("the labels are %s", got)
	}
	for column, count := range map[string]int{"node_addresses": 2, "master_addresses": 3} {
		if l, _ := c[column].([]any); len(l) != count {
			t.Errorf("%s: %v, want %d", column, c[column], count)
		}
	}
	has := map[string]int{}
	for kind, l := range x.Left(t, x.One.ProjectID) {
		has[kind] = len(l)
	}
	for kind, count := range map[string]int{"server": 5, "load_balancer": 1, "network": 1, "subnet": 1, "router": 1, "floatingip": 1, "server_group": 2} {
		if has[kind] != count {
			t.Errorf("%d of %s in the cloud, want %d; all: %v", has[kind], kind, count, has)
		}
	}
}

func (x *session) config(t *testing.T) {
	out := x.One.OpenStack(t, "coe", "cluster", "config", "dev", "--dir", x.dir, "--output-certs")
	if want := "export KUBECONFIG=" + filepath.Join(x.dir, "config"); strings.TrimSpace(out) != want {
		t.Errorf("it printed %q, want %q", out, want)
	}
	x.nodes(t, 5)
	for _, name := range []string{"key.pem", "cert.pem", "ca.pem"} {
		if _, err := os.Stat(filepath.Join(x.dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// nodes lists the cluster's nodes over the kubeconfig that the command wrote and gives their names.
func (x *session) nodes(t *testing.T, count int) []string {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", filepath.Join(x.dir, "config"))
	check(t, err)
	if cfg.Insecure || len(cfg.CAData) == 0 {
		t.Error("the kubeconfig verifies nothing")
	}
	client, err := dynamic.NewForConfig(cfg)
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}).List(ctx, metav1.ListOptions{})
	check(t, err)
	var names []string
	for _, n := range l.Items {
		names = append(names, n.GetName())
		if !ready(n) {
			t.Errorf("node %s is not ready", n.GetName())
		}
	}
	if len(names) != count {
		t.Errorf("%d nodes, want %d: %v", len(names), count, names)
	}
	return names
}

func ready(n unstructured.Unstructured) bool {
	l, _, _ := unstructured.NestedSlice(n.Object, "status", "conditions")
	return slices.ContainsFunc(l, func(c any) bool {
		m, _ := c.(map[string]any)
		return m["type"] == "Ready" && m["status"] == "True"
	})
}

func (x *session) certificates(t *testing.T) {
	ca, _ := pem.Decode([]byte(x.One.OpenStack(t, "coe", "ca", "show", "dev")))
	if ca == nil {
		t.Fatal("ca show prints no certificate")
	}
	authority, err := x509.ParseCertificate(ca.Bytes)
	check(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "ada", Organization: []string{"builders"}}}, key)
	check(t, err)
	path := filepath.Join(x.dir, "ada.csr")
	check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}), 0o600))
	signed, _ := pem.Decode([]byte(x.One.OpenStack(t, "coe", "ca", "sign", "dev", path)))
	if signed == nil {
		t.Fatal("ca sign prints no certificate")
	}
	cert, err := x509.ParseCertificate(signed.Bytes)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("the certificate is not good for a client of the cluster: %v", err)
	}
	if cert.Subject.CommonName != "ada" || !slices.Equal(cert.Subject.Organization, []string{"builders"}) || !key.PublicKey.Equal(cert.PublicKey) {
		t.Errorf("it is about %s", cert.Subject)
	}
}

// tenants tries everything as somebody else: the cluster does not exist for him.
func (x *session) tenants(t *testing.T) {
	if out := x.Two.Refused(t, "coe", "cluster", "show", x.uuid); !strings.Contains(out, x.uuid) || !strings.Contains(out, "404") {
		t.Errorf("the command says %q", out)
	}
	var all []row
	x.Two.JSON(t, &all, "coe", "cluster", "list")
	for _, c := range all {
		if c["uuid"] == x.uuid {
			t.Error("the other tenant's list has the cluster")
		}
	}
	body := map[string]any{"node_count": 1}
	for _, r := range []struct {
		method, path string
		body         any
		status       int
	}{
		{"GET", "/v1/clusters/dev", nil, 404}, {"GET", "/v1/clusters/" + x.uuid, nil, 404}, {"DELETE", "/v1/clusters/" + x.uuid, nil, 404},
		{"PATCH", "/v1/clusters/" + x.uuid, []any{map[string]any{"op": "replace", "path": "/node_count", "value": 1}}, 404},
		{"POST", "/v1/clusters/" + x.uuid + "/actions/resize", body, 404},
		{"GET", "/v1/clusters/" + x.uuid + "/nodegroups", nil, 404}, {"GET", "/v1/clusters/" + x.uuid + "/nodegroups/default-worker", nil, 404},
		{"POST", "/v1/clusters/" + x.uuid + "/nodegroups", map[string]any{"name": "mine"}, 404}, {"DELETE", "/v1/clusters/" + x.uuid + "/nodegroups/default-worker", nil, 404},
		{"GET", "/v1/certificates/" + x.uuid, nil, 404}, {"POST", "/v1/certificates", map[string]any{"cluster_uuid": x.uuid, "csr": "x"}, 400},
		{"GET", "/v1/clustertemplates/k8s", nil, 404}, {"DELETE", "/v1/clustertemplates/k8s", nil, 404},
		{"POST", "/v1/clusters", map[string]any{"name": "mine", "cluster_template_id": "k8s"}, 404},
	} {
		if a := x.Two.Do(t, r.method, r.path, r.body); a.Status != r.status {
			t.Errorf("%s %s: %d, want %d: %s", r.method, r.path, a.Status, r.status, a.Body)
		}
	}
	if a := x.Admin.Want(t, 200, "GET", "/v1/clusters/"+x.uuid, nil); a.JSON(t)["name"] != "dev" {
		t.Errorf("the administrator sees %s", a.Body)
	}
}

func (x *session) resizeUp(t *testing.T) {
	x.One.OpenStack(t, "coe", "cluster", "resize", "dev", "4")
	if c := x.One.Settled(t, x.uuid, "UPDATE_COMPLETE", settling); c["node_count"] != 4.0 {
		t.Errorf("the node count is %v", c["node_count"])
	}
	x.nodes(t, 7)
	x.servers(t, 7)
}

// servers gives what the cloud has, «id name».
func (x *session) servers(t *testing.T, count int) []string {
	t.Helper()
	l := x.Left(t, x.One.ProjectID)["server"]
	if len(l) != count {
		t.Errorf("%d servers in the cloud, want %d: %v", len(l), count, l)
	}
	return l
}

func (x *session) resizeDown(t *testing.T) {
	servers := x.servers(t, 7)
	i := slices.IndexFunc(servers, func(s string) bool { return strings.Contains(s, "-default-worker-") })
	if i < 0 {
		t.Fatalf("no worker among %v", servers)
	}
	id, name, _ := strings.Cut(servers[i], " ")
	x.One.OpenStack(t, "coe", "cluster", "resize", "dev", "2", "--nodes-to-remove", id)
	x.One.Settled(t, x.uuid, "UPDATE_COMPLETE", settling)
	if slices.Contains(x.nodes(t, 5), name) || slices.Contains(x.servers(t, 5), servers[i]) {
		t.Errorf("%s was to be removed and is still there", name)
	}
}

func (x *session) update(t *testing.T) {
	x.One.OpenStack(t, "coe", "cluster", "update", "dev", "replace", "node_count=1")
	if c := x.One.Settled(t, x.uuid, "UPDATE_COMPLETE", settling); c["node_count"] != 1.0 {
		t.Errorf("the node count is %v", c["node_count"])
	}
	x.nodes(t, 4)
	x.servers(t, 4)
}

func (x *session) nodeGroups(t *testing.T) {
	x.One.OpenStack(t, "coe", "nodegroup", "create", "dev", "pool", "--node-count", "2", "--flavor", "m1.small", "--min-nodes", "1", "--max-nodes", "5")
	x.One.Settled(t, x.uuid, "UPDATE_COMPLETE", settling)
	var all []row
	x.One.JSON(t, &all, "coe", "nodegroup", "list", "dev")
	var names []string
	for _, g := range all {
		names = append(names, fmt.Sprint(g["name"]))
	}
	if !slices.Equal(names, []string{"default-master", "default-worker", "pool"}) {
		t.Errorf("the node groups are %v", names)
	}
	var g row
	x.One.JSON(t, &g, "coe", "nodegroup", "show", "dev", "pool")
	want(t, g, row{"name": "pool", "status": "CREATE_COMPLETE", "node_count": 2.0, "min_node_count": 1.0, "max_node_count": 5.0, "role": "worker", "is_default": false, "flavor_id": "m1.small"})
	x.nodes(t, 6)
	x.One.OpenStack(t, "coe", "nodegroup", "delete", "dev", "pool")
	x.One.Settled(t, x.uuid, "UPDATE_COMPLETE", settling)
	if a := x.One.Do(t, "GET", "/v1/clusters/dev/nodegroups/pool", nil); a.Status != http.StatusNotFound {
		t.Errorf("the deleted node group: %d: %s", a.Status, a.Body)
	}
	x.nodes(t, 4)
	x.servers(t, 4)
}

func (x *session) services(t *testing.T) {
	var all []row
	x.Admin.JSON(t, &all, "coe", "service", "list")
	var hosts []string
	for _, s := range all {
		hosts = append(hosts, fmt.Sprint(s["host"]))
		want(t, s, row{"binary": "magnum-conductor", "state": "up", "disabled": false})
	}
	if slices.Sort(hosts); !slices.Equal(hosts, []string{"conductor-1", "conductor-2"}) {
		t.Errorf("the conductors are %v", hosts)
	}
}

func (x *session) delete(t *testing.T) {
	// This command says what went wrong and ends well all the same.
	if out := x.One.OpenStack(t, "coe", "cluster", "template", "delete", "k8s"); !strings.Contains(out, "failed") || !strings.Contains(out, "referenced") {
		t.Errorf("deleting a template in use: %q", out)
	}
	x.One.OpenStack(t, "coe", "cluster", "delete", "dev")
	x.One.Gone(t, x.uuid, settling)
	if left := x.Left(t, x.One.ProjectID); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
	x.One.Want(t, 204, "DELETE", "/v1/clustertemplates/k8s", nil)
}

// want compares some columns.
func want(t *testing.T, got, some row) {
	t.Helper()
	for column, value := range some {
		if got[column] != value {
			t.Errorf("%s is %v (%T), want %v", column, got[column], got[column], value)
		}
	}
}

// cells of a line of a table.
func cells(line string) []string {
	var out []string
	for _, c := range strings.Split(strings.Trim(line, "|"), "|") {
		out = append(out, strings.TrimSpace(c))
	}
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
