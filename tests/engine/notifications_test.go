package engine

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// notified lists what other services will hear of: event, priority, outcome, status of the cluster and its nodes' number.
func (b *bed) notified() []string {
	b.t.Helper()
	l, err := b.store.Notifications(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, n := range l {
		var p struct {
			Outcome string
			Target  struct {
				Attachments []struct {
					Content struct {
						Status    string
						NodeCount json.Number `json:"node_count"`
					}
				}
			}
		}
		if err := json.Unmarshal(n.Payload, &p); err != nil {
			b.t.Fatal(err)
		}
		c := p.Target.Attachments[0].Content
		out = append(out, strings.Join([]string{strings.TrimPrefix(n.EventType, "magnum.cluster."), n.Priority, p.Outcome, c.Status, c.NodeCount.String()}, " "))
	}
	return out
}

// TestLifeIsTold: what other services hear of a cluster's life, in the order in which it happens.
func TestLifeIsTold(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.publisher = "container-infra.here"
	b.run(b.conductor("one"), b.conductor("two"))
	id := b.create("dev", 1, 1, false)
	b.settle(id)
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 2 })
	b.settle(id)
	b.request(id, ops.NodeGroupUpdate, "default-worker", func(g *db.NodeGroup) { g.NodeLabels = db.Strings{"a": "b"} })
	b.settle(id)
	if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Action: sim.Action{Fault: "No valid host was found."}}); err != nil {
		t.Fatal(err)
	}
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 3 })
	b.settle(id)
	b.cloud.ClearFaults()
	b.request(id, ops.ClusterDelete, "", nil)
	if v := b.settle(id); v != nil {
		t.Fatalf("after delete: %s\n%s", v.Status, b.events(id))
	}
	want := []string{
		"create INFO pending CREATE_IN_PROGRESS 1", "create INFO success CREATE_COMPLETE 1",
		"update INFO pending UPDATE_IN_PROGRESS 2", "update INFO success UPDATE_COMPLETE 2",
		"update INFO success UPDATE_COMPLETE 2",
		"update INFO pending UPDATE_IN_PROGRESS 3", "update ERROR failure UPDATE_FAILED 3",
		"delete INFO pending DELETE_IN_PROGRESS 3", "delete INFO success DELETE_COMPLETE 3",
	}
	if diff := cmp.Diff(want, b.notified()); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, b.events(id))
	}
}

// TestACancelIsTold as a failure, and nothing at all where nobody wants to hear of it.
func TestACancelIsTold(t *testing.T) {
	for _, tc := range []struct {
		name, publisher string
		want            []string
	}{
		{"notifications on", "container-infra.here", []string{"create INFO pending CREATE_IN_PROGRESS 1", "create ERROR failure DELETE_IN_PROGRESS 1",
			"delete INFO pending DELETE_IN_PROGRESS 1", "delete INFO success DELETE_COMPLETE 1"}},
		{"notifications off", "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			b.publisher = tc.publisher
			if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Action: sim.Action{Stuck: true}}); err != nil {
				t.Fatal(err)
			}
			b.run(b.conductor("one"))
			id := b.create("dev", 1, 1, false)
			testenv.Eventually(t, eventually, "a host to be asked for", func() bool { return len(b.recorded(id, drivers.KindServer)) > 0 })
			b.request(id, ops.ClusterDelete, "", nil)
			b.settle(id)
			if diff := cmp.Diff(tc.want, b.notified()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
