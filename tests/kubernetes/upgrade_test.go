package kubernetes

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clustertemplates"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
)

// TestUpgrade takes a cluster to the next minor version, with what runs in it and with its network, which is flannel's from
// the operator's catalogue.
func TestUpgrade(t *testing.T) {
	b := newCloudOf(t, namespaced(t, true, nil))
	b.serveAccount(impatient + catalogue(t))
	newest, older := binaries.Releases()[0].Kubernetes, binaries.Releases()[1].Kubernetes
	overlay := func(o *clustertemplates.CreateOpts) { o.NetworkDriver, o.Labels = "flannel", nil }
	next := b.template(newest, overlay)
	c := b.create("older", b.template(older, overlay), 3, 1, true, nil)
	within(t, c, "pods and Services", func(c *cluster) {
		c.has(3, 1, older)
		c.flannels(binaries.Flannels()[1].Version)
		c.namedByTwo()
		c.deploy(4)
		c.connected()
	})
	within(t, c, "upgrade", func(c *cluster) {
		c.apply(budget)
		network := c.silences(2*time.Second, func(c *cluster) error {
			return c.reached(func(from, to corev1.Pod) string {
				if from.Spec.NodeName == to.Spec.NodeName {
					return ""
				}
				return "http://" + to.Status.PodIP + ":8080"
			})
		})
		names := c.silences(2*time.Second, func(c *cluster) error {
			return c.reached(func(_, _ corev1.Pod) string { return "http://web.default.svc.cluster.local" })
		})
		size := 1
		if _, err := clusters.Upgrade(c.Context(), c.infra, c.id, clusters.UpgradeOpts{ClusterTemplate: next, MaxBatchSize: &size}).Extract(); err != nil {
			c.Fatal(err)
		}
		c.settled("UPDATE_COMPLETE", 2*changeTimeout)
		worst, unnamed := network(), names()
		c.Logf("pods did not reach each other for %.1f s at most: %v", worst.longest.Seconds(), worst.said)
		c.Logf("their Service was not reached by its name for %.1f s at most: %v", unnamed.longest.Seconds(), unnamed.said)
		if worst.longest > 30*time.Second {
			c.Error("the network has gone away")
		}
		if unnamed.longest > 30*time.Second {
			c.Error("the names have gone away")
		}
	})
	within(t, c, "pods and Services afterwards", func(c *cluster) {
		c.has(3, 1, newest)
		c.flannels(binaries.Flannels()[0].Version)
		c.namedByTwo()
		c.served(4)
		c.connected()
	})
	within(t, c, "delete", func(c *cluster) { c.remove() })
}

// catalogue serves the manifests of flannel as an operator's mirror does, and gives the configuration that names them.
func catalogue(t *testing.T) string {
	t.Helper()
	folder, built, manifests := t.TempDir(), cache(t), http.NewServeMux()
	mirror := httptest.NewTLSServer(manifests)
	t.Cleanup(mirror.Close)
	var entries []addons.Entry
	for i, f := range binaries.Flannels() {
		manifest, err := os.ReadFile(built.FlannelManifest(f))
		if err != nil {
			t.Fatal(err)
		}
		path := "/flannel-" + f.Version + ".yaml"
		manifests.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(manifest) })
		e := addons.Entry{Name: "flannel", Version: f.Version, Kubernetes: []string{minor(binaries.Releases()[i].Kubernetes)}, URL: mirror.URL + path,
			SHA256: fmt.Sprintf("%x", sha256.Sum256(manifest)), Replace: map[string]string{"10.244.0.0/16": "{pod_cidr}"}}
		if i == 0 { // its plug-in in these images is an older one, which does not know this form
			e.Replace[`"cniVersion": "1.0.0"`] = `"cniVersion": "0.3.1"`
		}
		entries = append(entries, e)
	}
	text, err := yaml.Marshal(map[string]any{"entries": entries})
	if err != nil {
		t.Fatal(err)
	}
	file, authority := filepath.Join(folder, "catalogue.yaml"), filepath.Join(folder, "mirror.crt")
	for path, content := range map[string][]byte{file: text, authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: mirror.Certificate().Raw})} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "[addons]\ncatalogue = " + file + "\ncafile = " + authority + "\n"
}

// minor of a version of Kubernetes, without «v».
func minor(version string) string {
	return strings.TrimPrefix(version[:strings.LastIndex(version, ".")], "v")
}

// flannels waits until flannel is ready in that version on every node.
func (c *cluster) flannels(version string) {
	c.Helper()
	want := strings.Repeat("ghcr.io/flannel-io/flannel:"+version+" true\n", len(c.nodes()))
	c.eventually(3*time.Minute, "flannel "+version+" to be ready on every node", func(out string) bool { return out == want },
		"-n", "kube-flannel", "get", "pods", "-l", "app=flannel", "-o", `jsonpath={range .items[*]}{.spec.containers[0].image} {.status.containerStatuses[0].ready}{"\n"}{end}`)
}

// namedByTwo waits until CoreDNS is ready on two nodes.
func (c *cluster) namedByTwo() {
	c.Helper()
	c.eventually(3*time.Minute, "CoreDNS to be ready on two nodes", func(out string) bool {
		pods := strings.Fields(out)
		return len(pods) == 2 && pods[0] != pods[1] && strings.HasSuffix(pods[0], "=true") && strings.HasSuffix(pods[1], "=true")
	}, "-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns", "-o", `jsonpath={range .items[*]}{.spec.nodeName}={.status.containerStatuses[0].ready}{"\n"}{end}`)
}

// budget keeps pods of the workload ready, as who depends on them would: what is silent then are not they.
const budget = `apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 3, selector: {matchLabels: {app: web}}}
`

// reached tells whether a pod of the workload reaches an address that one has of another; "" is none. Of pods that are on
// their way nobody expects anything.
func (c *cluster) reached(address func(from, to corev1.Pod) string) error {
	out, err := c.try("", "get", "pods", "-l", "app=web", "-o", "json")
	if err != nil {
		return err
	}
	var list corev1.PodList
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return err
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
		return !ready || p.DeletionTimestamp != nil
	})
	for _, from := range pods {
		for _, to := range pods {
			if target := address(from, to); target != "" {
				_, err := c.try("", "exec", from.Name, "--", "/usr/bin/curl", "-fsS", "-o", "/dev/null", "--max-time", "5", target)
				return err
			}
		}
	}
	if len(pods) >= 3 {
		return errNotSeen // all are on one node
	}
	return fmt.Errorf("only %d pods are ready", len(pods))
}
