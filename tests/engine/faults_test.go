package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// TestACreateThatFails: the verdict comes with the step and the cloud's own words, and delete removes everything.
func TestACreateThatFails(t *testing.T) {
	for _, tc := range []struct {
		name        string
		rule        sim.Rule
		class, says string
	}{
		{"no host has room", sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "worker", Times: 1,
			Action: sim.Action{Fault: "No valid host was found. There are not enough hosts available."}}, "capacity", "No valid host was found"},
		{"the load balancer fails", sim.Rule{Service: "load-balancer", Method: "POST", PathRegexp: "/loadbalancers$", Action: sim.Action{Fault: "amphora lost"}}, "cloud", "ERROR"},
		{"a quota is full", sim.Rule{Service: "network", Method: "POST", PathRegexp: "/ports$", Nth: 3,
			Action: sim.Action{Status: 409, Body: `{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['port'].", "detail": ""}}`}}, "quota", "Quota exceeded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			if err := b.cloud.Inject(tc.rule); err != nil {
				t.Fatal(err)
			}
			b.run(b.conductor("one"))
			id := b.create("dev", 3, 2, true)
			v := b.settle(id)
			if v == nil || v.Status != ops.CreateFailed || v.StatusReason == nil || !strings.Contains(*v.StatusReason, tc.says) {
				t.Fatalf("after create: %+v\n%s", v, b.events(id))
			}
			l, err := b.store.Operations(context.Background(), id, db.OperationFilter{})
			if err != nil || l[0].FaultClass != tc.class {
				t.Errorf("fault of class %q, want %q, %v", l[0].FaultClass, tc.class, err)
			}
			b.cloud.ClearFaults()
			b.request(id, ops.ClusterDelete, "", func(*db.NodeGroup) {})
			if v = b.settle(id); v != nil {
				t.Fatalf("after delete: %s %v\n%s", v.Status, v.StatusReason, b.events(id))
			}
			b.empty()
		})
	}
}

// TestTheCreateTimeoutIsKept: a server that is built for ever is given up, in words that say what was waited for.
func TestTheCreateTimeoutIsKept(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "worker", Times: 1, Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	id := b.create("dev", 1, 1, false)
	minutes := 1
	err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error { s.Cluster.CreateTimeout = &minutes; return nil })
	if err != nil {
		t.Fatal(err)
	}
	c := b.conductor("one")
	hurry(t, c, 5) // its minutes pass five times as fast
	b.run(c)
	v := b.settle(id)
	if v == nil || v.Status != ops.CreateFailed || v.StatusReason == nil || !strings.Contains(*v.StatusReason, "create timeout") || !strings.Contains(*v.StatusReason, "BUILD") {
		t.Fatalf("after create: %+v %v\n%s", v, v.StatusReason, b.events(id))
	}
}

// TestARetryStartsWithFreshHosts: a failed resize is no dead end.
func TestARetryStartsWithFreshHosts(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"))
	id := b.create("dev", 1, 1, false)
	if v := b.settle(id); v == nil || v.Status != ops.CreateComplete {
		t.Fatalf("after create: %+v\n%s", v, b.events(id))
	}
	if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Times: 1, Action: sim.Action{Fault: "No valid host was found."}}); err != nil {
		t.Fatal(err)
	}
	grow := func(g *db.NodeGroup) { g.NodeCount = 3 }
	b.request(id, ops.NodeGroupResize, "default-worker", grow)
	if v := b.settle(id); v.Status != ops.UpdateFailed {
		t.Fatalf("after the failing resize: %s\n%s", v.Status, b.events(id))
	}
	b.request(id, ops.NodeGroupResize, "default-worker", grow)
	v := b.settle(id)
	if v.Status != ops.UpdateComplete || v.StatusReason != nil || len(v.NodeAddresses) != 3 {
		t.Fatalf("after the retry: %s %v\n%s", v.Status, v.StatusReason, b.events(id))
	}
	if n := len(b.cloud.Resources(b.project)["server"]); n != 4 {
		t.Errorf("%d servers in the cloud, want 4", n)
	}
}
