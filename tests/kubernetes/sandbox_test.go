package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clustertemplates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/nodegroups"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

// TestSandbox: a pool of nodes whose pods run in gVisor, beside an ordinary one, in a cluster whose API is at another port than
// usual.
func TestSandbox(t *testing.T) {
	b := newBed(t, "")
	version := binaries.Releases()[0].Kubernetes
	port := 8443
	c := b.create("mixed", b.template(version, func(o *clustertemplates.CreateOpts) { o.APIServerPort = &port }), 1, 1, false, nil)
	within(t, c, "a pool joins", func(c *cluster) {
		one, merge := 1, true
		if _, err := nodegroups.Create(c.Context(), c.infra, c.id, nodegroups.CreateOpts{Name: "sandboxes", NodeCount: &one, Labels: map[string]string{"runtime": "gvisor"}, MergeLabels: &merge}).Extract(); err != nil {
			c.Fatal(err)
		}
		c.settled("UPDATE_COMPLETE", changeTimeout)
		c.has(1, 2, version)
	})
	within(t, c, "a pod runs behind gVisor's own kernel", func(c *cluster) {
		c.apply(fmt.Sprintf(workload, "sandboxed", 1, "gvisor"))
		c.ready("sandboxed", 1)
		if node := c.do("get", "pod", "-l", "app=sandboxed", "-o", "jsonpath={.items[0].spec.nodeName}"); !strings.Contains(node, "-sandboxes-") {
			c.Errorf("it is on node %s", node)
		}
		if kernel := c.do("exec", "deployment/sandboxed", "--", "/usr/bin/cat", "/proc/version"); !strings.Contains(strings.ToLower(kernel), "gvisor") {
			c.Errorf("its kernel is %s", kernel)
		}
		if overhead := c.do("get", "pod", "-l", "app=sandboxed", "-o", "jsonpath={.items[0].spec.overhead.memory}"); overhead != "64Mi" {
			c.Errorf("beside its containers it has %s", overhead)
		}
	})
	within(t, c, "it reaches the others, and they reach it", func(c *cluster) {
		c.deploy(2)
		for from, to := range map[string]string{"sandboxed": "web", "web": "sandboxed"} {
			c.do("exec", "deployment/"+from, "--", "/usr/bin/curl", "-fsS", "-o", "/dev/null", "--max-time", "10", "http://"+to+".default.svc.cluster.local")
		}
	})
	within(t, c, "the pool goes, and its RuntimeClass", func(c *cluster) {
		c.do("delete", "deployment", "sandboxed")
		if err := nodegroups.Delete(c.Context(), c.infra, c.id, "sandboxes").ExtractErr(); err != nil {
			c.Fatal(err)
		}
		c.settled("UPDATE_COMPLETE", changeTimeout)
		c.has(1, 1, version)
		if l := c.do("get", "runtimeclasses", "-o", "name"); l != "" {
			c.Errorf("runtime classes: %s", l)
		}
	})
	within(t, c, "delete", func(c *cluster) { c.remove() })
}
