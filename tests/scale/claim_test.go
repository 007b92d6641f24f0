package scale

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const (
	requests = 40
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
	var uuids []string
	for i := range requests {
		body := map[string]any{"name": fmt.Sprintf("c-%d", i), "cluster_template_id": "k8s", "node_count": 0}
		uuid, _ := x.Want(t, 202, "POST", "/v1/clusters", body).JSON(t)["uuid"].(string)
		uuids = append(uuids, uuid)
	}
	store := rig.Open(t, s.Database)
	var hops []time.Duration
	for _, uuid := range uuids {
		testenv.Eventually(t, patience, "the claim of "+uuid, func() bool {
			l, err := store.Operations(context.Background(), uuid, false)
			if err != nil || len(l) != 1 || l[0].Kind != string(ops.ClusterCreate) {
				t.Fatalf("cluster %s has %d operations, %v", uuid, len(l), err)
			}
			if l[0].StartedAt == nil {
				return false
			}
			hops = append(hops, l[0].StartedAt.Sub(l[0].CreatedAt))
			return true
		})
	}
	slices.Sort(hops)
	p95 := hops[len(hops)*95/100]
	t.Logf("from the request, before its commit, to the claim: median %v, p95 %v (held to %v), worst %v", hops[len(hops)/2], p95, goal, hops[len(hops)-1])
	if p95 > ceiling {
		t.Errorf("p95 is %v, over %v even", p95, ceiling)
	}
	for _, uuid := range uuids {
		x.Settled(t, uuid, "CREATE_COMPLETE", patience)
	}
	t.Logf("resident memory with %d clusters: API %.0f MiB, conductors %.0f and %.0f MiB", requests, s.API.Memory(t), s.Conductors[0].Memory(t), s.Conductors[1].Memory(t))
}
