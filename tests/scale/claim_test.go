package scale

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const (
	burst    = 10 // clusters that are asked for at once
	requests = 60 // one after the other
	// goal is what the service is held to on a machine of its own; ceiling is what no machine may need.
	goal    = 50 * time.Millisecond
	ceiling = 500 * time.Millisecond
)

// TestClaim measures how long an accepted request waits for its conductor, with real processes, broker and database, and
// what memory the processes have.
func TestClaim(t *testing.T) {
	s := stack.Start(t, stack.Options{Speed: 20})
	x := s.One
	x.Want(t, 201, "POST", "/v1/clustertemplates", map[string]any{"name": "k8s", "coe": "kubernetes", "image_id": rig.ImageName, "flavor_id": rig.Flavor,
		"master_flavor_id": rig.Flavor, "external_network_id": "public"})
	store := rig.Open(t, s.Database)
	var uuids []string
	for i := range burst {
		body := map[string]any{"name": fmt.Sprintf("c-%d", i), "cluster_template_id": "k8s", "node_count": 0}
		uuid, _ := x.Want(t, 202, "POST", "/v1/clusters", body).JSON(t)["uuid"].(string)
		uuids = append(uuids, uuid)
	}
	var creates []time.Duration
	for _, uuid := range uuids {
		x.Settled(t, uuid, "CREATE_COMPLETE", patience)
		creates = append(creates, hop(ended(t, store, uuid, ops.ClusterCreate, 1)))
	}
	report(t, fmt.Sprintf("%d creates at once, with two cores busy making keys", burst), creates)

	// Nothing is to be done in these, so they meet conductors that wait, as a service mostly does.
	var hops []time.Duration
	for i := range requests {
		uuid := uuids[i%burst]
		x.Want(t, 202, "POST", "/v1/clusters/"+uuid+"/actions/resize", map[string]any{"node_count": 0})
		hops = append(hops, hop(ended(t, store, uuid, ops.NodeGroupResize, 1+i/burst)))
	}
	if p95 := report(t, fmt.Sprintf("%d requests one after the other", requests), hops); p95 > ceiling {
		t.Errorf("p95 is %v, over %v even", p95, ceiling)
	}
	t.Logf("resident memory with %d clusters: API %.0f MiB, conductors %.0f and %.0f MiB", burst, s.API.Memory(t), s.Conductors[0].Memory(t), s.Conductors[1].Memory(t))
}

// ended waits for the n-th operation of a kind on a cluster.
func ended(t *testing.T, store *db.Store, clusterUUID string, kind ops.Kind, n int) *db.Operation {
	t.Helper()
	var found *db.Operation
	testenv.Eventually(t, patience, fmt.Sprintf("the end of %s %d of cluster %s", kind, n, clusterUUID), func() bool {
		l, err := store.Operations(context.Background(), clusterUUID, db.OperationFilter{})
		if err != nil {
			t.Fatal(err)
		}
		l = slices.DeleteFunc(l, func(o *db.Operation) bool { return o.Kind != string(kind) })
		if len(l) < n || l[len(l)-n].Active() {
			return false
		}
		found = l[len(l)-n]
		return true
	})
	if found.Status != db.OpComplete {
		t.Fatalf("%s of cluster %s ended as %q: %s", kind, clusterUUID, found.Status, found.Fault)
	}
	return found
}

// hop is the time from the request, right before its transaction, to the claim.
func hop(o *db.Operation) time.Duration { return o.StartedAt.Sub(o.CreatedAt) }

func report(t *testing.T, what string, l []time.Duration) (p95 time.Duration) {
	t.Helper()
	slices.Sort(l)
	p95 = l[(len(l)*95-1)/100]
	t.Logf("%s: from request to claim median %v, p95 %v (held to %v), worst %v", what, l[len(l)/2], p95, goal, l[len(l)-1])
	return p95
}
