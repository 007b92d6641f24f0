package kubernetes

import (
	"testing"
	"time"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

// TestOneAndOne: one control plane without a load balancer, and one worker, by a service as it is without configuration.
func TestOneAndOne(t *testing.T) {
	b := newBed(t, "")
	version := binaries.Releases()[0].Kubernetes
	c := b.create("small", b.template(version), 1, 1, false, nil)
	within(t, c, "every node is ready", func(c *cluster) { c.has(1, 1, version) })
	within(t, c, "time to ready", func(c *cluster) { c.timeToReady() })
	within(t, c, "what kubeadm installs runs", func(c *cluster) {
		c.eventually(3*time.Minute, "CoreDNS to be ready", func(out string) bool { return out == "2" }, "-n", "kube-system", "get", "deployment", "coredns", "-o", "jsonpath={.status.readyReplicas}")
		c.eventually(time.Minute, "kube-proxy to be ready", func(out string) bool { return out == "2" }, "-n", "kube-system", "get", "daemonset", "kube-proxy", "-o", "jsonpath={.status.numberReady}")
	})
	within(t, c, "pods and Services", func(c *cluster) {
		c.deploy(2)
		c.connected()
	})
	within(t, c, "conformance", func(c *cluster) { c.conforms() })
	within(t, c, "delete", func(c *cluster) { c.remove() })
}
