package kubernetes

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestCloudProvider: OpenStack's cloud controller manager in a cluster, as the user of that cluster.
func TestCloudProvider(t *testing.T) {
	b := newServiceBed(t)
	version := binaries.Releases()[0].Kubernetes
	labels := binaries.AddonTags()
	labels["cloud_provider_enabled"], labels["keystone_auth_enabled"] = "true", "true"
	c := b.create("provided", b.template(version), 1, 1, true, labels)
	within(t, c, "nodes are those of the cloud", func(c *cluster) {
		c.has(1, 1, version)
		c.provided()
	})
	within(t, c, "users of the project come with tokens of Keystone", func(c *cluster) { c.byToken() })
	within(t, c, "a Service has an address that answers", func(c *cluster) {
		c.deploy(2)
		c.apply(balanced("outside"))
		c.answers("outside")
	})
	within(t, c, "a Service that goes takes its load balancer along", func(c *cluster) {
		c.apply(balanced("brief"))
		c.answers("brief")
		c.do("delete", "service", "brief")
		if l := c.cloud.Resources("")["load_balancer"]; len(l) != 2 { // that of the API, and the other Service's
			c.Errorf("load balancers: %v", l)
		}
	})
	within(t, c, "a node that is removed leaves the cluster", func(c *cluster) {
		c.resize(2)
		c.has(1, 2, version)
		c.provided()
		c.resize(1)
		c.has(1, 1, version)
		c.answers("outside")
	})
	within(t, c, "delete", func(c *cluster) { c.remove() })
}

// balanced is a Service for the workload of that kind.
func balanced(name string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}\n"
}

// provided: every node knows its server, has its addresses, and is initialized.
func (c *cluster) provided() {
	c.Helper()
	ids := map[string]string{}
	for _, s := range c.servers() {
		ids[s.name] = s.id
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name   string
				Labels map[string]string
			}
			Spec struct {
				ProviderID string
				Taints     []struct{ Key string }
			}
			Status struct {
				Addresses []struct{ Type, Address string }
			}
		}
	}
	if err := json.Unmarshal([]byte(c.do("get", "nodes", "-o", "json")), &list); err != nil {
		c.Fatal(err)
	}
	for _, n := range list.Items {
		if want := "openstack:///" + ids[n.Metadata.Name]; n.Spec.ProviderID != want {
			c.Errorf("node %s has providerID %q, want %q", n.Metadata.Name, n.Spec.ProviderID, want)
		}
		for _, taint := range n.Spec.Taints {
			if taint.Key == "node.cloudprovider.kubernetes.io/uninitialized" {
				c.Errorf("node %s is not initialized", n.Metadata.Name)
			}
		}
		if n.Metadata.Labels["node.kubernetes.io/instance-type"] != "m1.medium" || n.Metadata.Labels["topology.kubernetes.io/zone"] == "" || len(n.Status.Addresses) < 2 {
			c.Errorf("node %s: labels %v, addresses %v", n.Metadata.Name, n.Metadata.Labels, n.Status.Addresses)
		}
	}
}

// answers asks a Service from this machine, at the address that the cloud gave it.
func (c *cluster) answers(name string) {
	c.Helper()
	began := time.Now()
	var address string
	c.eventually(5*time.Minute, "Service "+name+" to have an address", func(out string) bool { address = out; return out != "" },
		"get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
	client := &http.Client{Timeout: 5 * time.Second}
	var last string
	defer func() {
		if c.Failed() {
			c.Logf("%s said %s", address, last)
		}
	}()
	testenv.Eventually(c, 2*time.Minute, "Service "+name+" to answer at "+address, func() bool {
		r, err := client.Get("http://" + address + "/")
		if err != nil {
			last = err.Error()
			return false
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		last = string(body)
		return err == nil && r.StatusCode == http.StatusOK && strings.Contains(last, "Directory listing")
	})
	c.Logf("Service %s answers at %s after %.0f s", name, address, time.Since(began).Seconds())
}
