package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Quota is a row of quota: how many of a resource a project may have.
type Quota struct {
	bun.BaseModel `bun:"table:quota,alias:q"`

	ID        int64      `bun:"id,pk,autoincrement"`
	ProjectID string     `bun:"project_id"`
	Resource  string     `bun:"resource"`
	HardLimit int        `bun:"hard_limit"`
	CreatedAt time.Time  `bun:"created_at"`
	UpdatedAt *time.Time `bun:"updated_at"`
}

// Quota reads one.
func (s *Store) Quota(ctx context.Context, projectID, resource string) (*Quota, error) {
	q := new(Quota)
	err := s.db.NewSelect().Model(q).Where("project_id = ? AND resource = ?", projectID, resource).Scan(ctx)
	return q, wrap(err, "reading a quota")
}

// PutQuota sets one.
func (s *Store) PutQuota(ctx context.Context, projectID, resource string, limit int) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		now := time.Now().UTC()
		n, err := affected(tx.NewUpdate().Model((*Quota)(nil)).Set("hard_limit = ?", limit).Set("updated_at = ?", now).
			Where("project_id = ? AND resource = ?", projectID, resource).Exec(ctx))
		if err != nil || n > 0 {
			return wrap(err, "updating a quota")
		}
		_, err = tx.NewInsert().Model(&Quota{ProjectID: projectID, Resource: resource, HardLimit: limit, CreatedAt: now}).Exec(ctx)
		return wrap(err, "inserting a quota")
	})
}
