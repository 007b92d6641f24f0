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

// Quotas lists a project's, or everybody's with "". The marker is a row's number.
func (s *Store) Quotas(ctx context.Context, p Page, projectID string) ([]*Quota, error) {
	var l []*Quota
	q := s.db.NewSelect().Model(&l)
	if projectID != "" {
		q = q.Where("q.project_id = ?", projectID)
	}
	q, err := s.page(ctx, q, p, Quota{}, "q")
	if err != nil {
		return nil, err
	}
	return l, wrap(q.Scan(ctx), "listing quotas")
}

// Quota reads one.
func (s *Store) Quota(ctx context.Context, projectID, resource string) (*Quota, error) {
	q := new(Quota)
	err := s.db.NewSelect().Model(q).Where("project_id = ? AND resource = ?", projectID, resource).Scan(ctx)
	return q, wrap(err, "reading a quota")
}

// CreateQuota stores a new one; ErrDuplicate when the project has one.
func (s *Store) CreateQuota(ctx context.Context, q *Quota) error {
	_, err := s.db.NewInsert().Model(q).Exec(ctx)
	return wrap(err, "inserting a quota")
}

// UpdateQuota sets the limit of one and gives its row.
func (s *Store) UpdateQuota(ctx context.Context, projectID, resource string, limit int, now time.Time) (*Quota, error) {
	n, err := affected(s.db.NewUpdate().Model((*Quota)(nil)).Set("hard_limit = ?", limit).Set("updated_at = ?", now).
		Where("project_id = ? AND resource = ?", projectID, resource).Exec(ctx))
	if err == nil && n == 0 {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, wrap(err, "updating a quota")
	}
	return s.Quota(ctx, projectID, resource)
}

// DeleteQuota takes one away.
func (s *Store) DeleteQuota(ctx context.Context, projectID, resource string) error {
	n, err := affected(s.db.NewDelete().Model((*Quota)(nil)).Where("project_id = ? AND resource = ?", projectID, resource).Exec(ctx))
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return wrap(err, "deleting a quota")
}
