package kubernetes

import (
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/nodegroups"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

// sandboxed is a pod in gVisor. What it runs is of its host, as with the other workloads.
const sandboxed = `apiVersion: v1
kind: Pod
metadata: {name: sandboxed}
spec:
  runtimeClassName: gvisor
  terminationGracePeriodSeconds: 1
  containers:
  - name: shell
    image: registry.k8s.io/pause:3.10.2
    command: [/usr/bin/python3, -m, http.server, "8080", --directory, /usr/share/python3]
    readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
    volumeMounts:
    - {name: usr, mountPath: /usr, readOnly: true}
    - {name: lib, mountPath: /lib, readOnly: true}
    - {name: lib64, mountPath: /lib64, readOnly: true}
  volumes:
  - {name: usr, hostPath: {path: /usr}}
  - {name: lib, hostPath: {path: /lib}}
  - {name: lib64, hostPath: {path: /lib64}}
`

// TestSandbox: a pool of nodes whose pods run in gVisor, beside an ordinary one.
func TestSandbox(t *testing.T) {
	b := newBed(t, "")
	version := binaries.Releases()[0].Kubernetes
	c := b.create("mixed", b.template(version), 1, 1, false, nil)
	within(t, c, "a pool joins", func(c *cluster) {
		one, merge := 1, true
		if _, err := nodegroups.Create(c.Context(), c.infra, c.id, nodegroups.CreateOpts{Name: "sandboxes", NodeCount: &one, Labels: map[string]string{"runtime": "gvisor"}, MergeLabels: &merge}).Extract(); err != nil {
			c.Fatal(err)
		}
		c.settled("UPDATE_COMPLETE", changeTimeout)
		c.has(1, 2, version)
	})
	within(t, c, "a pod runs behind gVisor's own kernel", func(c *cluster) {
		c.apply(sandboxed)
		c.eventually(3*time.Minute, "the sandbox to be ready", func(out string) bool { return out == "True" }, "get", "pod", "sandboxed", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if node := c.do("get", "pod", "sandboxed", "-o", "jsonpath={.spec.nodeName}"); !strings.Contains(node, "-sandboxes-") {
			c.Errorf("it is on node %s", node)
		}
		if kernel := c.do("exec", "sandboxed", "--", "/usr/bin/cat", "/proc/version"); !strings.Contains(strings.ToLower(kernel), "gvisor") {
			c.Errorf("its kernel is %s", kernel)
		}
		c.Logf("memory of the host, as its overhead says: %s", c.do("get", "pod", "sandboxed", "-o", "jsonpath={.spec.overhead}"))
	})
	within(t, c, "it reaches the others, and they reach it", func(c *cluster) {
		c.deploy(2)
		address := c.do("get", "pod", "sandboxed", "-o", "jsonpath={.status.podIP}")
		ordinary := strings.Fields(c.do("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}"))[0]
		c.do("exec", "sandboxed", "--", "/usr/bin/curl", "-fsS", "-o", "/dev/null", "--max-time", "10", "http://web.default.svc.cluster.local")
		c.do("exec", ordinary, "--", "/usr/bin/curl", "-fsS", "-o", "/dev/null", "--max-time", "10", "http://"+address+":8080")
	})
	within(t, c, "the pool goes, and its RuntimeClass", func(c *cluster) {
		c.do("delete", "pod", "sandboxed")
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
