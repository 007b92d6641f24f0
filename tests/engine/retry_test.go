package engine

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// again asks for a create once more, as the API does.
func (b *bed) again(id string) {
	b.t.Helper()
	b.cloud.ClearFaults()
	b.requestWith(id, ops.ClusterCreate, "", nil, ops.Create{Again: true})
}

// nodes are the names of a cluster's nodes.
func (b *bed) nodes(id string) []string {
	b.t.Helper()
	l, err := b.store.Nodes(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, n := range l {
		names = append(names, n.Name)
	}
	return names
}

// oneIsReady waits until a node's row says that it is ready, while its cluster is still being made.
func (b *bed) oneIsReady(id string) {
	b.t.Helper()
	testenv.Eventually(b.t, eventually, "a node to be ready", func() bool {
		l, err := b.store.Nodes(context.Background(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		return slices.ContainsFunc(l, func(n *db.Node) bool { return n.Ready && len(n.Conditions) > 0 })
	})
}

// TestACreateIsTriedAgain: whatever made it fail, the second attempt completes, keeps what is sound, and leaves no more
// behind than a first one.
func TestACreateIsTriedAgain(t *testing.T) {
	servers := func(name string, nth int) sim.Rule {
		return sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: name, Nth: nth, Times: 1, Action: sim.Action{Fault: "No valid host was found."}}
	}
	for _, tc := range []struct {
		name         string
		rule         sim.Rule
		masters      int
		loadBalancer bool
	}{
		{"a worker failed", servers("worker", 2), 3, true},
		{"a control plane failed", servers("master", 2), 3, true},
		{"the only control plane failed", servers("master", 1), 1, false},
		{"the load balancer failed", sim.Rule{Service: "load-balancer", Method: "POST", PathRegexp: "/loadbalancers$", Times: 1, Action: sim.Action{Fault: "amphora lost"}}, 3, true},
		{"the router was refused", sim.Rule{Service: "network", Method: "POST", PathRegexp: "/routers$", Times: 1, Action: sim.Action{Status: 403}}, 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			if err := b.cloud.Inject(tc.rule); err != nil {
				t.Fatal(err)
			}
			b.run(b.conductor("one"))
			id := b.create("dev", tc.masters, 2, tc.loadBalancer)
			if v := b.settle(id); v == nil || v.Status != ops.CreateFailed {
				t.Fatalf("after the first attempt: %s\n%s", brief(v), b.events(id))
			}
			b.again(id)
			v := b.settle(id)
			if v == nil || v.Status != ops.CreateComplete {
				t.Fatalf("after the second attempt: %s\n%s", brief(v), b.events(id))
			}
			if l := b.nodes(id); len(l) != tc.masters+2 {
				t.Errorf("nodes %v", l)
			}
			if n := len(b.recorded(id, "server")); n != tc.masters+2 {
				t.Errorf("%d servers are in the ledger", n)
			}
			b.deleted(id)
		})
	}
}

// TestACreateIsCancelled: it stops with a verdict, and can be tried again.
func TestACreateIsCancelled(t *testing.T) {
	b := newBed(t, sim.Options{})
	if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "worker", Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	b.run(b.conductor("one"))
	id := b.create("dev", 1, 2, false)
	b.oneIsReady(id)
	err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
		s.Operations[0].CancelRequested = true
		s.Wake(s.Operations[0])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v := b.settle(id)
	if v == nil || v.Status != ops.CreateFailed || v.StatusReason == nil || !strings.Contains(*v.StatusReason, "cancelled") {
		t.Fatalf("after the cancel: %s\n%s", brief(v), b.events(id))
	}
	kept := b.nodes(id)[0]
	b.again(id)
	if v = b.settle(id); v == nil || v.Status != ops.CreateComplete {
		t.Fatalf("after the second attempt: %s\n%s", brief(v), b.events(id))
	}
	if l := b.nodes(id); len(l) != 3 || l[0] != kept {
		t.Errorf("nodes %v, of which %s was ready before", l, kept)
	}
	b.deleted(id)
}
