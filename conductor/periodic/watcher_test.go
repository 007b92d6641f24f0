package periodic

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// stuck sees every cluster at once, but for one that never answers.
type stuck struct {
	eyes
	silent string
	begun  atomic.Int32 // looks at the silent one
	others atomic.Int32
}

func (s *stuck) NodeStates(ctx context.Context, of *db.Snapshot) (map[string]bool, error) {
	if of.Cluster.UUID == s.silent {
		s.begun.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.others.Add(1)
	return map[string]bool{}, nil
}

// TestASilentClusterKeepsNoOtherWaiting: nobody's health waits for that of a cluster that takes its time.
func TestASilentClusterKeepsNoOtherWaiting(t *testing.T) {
	store, sights := dbtest.SQLite(t), &stuck{}
	for i := range 5 {
		sights.silent = idle(t, store, i, []string{fmt.Sprint("n-", i)})
	}
	w := &Watcher{Config: Config{Parallel: 3, HealAfter: time.Minute, HealShare: 34, HealPerHour: 5}, Health: KubernetesConfig{HealthInterval: time.Second},
		Store: store, Sights: sights, ApproveServing: func(context.Context, *db.Snapshot) error { return nil }, Jitter: func() float64 { return 0 }, NewUUID: uuid.NewString, Log: zap.NewNop()}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	defer running.Wait()
	defer cancel()
	testenv.Eventually(t, 30*time.Second, "a look at the silent one to begin", func() bool { return sights.begun.Load() > 0 })
	before := sights.others.Load()
	testenv.Eventually(t, 30*time.Second, "the others to be looked at again and again", func() bool { return sights.others.Load() > before+12 })
	if n := sights.begun.Load(); n != 1 {
		t.Errorf("%d looks at the silent one are under way", n)
	}
}
