package db_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
)

// TestHistoryIsDropped: what is over for long goes, in as many batches as it takes; what is not over stays, however old.
func TestHistoryIsDropped(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		ctx, now := context.Background(), time.Now().UTC()
		long, lately := now.Add(-100*24*time.Hour), now.Add(-24*time.Hour)
		const old = 2500
		var events []*db.Event
		cluster := uuid.NewString()
		for i := range old + 2 {
			e := &db.Event{ClusterUUID: cluster, Time: long, Level: "info", Message: fmt.Sprint(i)}
			if i >= old {
				e.Time = lately
			}
			events = append(events, e)
		}
		if err := s.AddEvents(ctx, events); err != nil {
			t.Fatal(err)
		}
		stays := map[string]bool{}
		for _, o := range []struct {
			status         string
			created, ended time.Time
			stays          bool
		}{{db.OpRunning, long, time.Time{}, true}, {db.OpComplete, long, long, false}, {db.OpFailed, long, long, false}, {db.OpComplete, long, lately, true},
			{db.OpCancelled, long, long, false}, {db.OpComplete, lately, lately, true}} {
			c := &db.Cluster{UUID: uuid.NewString(), ProjectID: "p", Name: "c", ClusterTemplateID: dbtest.Template(t, s, "p"), CreatedAt: now}
			op := &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, Kind: "cluster.create", Scope: db.ScopeCluster, Status: o.status, CreatedAt: o.created}
			if !o.ended.IsZero() {
				op.FinishedAt = &o.ended
			}
			if err := s.CreateCluster(ctx, c, nil, op, 100); err != nil {
				t.Fatal(err)
			}
			stays[op.UUID] = o.stays
		}
		for range 2 {
			if err := s.DropHistory(ctx, now.Add(-90*24*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if l, err := s.Events(ctx, cluster, db.EventFilter{Limit: 10_000}); err != nil || len(l) != 2 {
			t.Errorf("%d events are left, want 2; %v", len(l), err)
		}
		for id, want := range stays {
			if o, err := s.Operation(ctx, id); (err == nil) != want {
				t.Errorf("operation %s, which is %s, created %s: %v, want it to stay: %v", id, o.Status, o.CreatedAt, err, want)
			}
		}
	})
}

// TestWordsOfOthers: whatever a cloud or a cluster says can be written down.
func TestWordsOfOthers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		ctx, cluster := context.Background(), uuid.NewString()
		for said, want := range map[string]string{"a\x00b": "ab", "caf\xe9": "caf\ufffd", "fine: ä": "fine: ä", strings.Repeat("ä", 10_000): strings.Repeat("ä", 2048) + "…"} {
			l := []*db.Event{{ClusterUUID: cluster, Time: time.Now(), Level: "info", Message: said}}
			if err := s.AddEvents(ctx, l); err != nil {
				t.Errorf("%.20q: %v", said, err)
				continue
			}
			if got, err := s.Events(ctx, cluster, db.EventFilter{After: l[0].ID - 1, Limit: 1}); err != nil || len(got) != 1 || got[0].Message != want {
				t.Errorf("%.20q: %v, %v", said, got, err)
			}
		}
	})
}
