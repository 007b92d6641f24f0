package scale

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

const (
	clusters = 100
	edge     = 10  // clusters at each end that are compared
	slower   = 1.5 // times what the last ones may take
	patience = 6 * time.Minute
)

// TestHundredClusters makes and deletes them side by side, by two conductors on one database.
func TestHundredClusters(t *testing.T) {
	quotas := map[string]int{}
	for _, name := range []string{"instances", "cores", "ram", "server_groups", "network", "subnet", "port", "router", "floatingip", "security_group",
		"security_group_rule", "load_balancer", "listener", "pool", "member", "health_monitor"} {
		quotas[name] = -1
	}
	o := rig.Options{Sim: sim.Options{Speed: 1, Quotas: quotas}}
	if server := os.Getenv(testenv.MariaDBURL); server != "" {
		o.Connection = dbtest.CreateDatabase(t, server, "mysql")
	} else {
		t.Log("on SQLite: MariaDB is not there")
	}
	r := rig.New(t, o)
	recipe := r.Resolve(t, rig.Shape{Name: "many", Masters: 1, Workers: 1})
	q := queue.NewMemory()
	run(t, r, q)

	began := time.Now()
	var creates []*db.Operation
	for range clusters {
		creates = append(creates, ring(t, q, r.Create(t, recipe)))
	}
	took := wait(t, r, creates)
	t.Logf("%d clusters were created in %v", clusters, time.Since(began).Round(time.Second))
	first, last := median(took[:edge]), median(took[len(took)-edge:])
	t.Logf("median of the first %d to be complete: %v, of the last: %v, of all: %v", edge, first.Round(time.Millisecond), last.Round(time.Millisecond), median(took).Round(time.Millisecond))
	if float64(last) > slower*float64(first) {
		t.Errorf("the last clusters took %.2f times as long as the first, want at most %v", float64(last)/float64(first), slower)
	}
	if n := len(r.Left()["server"]); n != 2*clusters {
		t.Errorf("%d servers in the cloud, want %d", n, 2*clusters)
	}

	began = time.Now()
	var deletes []*db.Operation
	for _, op := range creates {
		deletes = append(deletes, ring(t, q, r.Delete(t, op.ClusterUUID)))
	}
	wait(t, r, deletes)
	t.Logf("and deleted in %v", time.Since(began).Round(time.Second))
	if left := r.Left(); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
}

// run lets two conductors work until the test ends.
func run(t *testing.T, r *rig.Rig, q queue.Queue) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var both sync.WaitGroup
	for i := range 2 {
		c := r.Conductor(t, rig.ConductorOptions{Owner: fmt.Sprintf("conductor-%d", i+1), Queue: q, Parallel: 16, Workers: 32, Poll: 5 * time.Second})
		both.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Errorf("%s: %v", c.Owner, err)
			}
		})
	}
	t.Cleanup(func() { stop(); both.Wait() })
}

func ring(t *testing.T, q queue.Queue, op *db.Operation) *db.Operation {
	t.Helper()
	if err := q.Publish(context.Background(), queue.Message{OperationID: op.UUID}); err != nil {
		t.Fatal(err)
	}
	return op
}

// wait waits for operations to complete and gives how long they took, in the order in which they did.
func wait(t *testing.T, r *rig.Rig, l []*db.Operation) []time.Duration {
	t.Helper()
	var ended []*db.Operation
	for _, op := range l {
		testenv.Eventually(t, patience, "operation "+op.UUID, func() bool { return r.Ended(t, op) })
		o, err := r.Store.Operation(context.Background(), op.UUID)
		if err != nil || o.Status != db.OpComplete {
			t.Fatalf("an operation ended as %q: %s (%v)", o.Status, o.Fault, err)
		}
		ended = append(ended, o)
	}
	slices.SortFunc(ended, func(a, b *db.Operation) int { return cmp.Compare(a.FinishedAt.UnixNano(), b.FinishedAt.UnixNano()) })
	var took []time.Duration
	for _, o := range ended {
		took = append(took, o.FinishedAt.Sub(o.CreatedAt))
	}
	return took
}

func median(l []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(l))
	return s[len(s)/2]
}
