// Package gophercloud calls everything that gophercloud's container-infra packages have, as Terraform and other programs
// in Go do, against our processes among real servers.
package gophercloud

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/certificates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clustertemplates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/nodegroups"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/quotas"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const patience = 2 * time.Minute

// user of the API, with the API found in Keystone's catalogue.
func user(t *testing.T, s *stack.Stack, x *stack.Tenant) *gophercloud.ServiceClient {
	t.Helper()
	p := testenv.Login(t, gophercloud.AuthOptions{UserID: x.UserID, Password: x.Password, Scope: &gophercloud.AuthScope{ProjectID: x.ProjectID}})
	c, err := openstack.NewContainerInfraV1(p, gophercloud.EndpointOpts{Region: s.Region})
	if err != nil {
		t.Fatal(err)
	}
	c.Microversion = "1.14"
	return c
}

func to[T any](v T) *T { return &v }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// becomes waits for a status of a cluster as Terraform does: one that is neither pending nor the target is an error.
func becomes(t *testing.T, c *gophercloud.ServiceClient, id, target string) *clusters.Cluster {
	t.Helper()
	pending := strings.SplitN(target, "_", 2)[0] + "_IN_PROGRESS"
	var x *clusters.Cluster
	testenv.Eventually(t, patience, "cluster to be "+target, func() bool {
		x = must[*clusters.Cluster](t)(clusters.Get(t.Context(), c, id).Extract())
		if x.Status != target && x.Status != pending {
			t.Fatalf("the cluster is %s: %s", x.Status, x.StatusReason)
		}
		return x.Status == target
	})
	return x
}

func groupBecomes(t *testing.T, c *gophercloud.ServiceClient, cluster, id, target string) *nodegroups.NodeGroup {
	t.Helper()
	pending := strings.SplitN(target, "_", 2)[0] + "_IN_PROGRESS"
	var x *nodegroups.NodeGroup
	testenv.Eventually(t, patience, "node group to be "+target, func() bool {
		x = must[*nodegroups.NodeGroup](t)(nodegroups.Get(t.Context(), c, cluster, id).Extract())
		if x.Status != target && x.Status != pending {
			t.Fatalf("the node group is %s", x.Status)
		}
		return x.Status == target
	})
	return x
}

func TestGophercloud(t *testing.T) {
	s := stack.Start(t, stack.Options{Speed: 20, Conductors: 1})
	one, admin := user(t, s, s.One), user(t, s, s.Admin)
	var template, cluster string
	t.Run("cluster templates", func(t *testing.T) { template = templates(t, one) })
	t.Run("clusters", func(t *testing.T) { cluster = life(t, one, template) })
	if cluster == "" {
		t.FailNow()
	}
	t.Run("certificates", func(t *testing.T) { certificate(t, one, cluster) })
	t.Run("node groups", func(t *testing.T) { groups(t, one, cluster) })
	t.Run("ten node groups at once", func(t *testing.T) { ten(t, one, cluster) })
	t.Run("quotas", func(t *testing.T) {
		q := must[*quotas.Quotas](t)(quotas.Create(t.Context(), admin, quotas.CreateOpts{ProjectID: s.One.ProjectID, Resource: "Cluster", HardLimit: 7}).Extract())
		if q.HardLimit != 7 || q.ProjectID != s.One.ProjectID || q.Resource != "Cluster" || q.ID == "" || q.CreatedAt.IsZero() {
			t.Errorf("%+v", q)
		}
	})
	t.Run("upgrade and delete", func(t *testing.T) { end(t, one, cluster, template) })
	if left := s.Left(t, s.One.ProjectID); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
}

func templates(t *testing.T, c *gophercloud.ServiceClient) string {
	ctx := t.Context()
	x := must[*clustertemplates.ClusterTemplate](t)(clustertemplates.Create(ctx, c, clustertemplates.CreateOpts{Name: "k8s", COE: "kubernetes", ImageID: "ubuntu-24.04-kube-v1.37.2",
		ExternalNetworkID: "public", FlavorID: "m1.medium", MasterFlavorID: "m1.medium", DNSNameServer: "8.8.8.8", NetworkDriver: "calico", DockerStorageDriver: "overlay2",
		FloatingIPEnabled: to(true), MasterLBEnabled: to(false), Public: to(false), Hidden: to(false), RegistryEnabled: to(false), TLSDisabled: to(false), ServerType: "vm",
		VolumeDriver: "cinder", Labels: map[string]string{"a": "1"}, HTTPProxy: "http://proxy.example.org:3128", NoProxy: "localhost", APIServerPort: to(6443),
		DockerVolumeSize: to(5)}).Extract())
	if x.COE != "kubernetes" || x.ImageID != "ubuntu-24.04-kube-v1.37.2" || x.FlavorID != "m1.medium" || x.NetworkDriver != "calico" || x.Labels["a"] != "1" || !x.FloatingIPEnabled ||
		x.ClusterDistro != "ubuntu" || x.HTTPProxy != "http://proxy.example.org:3128" || x.DockerVolumeSize != 5 || x.APIServerPort != 6443 || x.CreatedAt.IsZero() || len(x.Links) != 2 {
		t.Errorf("made: %+v", x)
	}
	y := must[*clustertemplates.ClusterTemplate](t)(clustertemplates.Update(ctx, c, x.UUID, []clustertemplates.UpdateOpts{
		{Op: clustertemplates.ReplaceOp, Path: "/name", Value: "other"}, {Op: clustertemplates.RemoveOp, Path: "/http_proxy"}, {Op: clustertemplates.RemoveOp, Path: "/no_proxy"},
		{Op: clustertemplates.RemoveOp, Path: "/docker_volume_size"}, {Op: clustertemplates.ReplaceOp, Path: "/labels", Value: "{'b': '2'}"}}).Extract())
	if y.Name != "other" || y.HTTPProxy != "" || y.Labels["b"] != "2" || y.UpdatedAt.IsZero() {
		t.Errorf("changed: %+v", y)
	}
	if z := must[*clustertemplates.ClusterTemplate](t)(clustertemplates.Get(ctx, c, "other").Extract()); z.UUID != x.UUID {
		t.Errorf("by name: %+v", z)
	}
	gone := must[*clustertemplates.ClusterTemplate](t)(clustertemplates.Create(ctx, c, clustertemplates.CreateOpts{Name: "gone", COE: "kubernetes", ImageID: "ubuntu-24.04-kube-v1.37.2"}).Extract())
	var names []string
	err := clustertemplates.List(c, clustertemplates.ListOpts{Limit: 1, SortKey: "name", SortDir: "desc"}).EachPage(ctx, func(_ context.Context, p pagination.Page) (bool, error) {
		l, err := clustertemplates.ExtractClusterTemplates(p)
		for _, x := range l {
			names = append(names, x.Name)
		}
		return true, err
	})
	if err != nil || fmt.Sprint(names) != "[other gone]" {
		t.Errorf("listed: %v, %v", names, err)
	}
	if err := clustertemplates.Delete(ctx, c, gone.UUID).ExtractErr(); err != nil {
		t.Error(err)
	}
	return x.UUID
}

func life(t *testing.T, c *gophercloud.ServiceClient, template string) string {
	ctx := t.Context()
	id := must[string](t)(clusters.Create(ctx, c, clusters.CreateOpts{Name: "dev", ClusterTemplateID: template, MasterCount: to(1), NodeCount: to(1), CreateTimeout: to(30),
		Labels: map[string]string{"c": "3"}, MergeLabels: to(true), FloatingIPEnabled: to(true), MasterLBEnabled: to(false), FlavorID: "m1.medium", MasterFlavorID: "m1.medium"}).Extract())
	if x := must[*clusters.Cluster](t)(clusters.Get(ctx, c, id).Extract()); x.Status != "CREATE_IN_PROGRESS" {
		t.Errorf("at once: %s", x.Status)
	}
	x := becomes(t, c, id, "CREATE_COMPLETE")
	if !strings.HasPrefix(x.APIAddress, "https://") || x.COEVersion != "v1.37.2" || x.NodeCount != 1 || x.MasterCount != 1 || len(x.NodeAddresses) != 1 || len(x.MasterAddresses) != 1 ||
		x.Labels["b"] != "2" || x.Labels["c"] != "3" || x.CreateTimeout != 30 || x.ClusterTemplateID != template || x.FlavorID != "m1.medium" || !x.FloatingIPEnabled || x.ProjectID == "" {
		t.Errorf("made: %+v", x)
	}
	for name, pager := range map[string]pagination.Pager{"list": clusters.List(c, clusters.ListOpts{Limit: 1}), "detail": clusters.ListDetail(c, clusters.ListOpts{Limit: 1, SortKey: "created_at", SortDir: "asc"})} {
		n := 0
		err := pager.EachPage(ctx, func(_ context.Context, p pagination.Page) (bool, error) {
			l, err := clusters.ExtractClusters(p)
			n += len(l)
			return true, err
		})
		if err != nil || n != 1 {
			t.Errorf("%s: %d clusters, %v", name, n, err)
		}
	}
	if got := must[string](t)(clusters.Update(ctx, c, id, []clusters.UpdateOpts{{Op: clusters.ReplaceOp, Path: "/node_count", Value: 2}}).Extract()); got != id {
		t.Errorf("the update is of %s", got)
	}
	if x := becomes(t, c, id, "UPDATE_COMPLETE"); x.NodeCount != 2 || len(x.NodeAddresses) != 2 {
		t.Errorf("after an update: %+v", x)
	}
	if got := must[string](t)(clusters.Resize(ctx, c, id, clusters.ResizeOpts{NodeCount: to(1), NodeGroup: "default-worker"}).Extract()); got != id {
		t.Errorf("the resize is of %s", got)
	}
	if x := becomes(t, c, id, "UPDATE_COMPLETE"); x.NodeCount != 1 || len(x.NodeAddresses) != 1 {
		t.Errorf("after a resize: %+v", x)
	}
	return id
}

func certificate(t *testing.T, c *gophercloud.ServiceClient, cluster string) {
	ctx := t.Context()
	ca := must[*certificates.Certificate](t)(certificates.Get(ctx, c, cluster).Extract())
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	csr := must[[]byte](t)(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}}, key))
	signed := must[*certificates.Certificate](t)(certificates.Create(ctx, c, certificates.CreateOpts{ClusterUUID: cluster,
		CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))}).Extract())
	roots := x509.NewCertPool()
	block, _ := pem.Decode([]byte(signed.PEM))
	if !roots.AppendCertsFromPEM([]byte(ca.PEM)) || block == nil {
		t.Fatalf("no certificates: %s %s", ca.PEM, signed.PEM)
	}
	leaf := must[*x509.Certificate](t)(x509.ParseCertificate(block.Bytes))
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	if err := certificates.Update(ctx, c, cluster).ExtractErr(); err != nil {
		t.Errorf("rotation: %v", err)
	}
	becomes(t, c, cluster, "UPDATE_COMPLETE")
}

func groups(t *testing.T, c *gophercloud.ServiceClient, cluster string) {
	ctx := t.Context()
	g := must[*nodegroups.NodeGroup](t)(nodegroups.Create(ctx, c, cluster, nodegroups.CreateOpts{Name: "pool", NodeCount: to(2), MinNodeCount: 1, MaxNodeCount: to(4), Role: "worker",
		FlavorID: "m1.medium", ImageID: "ubuntu-24.04-kube-v1.37.2", Labels: map[string]string{"d": "4"}, MergeLabels: to(true)}).Extract())
	x := groupBecomes(t, c, cluster, g.UUID, "CREATE_COMPLETE")
	if x.Name != "pool" || x.NodeCount != 2 || x.MinNodeCount != 1 || x.MaxNodeCount == nil || *x.MaxNodeCount != 4 || x.Labels["d"] != "4" || x.Labels["c"] != "3" || x.IsDefault ||
		len(x.NodeAddresses) != 2 || x.Version != "v1.37.2" || x.ClusterID != cluster {
		t.Errorf("made: %+v", x)
	}
	becomes(t, c, cluster, "UPDATE_COMPLETE")
	n := 0
	err := nodegroups.List(c, cluster, nodegroups.ListOpts{Role: "worker", SortKey: "name", SortDir: "asc", Limit: 1}).EachPage(ctx, func(_ context.Context, p pagination.Page) (bool, error) {
		l, err := nodegroups.ExtractNodeGroups(p)
		n += len(l)
		return true, err
	})
	if err != nil || n != 2 {
		t.Errorf("%d workers, %v", n, err)
	}
	y := must[*nodegroups.NodeGroup](t)(nodegroups.Update(ctx, c, cluster, g.UUID, []nodegroups.UpdateOpts{{Op: nodegroups.ReplaceOp, Path: "/max_node_count", Value: 7},
		{Op: nodegroups.ReplaceOp, Path: "/min_node_count", Value: 0}}).Extract())
	if y.MaxNodeCount == nil || *y.MaxNodeCount != 7 {
		t.Errorf("changed: %+v", y)
	}
	groupBecomes(t, c, cluster, g.UUID, "UPDATE_COMPLETE")
	if err := nodegroups.Delete(ctx, c, cluster, g.UUID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	groupIsGone(t, c, cluster, g.UUID)
}

func groupIsGone(t *testing.T, c *gophercloud.ServiceClient, cluster, id string) {
	t.Helper()
	testenv.Eventually(t, patience, "the node group to be gone", func() bool {
		_, err := nodegroups.Get(t.Context(), c, cluster, id).Extract()
		if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			t.Fatal(err)
		}
		return err != nil
	})
}

// ten is what Terraform does with ten node groups in one plan: its default is ten requests side by side.
func ten(t *testing.T, c *gophercloud.ServiceClient, cluster string) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var ids []string
	for i := range 10 {
		all.Go(func() {
			g, err := nodegroups.Create(t.Context(), c, cluster, nodegroups.CreateOpts{Name: fmt.Sprint("pool-", i), NodeCount: to(1)}).Extract()
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, g.UUID)
		})
	}
	all.Wait()
	for _, id := range ids {
		groupBecomes(t, c, cluster, id, "CREATE_COMPLETE")
	}
	for _, id := range ids {
		all.Go(func() {
			if err := nodegroups.Delete(t.Context(), c, cluster, id).ExtractErr(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		groupIsGone(t, c, cluster, id)
	}
}

func end(t *testing.T, c *gophercloud.ServiceClient, cluster, template string) {
	ctx := t.Context()
	old := must[*clustertemplates.ClusterTemplate](t)(clustertemplates.Create(ctx, c, clustertemplates.CreateOpts{Name: "old", COE: "kubernetes", ImageID: "ubuntu-24.04-kube-v1.36.6",
		ExternalNetworkID: "public", FlavorID: "m1.medium", DNSNameServer: "8.8.8.8", MasterLBEnabled: to(true)}).Extract()).UUID
	id := must[string](t)(clusters.Create(ctx, c, clusters.CreateOpts{Name: "old", ClusterTemplateID: old, MasterCount: to(1), NodeCount: to(1)}).Extract())
	becomes(t, c, id, "CREATE_COMPLETE")
	if got := must[string](t)(clusters.Upgrade(ctx, c, id, clusters.UpgradeOpts{ClusterTemplate: template, MaxBatchSize: to(1)}).Extract()); got != id {
		t.Errorf("the upgrade is of %s", got)
	}
	if x := becomes(t, c, id, "UPDATE_COMPLETE"); x.COEVersion != "v1.37.2" || x.ClusterTemplateID != template {
		t.Errorf("after the upgrade: %+v", x)
	}
	for _, x := range []string{cluster, id} {
		gone(t, c, x)
	}
	for _, x := range []string{template, old} {
		if err := clustertemplates.Delete(ctx, c, x).ExtractErr(); err != nil {
			t.Error(err)
		}
	}
}

func gone(t *testing.T, c *gophercloud.ServiceClient, cluster string) {
	t.Helper()
	if err := clusters.Delete(t.Context(), c, cluster).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "the cluster to be gone", func() bool {
		_, err := clusters.Get(t.Context(), c, cluster).Extract()
		if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			t.Fatal(err)
		}
		return err != nil
	})
}

// TestEveryCallIsMade: what a newer gophercloud brings is not forgotten here.
func TestEveryCallIsMade(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters").Output()
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	inspect(t, ".", func(n ast.Node) {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := s.X.(*ast.Ident); ok {
				called[pkg.Name+"."+s.Sel.Name] = true
			}
		}
	})
	n := 0
	root := filepath.Dir(strings.TrimSpace(string(out)))
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "testing" {
			return cmpErr(err, fs.SkipDir)
		}
		if d.Name() != "requests.go" {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() {
				n++
				if name := f.Name.Name + "." + fn.Name.Name; !called[name] {
					t.Errorf("%s is not called", name)
				}
			}
		}
		return nil
	})
	if err != nil || n < 15 {
		t.Errorf("%d calls found, %v", n, err)
	}
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// inspect walks through the syntax of a folder's files.
func inspect(t *testing.T, dir string, see func(ast.Node)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool { see(n); return true })
	}
}
