package kube

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestCluster builds a cluster whose hosts are all switched on at once.
func TestCluster(t *testing.T) {
	c := newCloud(t)
	c.boot(c.worker(0), c.master(1), c.master(0), c.worker(1))
	c.awaitState(StateReady, "demo-master-0", "demo-master-1", "demo-node-0", "demo-node-1")

	client := c.client("system:masters")
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	check(t, err)
	got := map[string]corev1.Node{}
	for _, node := range nodes.Items {
		got[node.Name] = node
		if !nodeIsReady(&node) || node.Status.NodeInfo.KubeletVersion != "v1.37.2" || nodeHost(&node) != "id-"+node.Name {
			t.Errorf("node %s: %+v", node.Name, node.Status)
		}
	}
	if len(got) != 4 {
		t.Fatalf("nodes are %v", got)
	}
	master, worker := got["demo-master-0"], got["demo-node-1"]
	if _, there := master.Labels[controlPlaneLabel]; !there || master.Labels["magnum.openstack.org/role"] != "master" {
		t.Errorf("labels of the control plane: %v", master.Labels)
	}
	if !slices.Equal(taints(master), []string{controlPlaneLabel + ":NoSchedule", uninitialized + "=true:NoSchedule"}) {
		t.Errorf("taints of the control plane: %v", taints(master))
	}
	if !slices.Equal(taints(worker), []string{"dedicated=gpu:NoSchedule"}) {
		t.Errorf("taints of the worker: %v", taints(worker))
	}
	if worker.Spec.ProviderID != "openstack:///id-demo-node-1" || worker.Labels["magnum.openstack.org/nodegroup"] != "default-worker" {
		t.Errorf("worker: %+v", worker.ObjectMeta)
	}
	if want := []corev1.NodeAddress{{Type: "InternalIP", Address: "10.0.0.21"}, {Type: "Hostname", Address: "demo-node-1"}}; !slices.Equal(worker.Status.Addresses, want) {
		t.Errorf("addresses of the worker: %v", worker.Status.Addresses)
	}
}

func taints(node corev1.Node) []string {
	var all []string
	for _, taint := range node.Spec.Taints {
		all = append(all, taint.ToString())
	}
	return all
}

// TestMembers kills control planes: one of three is not missed, without a majority nothing works, and they come back.
func TestMembers(t *testing.T) {
	c := newCloud(t)
	hosts := []Host{c.master(0), c.master(1), c.master(2), c.worker(0)}
	c.boot(hosts...)
	c.awaitState(StateReady, "demo-master-0", "demo-master-1", "demo-master-2", "demo-node-0")
	client := c.client("system:masters")

	c.nodes["demo-master-0"].Stop()
	await(t, func() error {
		return nodeCondition(client.CoreV1().Nodes().Get(t.Context(), "demo-master-0", metav1.GetOptions{}))
	})
	_, err := client.CoreV1().Namespaces().Create(t.Context(), newNamespace("still"), metav1.CreateOptions{})
	check(t, err)

	c.nodes["demo-master-1"].Stop()
	_, err = client.CoreV1().Namespaces().Create(t.Context(), newNamespace("not"), metav1.CreateOptions{})
	if err == nil || err.Error() != errEtcd.Error() {
		t.Fatalf("without a majority: %v", err)
	}
	if _, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(t.Context()); err == nil {
		t.Fatal("without a majority it is ready")
	}
	c.nodes["demo-master-2"].Stop()
	if _, err := client.ServerVersion(); err == nil {
		t.Fatal("without any control plane it answers")
	}

	c.boot(hosts[0], hosts[2])
	c.awaitState(StateReady, "demo-master-0", "demo-master-2")
	_, err = client.CoreV1().Namespaces().Get(t.Context(), "still", metav1.GetOptions{})
	check(t, err)
	// that this one is silent was not noticed before the others came back
	await(t, func() error {
		return nodeCondition(client.CoreV1().Nodes().Get(t.Context(), "demo-master-1", metav1.GetOptions{}))
	})
}

// nodeCondition is an error as long as a node is not Unknown.
func nodeCondition(node *corev1.Node, err error) error {
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionUnknown {
			return fmt.Errorf("ready is %s", condition.Status)
		}
	}
	return nil
}

// TestDeletedNode removes a Node object: its host does not bring it back until it is switched on again.
func TestDeletedNode(t *testing.T) {
	c := newCloud(t)
	c.boot(c.master(0), c.worker(0))
	c.awaitState(StateReady, "demo-master-0", "demo-node-0")
	client := c.client("system:masters")
	check(t, client.CoreV1().Nodes().Delete(t.Context(), "demo-node-0", metav1.DeleteOptions{}))
	c.nodes["demo-node-0"].Stop()
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	check(t, err)
	if len(nodes.Items) != 1 {
		t.Fatalf("there are %d nodes", len(nodes.Items))
	}
	c.boot(c.worker(0))
	c.awaitState(StateReady, "demo-node-0")
	_, err = client.CoreV1().Nodes().Get(t.Context(), "demo-node-0", metav1.GetOptions{})
	check(t, err)

	// a host that was rebuilt is a stranger with the name of a node that is Ready only if nobody noticed yet
	c.nodes["demo-node-0"].Stop()
	c.fabric.Forget("id-demo-node-0")
	c.boot(c.worker(0))
	c.awaitState(StateReady, "demo-node-0")
}

// TestNeverJoins has hosts that keep trying.
func TestNeverJoins(t *testing.T) {
	tests := []struct {
		name    string
		host    func(c *cloud) Host
		console string
	}{
		{
			"API of another authority", func(c *cloud) Host {
				data := userData(t, "worker", c.pki, map[string]string{"Name": "stray", "ID": "x", "Discovery": discoveryFile(newPKI(t))})
				return c.host("stray", "10.0.0.30", data)
			}, "couldn't validate the identity of the API Server",
		},
		{
			"unknown token", func(c *cloud) Host {
				data := userData(t, "worker", c.pki, map[string]string{"Name": "stray", "ID": "x", "Token": "abcdef.ffffffffffffffff"})
				return c.host("stray", "10.0.0.30", data)
			}, "the bootstrap token is unknown, expired",
		},
		{
			"name of a ready node", func(c *cloud) Host {
				data := userData(t, "worker", c.pki, map[string]string{"Name": "demo-master-0", "ID": "x"})
				return c.host("stray", "10.0.0.30", data)
			}, `a Node with name "demo-master-0" and status "Ready" already exists`,
		},
		{
			"CAs of another cluster", func(c *cloud) Host {
				other := newPKI(t)
				data := userData(t, "control-plane", c.pki, map[string]string{"Name": "stray", "IP": "10.0.0.30", "Authorities": other.writeFiles()})
				return c.host("stray", "10.0.0.30", data)
			}, "of this host is not that of the cluster",
		},
		{
			"kubelet newer than the cluster", func(c *cloud) Host {
				host := c.host("stray", "10.0.0.30", userData(t, "worker", c.pki, map[string]string{"Name": "stray", "ID": "x"}))
				host.Image = map[string]string{"kube_version": "v1.38.0"}
				return host
			}, "[ERROR KubeletVersion]",
		},
	}
	c := newCloud(t)
	c.boot(c.master(0))
	c.awaitState(StateReady, "demo-master-0")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			host := test.host(c)
			host.ID = "id-" + test.name
			stray, err := Boot(context.Background(), host, c.fabric, c.clock)
			check(t, err)
			defer stray.Stop()
			await(t, func() error {
				if n := c.fabric.dialled(host.ID); n < 4 || !consoleHas(stray, test.console) {
					return fmt.Errorf("%d attempts, console %q", n, stray.Console())
				}
				return nil
			})
			if stray.State() != StateJoining {
				t.Errorf("it is %s", stray.State())
			}
		})
	}
	nodes, err := c.client("system:masters").CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	check(t, err)
	if len(nodes.Items) != 1 {
		t.Errorf("there are %d nodes", len(nodes.Items))
	}
}

// TestExpiredToken shows that the token ends with its ttl, and that another one can be made through the API.
func TestExpiredToken(t *testing.T) {
	c := newCloud(t)
	first := c.master(0)
	first.UserData = []byte(userData(t, "first-control-plane", c.pki, map[string]string{"TTL": "1s"}))
	c.boot(first)
	c.awaitState(StateReady, "demo-master-0")
	c.boot(c.worker(0))
	late := c.nodes["demo-node-0"]
	await(t, func() error {
		if c.fabric.dialled("id-demo-node-0") < 3 || !consoleHas(late, "the bootstrap token is unknown, expired") {
			return fmt.Errorf("console %q", late.Console())
		}
		return nil
	})
	if late.State() != StateJoining {
		t.Fatalf("it is %s", late.State())
	}
	_, err := c.client("system:masters").CoreV1().Secrets(systemNamespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "bootstrap-token-fedcba"}, Type: tokenSecretType,
		StringData: map[string]string{
			"token-id": "fedcba", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", "usage-bootstrap-authentication": "true",
		},
	}, metav1.CreateOptions{})
	check(t, err)
	c.boot(c.host("demo-node-1", "10.0.0.21", userData(t, "worker", c.pki, map[string]string{"Name": "demo-node-1", "ID": "x", "Token": "fedcba.0123456789abcdef"})))
	c.awaitState(StateReady, "demo-node-1")
}
