package db_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
)

func notification() *db.Notification {
	return &db.Notification{UUID: uuid.NewString(), PublisherID: "container-infra.here", EventType: "magnum.cluster.create", Priority: "INFO",
		Context: db.Strings{"user_id": "u"}, Payload: db.RawJSON(`{"a":"ä"}`)}
}

// notify writes notifications about a cluster, and takes that out along with them when it is to go.
func notify(s *db.Store, cluster string, fails error, gone bool, l ...*db.Notification) error {
	return s.ChangeCluster(ctx, cluster, func(sn *db.Snapshot) error {
		sn.Notifications = append(sn.Notifications, l...)
		if gone {
			sn.RemoveCluster()
		}
		return fails
	})
}

// TestNotificationsComeWithTheirDecision: one that is rolled back tells nobody, and the end of a cluster takes none away.
func TestNotificationsComeWithTheirDecision(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, _, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		one, two := notification(), notification()
		is(t, notify(s, c.UUID, db.ErrInUse, false, notification()), db.ErrInUse)
		must(t, notify(s, c.UUID, nil, false, one))
		must(t, notify(s, c.UUID, nil, true, two))
		got, err := s.Notifications(ctx)
		must(t, err)
		if d := cmp.Diff([]*db.Notification{one, two}, got, cmpopts.EquateApproxTime(0)); d != "" {
			t.Errorf("what was stored is not what was read:\n%s", d)
		}
		if left, err := s.Now(ctx); err != nil || left.Sub(got[0].CreatedAt) > time.Minute || got[0].CreatedAt.UnixMilli() != got[0].DueAt {
			t.Errorf("written at %v, due at %d, %v", got[0].CreatedAt, got[0].DueAt, err)
		}
		_, err = s.Cluster(ctx, c.UUID, "")
		is(t, err, db.ErrNotFound)
	})
}

// TestOneTakesANotification: however many look, each is taken once, and again when the lease has ended.
func TestOneTakesANotification(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, _, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		const count = 12
		for range count {
			must(t, notify(s, c.UUID, nil, false, notification()))
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := map[int64]int{}
		for range 4 {
			wg.Go(func() {
				for range 4 {
					l, err := s.TakeNotifications(ctx, 5, time.Hour)
					mu.Lock()
					if err != nil {
						t.Errorf("taking: %v", err)
					}
					for _, n := range l {
						taken[n.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(taken) != count {
			t.Errorf("%d of %d were taken", len(taken), count)
		}
		for id, n := range taken {
			if n != 1 {
				t.Errorf("%d was taken %d times", id, n)
			}
		}
		must(t, s.Exec(ctx, "UPDATE notification SET due_at = 1"))
		if l, err := s.TakeNotifications(ctx, 50, time.Hour); err != nil || len(l) != count {
			t.Errorf("%d are taken after the lease, %v", len(l), err)
		}
	})
}

// TestANotificationIsGivenBack: who has it puts it off or takes it out; who has lost it moves nothing.
func TestANotificationIsGivenBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, _, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		must(t, notify(s, c.UUID, nil, false, notification()))
		leases := 0
		take := func(want int) *db.Notification {
			t.Helper()
			leases++ // each of another length: all of this may happen within one tick of the clock
			l, err := s.TakeNotifications(ctx, 5, time.Duration(leases)*time.Hour)
			if err != nil || len(l) != want {
				t.Fatalf("%d are taken, want %d, %v", len(l), want, err)
			}
			if want == 0 {
				return nil
			}
			return l[0]
		}
		mine := take(1)
		take(0)
		lost := *mine
		must(t, s.PutOffNotification(ctx, mine, -time.Second))
		other := take(1)
		must(t, s.PutOffNotification(ctx, &lost, -time.Second))
		take(0)
		must(t, s.RemoveNotification(ctx, other))
		must(t, s.RemoveNotification(ctx, other))
		if l, err := s.Notifications(ctx); err != nil || len(l) != 0 {
			t.Errorf("%d are left, %v", len(l), err)
		}
	})
}

// TestOldNotificationsAreDropped: the oldest first, and no more at once than asked for.
func TestOldNotificationsAreDropped(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, _, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		for range 4 {
			must(t, notify(s, c.UUID, nil, false, notification()))
		}
		old, err := s.Notifications(ctx)
		must(t, err)
		for i, n := range old[:3] {
			must(t, s.Exec(ctx, fmt.Sprintf("UPDATE notification SET created_at = '2026-01-0%d 00:00:00' WHERE id = %d", 3-i, n.ID)))
		}
		for i, want := range []int64{2, 1, 0} {
			if n, err := s.DropNotifications(ctx, time.Hour, 2); err != nil || n != want {
				t.Errorf("try %d drops %d, want %d, %v", i+1, n, want, err)
			}
			l, err := s.Notifications(ctx)
			if must(t, err); i == 0 && (len(l) != 2 || l[0].ID != old[0].ID) {
				t.Errorf("the oldest are still there: %v", l)
			}
		}
		if l, err := s.Notifications(ctx); err != nil || len(l) != 1 || l[0].ID != old[3].ID {
			t.Errorf("%d are left, %v", len(l), err)
		}
	})
}
