package db_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
)

func claim(t *testing.T, s *db.Store, uuid, owner string) *db.Operation {
	t.Helper()
	op, err := s.Claim(ctx, uuid, owner, ttl)
	must(t, err)
	return op
}

func TestOneClaimWins(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		_, op, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 20 {
			wg.Go(func() {
				_, err := s.Claim(ctx, op.UUID, fmt.Sprint("owner", i), ttl)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case !errors.Is(err, db.ErrNotRunnable):
					t.Errorf("unexpected: %v", err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d claims won", won)
		}
	})
}

// expire lets the lease of an operation run out.
func expire(t *testing.T, s *db.Store, op *db.Operation) {
	t.Helper()
	must(t, s.Exec(ctx, "UPDATE operation SET lease_expires_at = 1 WHERE uuid = '"+op.UUID+"'"))
}

func TestWhoLostTheLeaseWritesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, op, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		old := claim(t, s, op.UUID, "a")
		if _, err := s.Intend(ctx, old, &db.Resource{Kind: "port", Name: "x"}); err != nil {
			t.Fatal(err)
		}
		expire(t, s, op)
		fresh := claim(t, s, op.UUID, "b")
		if fresh.Epoch != old.Epoch+1 {
			t.Errorf("epoch %d after %d", fresh.Epoch, old.Epoch)
		}
		is(t, s.Renew(ctx, old, ttl), db.ErrFenced)
		is(t, s.Park(ctx, old, 0, nil), db.ErrFenced)
		is(t, s.Leave(ctx, old, db.Leftovers{{Kind: "port"}}), db.ErrFenced)
		is(t, s.Record(ctx, old, func(sn *db.Snapshot) error { sn.Cluster.Status = "X"; return nil }), db.ErrFenced)
		_, err = s.Intend(ctx, old, &db.Resource{Kind: "port", Name: "y"})
		is(t, err, db.ErrFenced)
		is(t, s.Confirm(ctx, old, "port", "x", "id", nil), db.ErrFenced)
		is(t, s.Forget(ctx, old, "port", "x"), db.ErrFenced)
		must(t, s.Renew(ctx, fresh, ttl))
		must(t, s.Confirm(ctx, fresh, "port", "x", "id", db.Strings{"address": "10.0.0.1"}))
		l, err := s.Resources(ctx, c.UUID)
		must(t, err)
		if len(l) != 1 || l[0].CloudID != "id" || l[0].Attrs["address"] != "10.0.0.1" {
			t.Errorf("ledger %+v", l)
		}
		again, err := s.Intend(ctx, fresh, &db.Resource{Kind: "port", Name: "x"})
		must(t, err)
		if again.CloudID != "id" {
			t.Error("a second intent does not give the first")
		}
		must(t, s.Forget(ctx, fresh, "port", "x"))
	})
}

func TestParkAndWake(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, op, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		mine := claim(t, s, op.UUID, "a")
		must(t, s.Park(ctx, mine, time.Hour, db.RawJSON(`{"steps":{}}`)))
		_, err = s.Claim(ctx, op.UUID, "b", ttl)
		is(t, err, db.ErrNotRunnable) // not due
		in, ok, err := s.NextWake(ctx)
		must(t, err)
		if !ok || in < 50*time.Minute {
			t.Errorf("next ring in %s, %v", in, ok)
		}
		must(t, s.ChangeCluster(ctx, c.UUID, func(sn *db.Snapshot) error {
			sn.Operations[0].CancelRequested = true
			sn.Wake(sn.Operations[0])
			return nil
		}))
		got := claim(t, s, op.UUID, "b")
		if !got.CancelRequested || string(got.State) != `{"steps":{}}` {
			t.Errorf("claimed %+v", got)
		}
		got.Status = db.OpCancelled
		must(t, s.Record(ctx, got, func(*db.Snapshot) error { return nil }))
		_, err = s.Claim(ctx, op.UUID, "c", ttl)
		is(t, err, db.ErrNotRunnable)
	})
}

// TestLeftovers outlive the operation's slices, and its end.
func TestLeftovers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		_, op, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		mine := claim(t, s, op.UUID, "a")
		left := db.Leftovers{{Kind: "port", Name: "x", ID: "1", Reason: "it is held"}}
		must(t, s.Leave(ctx, mine, left))
		must(t, s.Park(ctx, mine, 0, nil))
		got := claim(t, s, op.UUID, "b")
		if !slices.Equal(got.Leftovers, left) {
			t.Errorf("claimed with %v", got.Leftovers)
		}
		got.Status, got.Leftovers = db.OpComplete, append(got.Leftovers, db.Leftover{Kind: "user"})
		must(t, s.Record(ctx, got, func(sn *db.Snapshot) error { sn.RemoveCluster(); return nil }))
		o, err := s.Operation(ctx, op.UUID)
		must(t, err)
		if len(o.Leftovers) != 2 || o.Leftovers[0] != left[0] || o.Leftovers[1].Kind != "user" {
			t.Errorf("after the end: %v", o.Leftovers)
		}
	})
}

func TestScopes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, create, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		g1, g2 := addOperation(t, s, c.UUID, "g1"), addOperation(t, s, c.UUID, "g2")
		whole, late := addOperation(t, s, c.UUID, db.ScopeCluster), addOperation(t, s, c.UUID, "g3")
		first := claim(t, s, create.UUID, "a")
		for _, o := range []*db.Operation{g1, g2, whole, late} {
			_, err := s.Claim(ctx, o.UUID, "b", ttl)
			is(t, err, db.ErrScopeBusy)
		}
		first.Status = db.OpComplete
		must(t, s.Record(ctx, first, func(*db.Snapshot) error { return nil }))
		if len(first.Woken) != 4 {
			t.Errorf("%d operations are woken, want 4", len(first.Woken))
		}
		one, two := claim(t, s, g1.UUID, "a"), claim(t, s, g2.UUID, "b") // side by side
		_, err = s.Claim(ctx, whole.UUID, "c", ttl)
		is(t, err, db.ErrScopeBusy)
		_, err = s.Claim(ctx, late.UUID, "c", ttl)
		is(t, err, db.ErrScopeBusy) // the older one that needs the whole cluster does not starve
		for _, o := range []*db.Operation{one, two} {
			must(t, s.Park(ctx, o, 0, nil)) // parked, it still holds its scope
			_, err = s.Claim(ctx, whole.UUID, "c", ttl)
			is(t, err, db.ErrScopeBusy)
			o = claim(t, s, o.UUID, "a")
			o.Status = db.OpFailed
			must(t, s.Record(ctx, o, func(*db.Snapshot) error { return nil }))
		}
		claim(t, s, whole.UUID, "c")
	})
}

// TestWhatWasAskedForSince: also what was entered, and has ended, after the older operation was read.
func TestWhatWasAskedForSince(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, create, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		end := func(o *db.Operation, owner string) *db.Operation {
			mine := claim(t, s, o.UUID, owner)
			mine.Status = db.OpFailed
			must(t, s.Record(ctx, mine, func(*db.Snapshot) error { return nil }))
			return read(t, s, o)
		}
		since := func(o *db.Operation) (newer bool) {
			must(t, s.ChangeCluster(ctx, c.UUID, func(sn *db.Snapshot) (err error) { newer, err = sn.Superseded(o); return err }))
			return newer
		}
		create = end(create, "a")
		if since(create) {
			t.Error("the only operation is superseded")
		}
		g1 := end(addOperation(t, s, c.UUID, "g1"), "a")
		addOperation(t, s, c.UUID, "g2")
		if !since(create) || since(g1) {
			t.Error("a group's operation is newer for the cluster, and none of another group's")
		}
		addOperation(t, s, c.UUID, "g1")
		if !since(g1) {
			t.Error("a newer operation on the group is not seen")
		}
		if g3 := addOperation(t, s, c.UUID, "g3"); since(read(t, s, g3)) {
			t.Error("the newest on its group is superseded")
		} else if addOperation(t, s, c.UUID, db.ScopeCluster); !since(read(t, s, g3)) {
			t.Error("a newer operation on the whole cluster is not seen")
		}
	})
}

func read(t *testing.T, s *db.Store, o *db.Operation) *db.Operation {
	t.Helper()
	stored, err := s.Operation(ctx, o.UUID)
	must(t, err)
	return stored
}

func TestSweepersShareTheWork(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		for i := range 10 {
			_, _, err := newCluster(t, s, "p", fmt.Sprint("c", i), 50)
			must(t, err)
		}
		if l, err := s.DueOperations(ctx, 100, time.Minute); err != nil || len(l) != 0 {
			t.Errorf("%d are due at once, %v: their message has not had its time", len(l), err)
		}
		must(t, s.Exec(ctx, "UPDATE operation SET ring_at = 1"))
		var wg sync.WaitGroup
		var mu sync.Mutex
		rung := map[string]int{}
		for range 4 {
			wg.Go(func() {
				l, err := s.DueOperations(ctx, 100, time.Minute)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, id := range l {
					rung[id]++
				}
			})
		}
		wg.Wait()
		for id, n := range rung {
			if n != 1 {
				t.Errorf("%s was rung for %d times", id, n)
			}
		}
		if len(rung) != 10 {
			t.Errorf("%d were rung for, want 10", len(rung))
		}
	})
}

func TestTheEndOfACluster(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, op, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		mine := claim(t, s, op.UUID, "a")
		must(t, s.PutSecret(ctx, &db.Secret{UUID: uuid.NewString(), ClusterUUID: c.UUID, Sealed: []byte{1}, CreatedAt: now()}))
		must(t, s.AddEvents(ctx, []*db.Event{{ClusterUUID: c.UUID, OperationUUID: op.UUID, Time: now(), Level: "info", Message: "m"}}))
		mine.Status = db.OpComplete
		must(t, s.Record(ctx, mine, func(sn *db.Snapshot) error { sn.RemoveCluster(); return nil }))
		_, err = s.Cluster(ctx, c.UUID, "p")
		is(t, err, db.ErrNotFound)
		if n, err := s.Nodes(ctx, c.UUID); err != nil || len(n) != 0 {
			t.Errorf("%d nodes are left, %v", len(n), err)
		}
		if l, err := s.Events(ctx, c.UUID, db.EventFilter{Limit: 10}); err != nil || len(l) != 1 {
			t.Errorf("%d events are left to read, %v", len(l), err)
		}
		if o, err := s.Operation(ctx, op.UUID); err != nil || o.FinishedAt == nil || o.Owner != "" {
			t.Errorf("operation %+v, %v", o, err)
		}
	})
}
