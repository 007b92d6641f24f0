package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Event is a row of event: one thing that happened to a cluster, in words for its user.
type Event struct {
	bun.BaseModel `bun:"table:event,alias:e"`

	ID            int64     `bun:"id,pk,autoincrement"`
	ClusterUUID   string    `bun:"cluster_uuid"`
	OperationUUID string    `bun:"operation_uuid"`
	Time          time.Time `bun:"time"`
	Level         string    `bun:"level"` // info, warning, error
	Step          string    `bun:"step"`
	Resource      string    `bun:"resource"`
	Message       string    `bun:"message"`
}

var _ bun.BeforeAppendModelHook = (*Event)(nil)

// BeforeAppendModel is of bun: messages have what others say, clouds and clusters among them.
func (e *Event) BeforeAppendModel(context.Context, bun.Query) error {
	e.Message = Words(e.Message)
	return nil
}

// EventFilter says which events of a cluster are listed.
type EventFilter struct {
	After         int64    // only those with a higher number
	OperationUUID string   // only this operation's, unless empty
	Levels        []string // only of these levels, unless empty
	Limit         int
}

// AddEvents appends events.
func (s *Store) AddEvents(ctx context.Context, l []*Event) error {
	if len(l) == 0 {
		return nil
	}
	_, err := s.db.NewInsert().Model(&l).Exec(ctx)
	return wrap(err, "writing events")
}

// Events lists a cluster's, oldest first.
func (s *Store) Events(ctx context.Context, clusterUUID string, f EventFilter) ([]*Event, error) {
	var l []*Event
	q := s.db.NewSelect().Model(&l).Where("cluster_uuid = ? AND id > ?", clusterUUID, f.After).Order("id").Limit(int64(f.Limit))
	if f.OperationUUID != "" {
		q = q.Where("operation_uuid = ?", f.OperationUUID)
	}
	if len(f.Levels) > 0 {
		q = q.Where("level IN (?)", bun.List(f.Levels))
	}
	return l, wrap(q.Scan(ctx), "listing events")
}
