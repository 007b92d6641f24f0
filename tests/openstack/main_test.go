package openstack

import (
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/guests"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// patience with a whole cluster, on two cores that also run the whole cloud.
const patience = 10 * time.Minute

// TestMainJob is a cluster's life, asked for by the people's own command.
func TestMainJob(t *testing.T) {
	testenv.Require(t, testenv.OpenStack)
	s := stack.Start(t, stack.Options{Real: true, Conductors: 2})
	c, x := administrator(t, s), s.One
	hosts := guests.Run(t, testenv.KeystoneAdmin(t), testenv.Region, guests.Options{Speed: 20, Image: map[string]string{"kube_version": "v1.37.2", "os_distro": "ubuntu", "architecture": "x86_64"}})
	t.Cleanup(func() {
		if t.Failed() {
			for id, lines := range hosts.Consoles() {
				t.Logf("console of %s: %q", id, lines)
			}
		}
	})
	look := func() inventory {
		i := c.of(x.ProjectID, s.DomainID)
		c.parts(i, x.ProjectID)
		return i
	}
	took := func(what string, since time.Time) { t.Logf("%s: %.0f s", what, time.Since(since).Seconds()) }

	x.OpenStack(t, "coe", "cluster", "template", "create", "k8s", "--coe", "kubernetes", "--image", rig.ImageName, "--external-network", "public", "--flavor", rig.Flavor,
		"--master-flavor", rig.Flavor, "--master-lb-enabled", "--labels", "boot_volume_size=20,boot_volume_type=ssd")
	started := time.Now()
	x.OpenStack(t, "coe", "cluster", "create", "dev", "--cluster-template", "k8s", "--master-count", "3", "--node-count", "2")
	x.Settled(t, "dev", "CREATE_COMPLETE", patience)
	took("create of 3 + 2 nodes", started)
	made := look()
	for _, w := range []struct {
		kind  string
		count int
		word  string // what all of them end in
	}{
		{"server", 5, "ACTIVE"}, {"server group", 2, ""}, {"volume", 5, "in-use"}, {"network", 1, "ACTIVE"}, {"subnet", 1, ""}, {"router", 1, "ACTIVE"}, {"floating IP", 1, "ACTIVE"},
		{"load balancer", 1, "ACTIVE"}, {"listener", 1, "ACTIVE"}, {"pool", 1, "ACTIVE"}, {"member", 3, "ACTIVE"}, {"health monitor", 1, "ACTIVE"}, {"user", 1, ""},
	} {
		if l := made[w.kind]; len(l) != w.count || w.word != "" && made.ending(w.kind, w.word) != w.count {
			t.Errorf("%d of kind %s, all of them %s, were expected: %q", w.count, w.kind, w.word, l)
		}
	}
	if made.ending("port", "ACTIVE") < 5 || len(made["secret"]) == 0 || len(made["allocation"]) == 0 {
		t.Errorf("ports %q, secrets %q, allocations %q", made["port"], made["secret"], made["allocation"])
	}
	if nodes := x.Want(t, 200, "GET", "/v1/clusters/dev/nodes", nil).JSON(t)["nodes"].([]any); len(nodes) != 5 {
		t.Errorf("nodes: %v", nodes)
	}

	started = time.Now()
	x.OpenStack(t, "coe", "nodegroup", "create", "dev", "pool", "--node-count", "1", "--role", "worker")
	x.Settled(t, "dev", "UPDATE_COMPLETE", patience)
	x.OpenStack(t, "coe", "cluster", "resize", "dev", "2", "--nodegroup", "pool")
	x.Settled(t, "dev", "UPDATE_COMPLETE", patience)
	took("a node group of one node, and its second", started)
	if grown := look(); len(grown["server"]) != 7 || grown.ending("server", "ACTIVE") != 7 {
		t.Errorf("after the resize: %q", grown["server"])
	}
	x.OpenStack(t, "coe", "cluster", "resize", "dev", "1")
	x.Settled(t, "dev", "UPDATE_COMPLETE", patience)
	if less := look(); len(less["server"]) != 6 || len(less["volume"]) != 6 {
		t.Errorf("after the shrink: %q", less)
	}

	started = time.Now()
	x.OpenStack(t, "coe", "cluster", "delete", "dev")
	x.Gone(t, "dev", patience)
	took("delete of 3 + 1 + 2 nodes", started)
	nothingLeft(t, look())
}
