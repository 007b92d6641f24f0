package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// historyBatch bounds what is read and deleted at once.
const historyBatch = 1000

// past is a row of which only the age counts.
type past struct {
	ID     int64
	At     time.Time
	Status string
	Ended  *time.Time
}

// DropHistory takes out events, and operations that have ended, of before a time. It reads by number, oldest first, and no
// further than to the first row that is younger: tables of which little is old cost little.
func (s *Store) DropHistory(ctx context.Context, before time.Time) error {
	if err := s.dropPast(ctx, "event", "id, time AS at", before, func(past) bool { return true }); err != nil {
		return wrap(err, "dropping old events")
	}
	err := s.dropPast(ctx, "operation", "id, created_at AS at, status, finished_at AS ended", before, func(p past) bool {
		o := Operation{Status: p.Status}
		return !o.Active() && p.Ended != nil && p.Ended.Before(before)
	})
	return wrap(err, "dropping old operations")
}

func (s *Store) dropPast(ctx context.Context, table, columns string, before time.Time, over func(past) bool) error {
	for last := int64(0); ; {
		var l []past
		err := s.db.NewSelect().TableExpr("?", bun.Ident(table)).ColumnExpr(columns).Where("id > ?", last).Order("id").Limit(historyBatch).Scan(ctx, &l)
		if err != nil {
			return err
		}
		var ids []int64
		young := len(l) < historyBatch
		for _, p := range l {
			if last = p.ID; !p.At.Before(before) {
				young = true
				break
			}
			if over(p) {
				ids = append(ids, p.ID)
			}
		}
		if len(ids) > 0 {
			if _, err := s.db.NewDelete().TableExpr("?", bun.Ident(table)).Where("id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
				return err
			}
		}
		if young {
			return nil
		}
	}
}
