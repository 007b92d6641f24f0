package db

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// Watch is a row of watch: when a cluster is looked after next, by whichever conductor takes it. It is a table of its own
// since it is written all the time, and the rows of clusters are what lists read.
type Watch struct {
	bun.BaseModel `bun:"table:watch,alias:w"`

	ClusterUUID string `bun:"cluster_uuid,pk"`
	HealthAt    int64  `bun:"health_at"` // milliseconds since 1970, the database's clock
	DriftAt     int64  `bun:"drift_at"`  // the same clock
	Failures    int    `bun:"failures"`  // polls in a row that did not reach the cluster
}

// Pass is a reason to look at a cluster: the column that says when.
type Pass string

// The passes.
const (
	PassHealth Pass = "health_at" // how the cluster is, by its own API
	PassDrift  Pass = "drift_at"  // what is there of it in the cloud
)

func (p Pass) due(w *Watch) *int64 {
	if p == PassDrift {
		return &w.DriftAt
	}
	return &w.HealthAt
}

// TakeDue takes clusters whose pass is due, and puts the next one off by what next gives for each. Two conductors never
// get the same one; when one dies with it, that pass is left out.
func (s *Store) TakeDue(ctx context.Context, p Pass, limit int, next func(*Watch) time.Duration) ([]*Watch, error) {
	now, err := s.now(ctx, s.db)
	if err != nil {
		return nil, err
	}
	var l []*Watch
	if err := s.db.NewSelect().Model(&l).Where("? <= ?", bun.Ident(p), now).OrderExpr("?", bun.Ident(p)).Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, wrap(err, "looking for clusters to look after")
	}
	var taken []*Watch
	for _, w := range l {
		n, err := s.moveDue(ctx, p, w, now+next(w).Milliseconds())
		if err != nil {
			return taken, fmt.Errorf("taking a cluster to look after: %w", err)
		}
		if n > 0 {
			taken = append(taken, w)
		}
	}
	return taken, nil
}

// PutOff moves the next pass of a cluster that was taken, and notes how often it was not reached, unless somebody else has
// taken it since.
func (s *Store) PutOff(ctx context.Context, p Pass, w *Watch, after time.Duration) error {
	now, err := s.now(ctx, s.db)
	if err != nil {
		return err
	}
	_, err = s.moveDue(ctx, p, w, now+after.Milliseconds())
	return wrap(err, "putting a look at a cluster off")
}

func (s *Store) moveDue(ctx context.Context, p Pass, w *Watch, to int64) (int64, error) {
	due := p.due(w)
	q := s.db.NewUpdate().Model((*Watch)(nil)).Set("? = ?", bun.Ident(p), to)
	if p == PassHealth {
		q = q.Set("failures = ?", w.Failures)
	}
	n, err := affected(q.Where("cluster_uuid = ? AND ? = ?", w.ClusterUUID, bun.Ident(p), *due).Exec(ctx))
	if err == nil && n > 0 {
		*due = to
	}
	return n, err
}

// Survey reads a cluster without keeping anybody out: to find out whether there is anything to decide.
func (s *Store) Survey(ctx context.Context, uuid string) (*Snapshot, error) {
	return s.snapshot(ctx, s.db, uuid)
}

// OperationsSince lists a cluster's operations of a kind that were asked for after a time.
func (s *Store) OperationsSince(ctx context.Context, clusterUUID, kind string, since time.Time) ([]*Operation, error) {
	var l []*Operation
	err := s.db.NewSelect().Model(&l).Where("cluster_uuid = ? AND kind = ? AND created_at > ?", clusterUUID, kind, since).Order("id").Scan(ctx)
	return l, wrap(err, "listing operations")
}
