package kubernetes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

// TestOneAndOne: one control plane without a load balancer, and one worker, by a service as it is without configuration, and
// by the client that everybody has.
func TestOneAndOne(t *testing.T) {
	b := newBed(t, "")
	version := binaries.Releases()[0].Kubernetes
	template, began := b.template(version), time.Now()
	b.client("coe", "cluster", "create", "small", "--cluster-template", template, "--node-count", "1")
	c := b.made(strings.TrimSpace(b.client("coe", "cluster", "show", "small", "-f", "value", "-c", "uuid")), "small", began)
	b.client("coe", "cluster", "config", "small", "--dir", b.folder, "--force")
	c.kubeconfig = filepath.Join(b.folder, "config")
	within(t, c, "every node is ready", func(c *cluster) { c.has(1, 1, version) })
	within(t, c, "time to ready", func(c *cluster) { c.timeToReady() })
	within(t, c, "what kubeadm installs runs", func(c *cluster) {
		c.namedByTwo()
		c.eventually(time.Minute, "kube-proxy to be ready", func(out string) bool { return out == "2" }, "-n", "kube-system", "get", "daemonset", "kube-proxy", "-o", "jsonpath={.status.numberReady}")
	})
	within(t, c, "pods and Services", func(c *cluster) {
		c.deploy(2)
		c.connected()
	})
	within(t, c, "conformance", func(c *cluster) { c.conforms() })
	within(t, c, "delete", func(c *cluster) { c.remove() })
}

// client runs `openstack …` as the user.
func (b *bed) client(args ...string) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "openstack", args...)
	// magnumclient 4 ends with KeyError: 'SHELL' in `cluster config` where there is none, as under CI
	cmd.Env = append(os.Environ(), "SHELL=/bin/sh", "OS_CLIENT_CONFIG_FILE="+b.clouds, "OS_CLOUD=mine")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("openstack %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
