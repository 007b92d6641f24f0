package openstack

import (
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
	"github.com/jeroboam-cloud/jeroboam/tests/traffic"
)

// idle is how long nobody wants anything.
const idle = time.Minute

// TestCalls counts what a create and an idle minute ask of the cloud.
func TestCalls(t *testing.T) {
	testenv.Require(t, testenv.OpenStack)
	calls := traffic.Record(t)
	s := stack.Start(t, stack.Options{Real: true, Conductors: 1, Traffic: calls})
	x := s.One
	boot(t)
	template(t, x, map[string]any{"labels": map[string]string{"boot_volume_size": "20", "boot_volume_type": "ssd"}})
	calls.Take()
	create(t, x, "dev", map[string]any{"master_count": 3, "node_count": 2})
	made := calls.Take()
	t.Logf("create of 3 + 2 nodes:\n%s", traffic.Table(made))
	for _, again := range traffic.Repeated(made, stack.LooksApart) {
		t.Error("repeated without need: " + again)
	}
	until := time.NewTimer(idle)
	defer until.Stop()
	<-until.C
	rest := calls.Take()
	t.Logf("an idle minute:\n%s", traffic.Table(rest))
	if len(rest) > 0 {
		t.Errorf("%d calls are made when nobody wants anything", len(rest))
	}
	remove(t, x, "dev")
	deleted := calls.Take()
	t.Logf("delete of 3 + 2 nodes:\n%s", traffic.Table(deleted))
	for _, again := range traffic.Repeated(traffic.Changes(deleted), 0) {
		t.Error("repeated without need: " + again)
	}
}
