package kubernetes

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/certificates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clustertemplates"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// createTimeout is for a machine that others keep busy; an idle one takes a quarter of it.
const createTimeout = 20 * time.Minute

// template makes one for a version of Kubernetes, whose pods the cluster's router knows the way to unless it is changed.
func (b *bed) template(version string, change ...func(*clustertemplates.CreateOpts)) string {
	b.Helper()
	yes := true
	opts := clustertemplates.CreateOpts{Name: version, COE: "kubernetes", ImageID: imageName(version), ExternalNetworkID: "public",
		FlavorID: "m1.medium", MasterFlavorID: "m1.medium", FloatingIPEnabled: &yes, DNSNameServer: "192.0.2.53", NetworkDriver: "calico",
		Labels: map[string]string{"pod_network_mode": "routed"}}
	for _, set := range change {
		set(&opts)
	}
	t, err := clustertemplates.Create(b.Context(), b.infra, opts).Extract()
	if err != nil {
		b.Fatal(err)
	}
	return t.UUID
}

// cluster is one of the user's.
type cluster struct {
	*bed
	id, name   string
	kubeconfig string
}

// create makes a cluster and waits until it is complete.
func (b *bed) create(name, template string, masters, workers int, balanced bool, labels map[string]string) *cluster {
	b.Helper()
	began, merge := time.Now(), true
	id, err := clusters.Create(b.Context(), b.infra, clusters.CreateOpts{Name: name, ClusterTemplateID: template, MasterCount: &masters, NodeCount: &workers,
		MasterLBEnabled: &balanced, Labels: labels, MergeLabels: &merge}).Extract()
	if err != nil {
		b.Fatal(err)
	}
	c := b.made(id, name, began)
	c.access()
	return c
}

// made waits until a cluster that was asked for is complete.
func (b *bed) made(id, name string, began time.Time) *cluster {
	b.Helper()
	c := &cluster{bed: b, id: id, name: name, kubeconfig: filepath.Join(b.folder, name+".kubeconfig")}
	c.settled("CREATE_COMPLETE", createTimeout)
	b.Logf("%s: complete after %.0f s", name, time.Since(began).Seconds())
	return c
}

// settled waits for the end of what is being done to the cluster.
func (c *cluster) settled(want string, timeout time.Duration) {
	c.Helper()
	last, progress := time.Now(), time.Now()
	testenv.Eventually(c, timeout, "cluster "+c.name+" to be "+want, func() bool {
		if time.Since(last) < 2*time.Second {
			return false
		}
		last = time.Now()
		x, err := clusters.Get(c.Context(), c.infra, c.id).Extract()
		if err != nil {
			c.Fatal(err)
		}
		if time.Since(progress) > time.Minute {
			progress = time.Now()
			c.Logf("%s is %s: %s", c.name, x.Status, c.operations())
		}
		if x.Status != want && !strings.HasSuffix(x.Status, "_IN_PROGRESS") {
			c.Fatalf("cluster %s is %s, want %s: %s", c.name, x.Status, want, x.StatusReason)
		}
		return x.Status == want
	})
}

// operations tells what is being done and waited for.
func (c *cluster) operations() string {
	var out struct {
		Operations []struct {
			Kind, Status string
			Steps        []struct {
				Name, Status string
				WaitingFor   string `json:"waiting_for"`
			}
		}
	}
	if err := c.ask(c.infra, http.MethodGet, c.infra.ResourceBase+"clusters/"+c.id+"/operations?active=true", nil, &out); err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, o := range out.Operations {
		for _, s := range o.Steps {
			if s.Status != "done" && s.WaitingFor != "" {
				fmt.Fprintf(&b, "%s: %s; ", s.Name, s.WaitingFor)
			}
		}
	}
	return b.String()
}

// access writes the kubeconfig anew.
func (c *cluster) access() {
	c.Helper()
	config, err := c.credentials()
	if err != nil {
		c.Fatal(err)
	}
	if err := os.WriteFile(c.kubeconfig, config, 0o600); err != nil {
		c.Fatal(err)
	}
}

// credentials are a kubeconfig with a certificate that the API has signed.
func (c *cluster) credentials() ([]byte, error) {
	x, err := clusters.Get(c.Context(), c.infra, c.id).Extract()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}}, key)
	if err != nil {
		return nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	ca, err := certificates.Get(c.Context(), c.infra, c.id).Extract()
	if err != nil {
		return nil, err
	}
	signed, err := certificates.Create(c.Context(), c.infra, certificates.CreateOpts{ClusterUUID: c.id, CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))}).Extract()
	if err != nil {
		return nil, err
	}
	return kube.Kubeconfig(x.Name, x.APIAddress, []byte(ca.PEM+"\n"), []byte(signed.PEM+"\n"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// try runs kubectl.
func (c *cluster) try(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.kubectl, append([]string{"--kubeconfig", c.kubeconfig, "--request-timeout", "30s"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), err
}

// do runs kubectl, which has to succeed.
func (c *cluster) do(args ...string) string {
	c.Helper()
	out, err := c.try("", args...)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

// apply applies a manifest.
func (c *cluster) apply(manifest string) {
	c.Helper()
	if _, err := c.try(manifest, "apply", "-f", "-"); err != nil {
		c.Fatal(err)
	}
}

// eventually waits until kubectl says something that is as wanted.
func (c *cluster) eventually(timeout time.Duration, what string, good func(out string) bool, args ...string) {
	c.Helper()
	var out string
	var err error
	var last time.Time
	defer func() {
		if c.Failed() {
			c.Logf("the last word: %s %v", out, err)
		}
	}()
	testenv.Eventually(c, timeout, what, func() bool {
		if time.Since(last) < time.Second {
			return false
		}
		last = time.Now()
		out, err = c.try("", args...)
		return err == nil && good(out)
	})
}

// node is what kubectl says of one.
type node struct {
	name, version string
	ready, master bool
}

func (c *cluster) nodes() []node {
	c.Helper()
	var list struct {
		Items []struct {
			Metadata struct {
				Name   string
				Labels map[string]string
			}
			Status struct {
				NodeInfo   struct{ KubeletVersion string }
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal([]byte(c.do("get", "nodes", "-o", "json")), &list); err != nil {
		c.Fatal(err)
	}
	var out []node
	for _, i := range list.Items {
		n := node{name: i.Metadata.Name, version: i.Status.NodeInfo.KubeletVersion}
		_, n.master = i.Metadata.Labels["node-role.kubernetes.io/control-plane"]
		for _, x := range i.Status.Conditions {
			n.ready = n.ready || x.Type == "Ready" && x.Status == "True"
		}
		out = append(out, n)
	}
	return out
}

// has checks that there are so many nodes, all ready and at the version.
func (c *cluster) has(masters, workers int, version string) {
	c.Helper()
	m, w := 0, 0
	for _, n := range c.nodes() {
		if n.master {
			m++
		} else {
			w++
		}
		if !n.ready || n.version != version {
			c.Errorf("node %s is ready: %v, its version is %s", n.name, n.ready, n.version)
		}
	}
	if m != masters || w != workers {
		c.Errorf("there are %d control planes and %d workers, want %d and %d", m, w, masters, workers)
	}
}

// remove deletes the cluster; nothing of it is left in the cloud.
func (c *cluster) remove() {
	c.Helper()
	began := time.Now()
	if err := clusters.Delete(c.Context(), c.infra, c.id).ExtractErr(); err != nil {
		c.Fatal(err)
	}
	testenv.Eventually(c, 10*time.Minute, "cluster "+c.name+" to be gone", func() bool {
		_, err := clusters.Get(c.Context(), c.infra, c.id).Extract()
		return gophercloud.ResponseCodeIs(err, http.StatusNotFound)
	})
	if left := c.cloud.Resources(""); len(left) > 0 {
		c.Errorf("left in the cloud: %v", left)
	}
	c.Logf("%s: gone after %.0f s", c.name, time.Since(began).Seconds())
}

// within runs a step of a row of them, of which each stands on the ones before.
func within(t *testing.T, c *cluster, name string, step func(c *cluster)) {
	t.Helper()
	ok := t.Run(name, func(t *testing.T) {
		began := time.Now()
		b := *c.bed
		b.T = t
		own := *c
		own.bed = &b
		step(&own)
		t.Logf("%.0f s", time.Since(began).Seconds())
	})
	if !ok {
		t.FailNow()
	}
}
