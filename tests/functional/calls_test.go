package functional

import (
	"testing"

	"github.com/jeroboam-cloud/jeroboam/tests/stack"
	"github.com/jeroboam-cloud/jeroboam/tests/traffic"
)

// TestCalls: nothing is asked of the cloud twice. The same is held to a real cloud by package openstack.
func TestCalls(t *testing.T) {
	calls := traffic.Record(t)
	s := stack.Start(t, stack.Options{Speed: 10, Conductors: 1, Traffic: calls})
	template(t, s.One, "k8s", map[string]any{"master_lb_enabled": true})
	calls.Take()
	s.One.Want(t, 202, "POST", "/v1/clusters", map[string]any{"name": "dev", "cluster_template_id": "k8s", "master_count": 3, "node_count": 2})
	s.One.Settled(t, "dev", "CREATE_COMPLETE", settling)
	made := calls.Take()
	t.Logf("create of 3 + 2 nodes:\n%s", traffic.Table(made))
	for _, again := range traffic.Repeated(made, stack.LooksApart) {
		t.Error("repeated without need: " + again)
	}
	s.One.Want(t, 204, "DELETE", "/v1/clusters/dev", nil)
	s.One.Gone(t, "dev", settling)
	deleted := calls.Take()
	t.Logf("delete of 3 + 2 nodes:\n%s", traffic.Table(deleted))
	for _, again := range traffic.Repeated(traffic.Changes(deleted), 0) {
		t.Error("repeated without need: " + again)
	}
}
