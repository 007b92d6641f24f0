package db_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
)

func hour(*db.Watch) time.Duration { return time.Hour }

// TestOneTakesACluster: however many look, each cluster is taken once, and again when its time has come.
func TestOneTakesACluster(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		const clusters = 12
		for i := range clusters {
			_, _, err := newCluster(t, s, "p", fmt.Sprint("c", i), 100)
			must(t, err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := map[string]int{}
		for range 4 {
			wg.Go(func() {
				for range 4 {
					l, err := s.TakeDue(ctx, db.PassHealth, 5, hour)
					mu.Lock()
					if err != nil {
						t.Errorf("taking: %v", err)
					}
					for _, w := range l {
						taken[w.ClusterUUID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(taken) != clusters {
			t.Errorf("%d of %d clusters were taken", len(taken), clusters)
		}
		for id, n := range taken {
			if n != 1 {
				t.Errorf("%s was taken %d times", id, n)
			}
		}
		if l, err := s.TakeDue(ctx, db.PassHealth, 50, hour); err != nil || len(l) != 0 {
			t.Errorf("before their time %d are taken, %v", len(l), err)
		}
		if l, err := s.TakeDue(ctx, db.PassDrift, 50, hour); err != nil || len(l) != clusters {
			t.Errorf("%d are taken for the other pass, %v", len(l), err)
		}
	})
}

// TestALookIsPutOff: who took a cluster may move its next look, until somebody else has taken it.
func TestALookIsPutOff(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, _, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		take := func(next time.Duration) *db.Watch {
			t.Helper()
			l, err := s.TakeDue(ctx, db.PassHealth, 5, func(*db.Watch) time.Duration { return next })
			if err != nil || len(l) != 1 || l[0].ClusterUUID != c.UUID {
				t.Fatalf("taken: %v, %v", l, err)
			}
			return l[0]
		}
		mine := take(time.Hour)
		mine.Failures = 3
		must(t, s.PutOff(ctx, db.PassHealth, mine, -time.Second))
		other := take(time.Hour)
		if other.Failures != 3 {
			t.Errorf("%d failures are noted", other.Failures)
		}
		mine.Failures = 7
		must(t, s.PutOff(ctx, db.PassHealth, mine, -time.Second))
		if l, err := s.TakeDue(ctx, db.PassHealth, 5, hour); err != nil || len(l) != 0 {
			t.Errorf("a look that was lost moved the next one: %v, %v", l, err)
		}
		must(t, s.ChangeCluster(ctx, c.UUID, func(sn *db.Snapshot) error { sn.RemoveCluster(); return nil }))
		must(t, s.PutOff(ctx, db.PassHealth, other, -time.Second))
		if l, err := s.TakeDue(ctx, db.PassDrift, 5, hour); err != nil || len(l) != 0 {
			t.Errorf("a cluster that is gone is looked after: %v, %v", l, err)
		}
	})
}

// TestEventsComeWithTheirDecision: a decision that is rolled back tells nothing.
func TestEventsComeWithTheirDecision(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, op, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		decide := func(fails error) error {
			return s.ChangeCluster(ctx, c.UUID, func(sn *db.Snapshot) error {
				sn.Events = append(sn.Events, &db.Event{ClusterUUID: c.UUID, Time: sn.Now(), Level: "info", Message: "decided"})
				return fails
			})
		}
		is(t, decide(db.ErrInUse), db.ErrInUse)
		must(t, decide(nil))
		l, err := s.Events(ctx, c.UUID, db.EventFilter{Limit: 10})
		if err != nil || len(l) != 1 || l[0].Message != "decided" {
			t.Errorf("events: %v, %v", l, err)
		}
		recent, err := s.OperationsSince(ctx, c.UUID, op.Kind, now().Add(-time.Hour))
		if err != nil || len(recent) != 1 {
			t.Errorf("%d operations of the last hour, %v", len(recent), err)
		}
		if recent, err = s.OperationsSince(ctx, c.UUID, op.Kind, now().Add(time.Hour)); err != nil || len(recent) != 0 {
			t.Errorf("%d operations of the future, %v", len(recent), err)
		}
	})
}
