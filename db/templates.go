package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Visibility is whose templates somebody sees.
type Visibility struct {
	ProjectID string
	All       bool // an admin
}

// listed: one's own, and what is public and not hidden.
func (v Visibility) listed(q *bun.SelectQuery) *bun.SelectQuery {
	if v.All {
		return q
	}
	return q.Where("(t.project_id = ? OR (t.public = ? AND t.hidden = ?))", v.ProjectID, true, false)
}

// usable: what is listed, and what one's clusters were made from.
func (v Visibility) usable(q *bun.SelectQuery) *bun.SelectQuery {
	if v.All {
		return q
	}
	return q.Where("(t.project_id = ? OR (t.public = ? AND t.hidden = ?) OR EXISTS (SELECT 1 FROM cluster AS own WHERE own.cluster_template_id = t.uuid AND own.project_id = ?))",
		v.ProjectID, true, false, v.ProjectID)
}

// CreateTemplate inserts a template.
func (s *Store) CreateTemplate(ctx context.Context, t *ClusterTemplate) error {
	_, err := s.db.NewInsert().Model(t).Exec(ctx)
	return wrap(err, "inserting a cluster template")
}

// Template finds one by UUID, name or number.
func (s *Store) Template(ctx context.Context, ident string, v Visibility) (*ClusterTemplate, error) {
	var l []*ClusterTemplate
	err := v.usable(byIdent(s.db.NewSelect().Model(&l), "t", ident, true)).Limit(2).Scan(ctx)
	return one(l, err, "cluster template")
}

// Templates lists what somebody sees.
func (s *Store) Templates(ctx context.Context, p Page, v Visibility) ([]*ClusterTemplate, error) {
	var l []*ClusterTemplate
	q, err := s.page(ctx, v.listed(s.db.NewSelect().Model(&l)), p, ClusterTemplate{}, "t")
	if err != nil {
		return nil, err
	}
	return l, wrap(q.Scan(ctx), "listing cluster templates")
}

// UpdateTemplate writes all of a template. ErrChanged: since it was read somebody has written or deleted it, or has made a
// cluster of it.
func (s *Store) UpdateTemplate(ctx context.Context, t *ClusterTemplate) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	t.UpdatedAt = &now
	n, err := affected(s.db.NewUpdate().Model(t).Value("seq", "seq + 1").WherePK().Where("seq = ?", t.Seq).Exec(ctx))
	if err == nil && n == 0 {
		return ErrChanged
	}
	return wrap(err, "updating a cluster template")
}

// TemplateInUse tells whether a cluster was made from it.
func (s *Store) TemplateInUse(ctx context.Context, uuid string) (bool, error) {
	ok, err := s.db.NewSelect().Model((*Cluster)(nil)).Where("cluster_template_id = ?", uuid).Exists(ctx)
	return ok, wrap(err, "looking for clusters of a template")
}

// DeleteTemplate deletes one that no cluster was made from; ErrInUse otherwise.
func (s *Store) DeleteTemplate(ctx context.Context, uuid string) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := lockTemplate(ctx, tx, uuid); err != nil {
			return err
		}
		used, err := tx.NewSelect().Model((*Cluster)(nil)).Where("cluster_template_id = ?", uuid).Exists(ctx)
		switch {
		case err != nil:
			return wrap(err, "looking for clusters of a template")
		case used:
			return ErrInUse
		}
		_, err = tx.NewDelete().Model((*ClusterTemplate)(nil)).Where("uuid = ?", uuid).Exec(ctx)
		return wrap(err, "deleting a cluster template")
	})
}

// lockTemplate makes everybody else who deletes the template, or stores a cluster of it, wait. It writes, so that it also
// holds where nodes of a database cluster only compare writes. ErrNotFound: there is no such template.
func lockTemplate(ctx context.Context, tx bun.Tx, uuid string) error {
	n, err := affected(tx.NewRaw("UPDATE cluster_template SET seq = seq + 1 WHERE uuid = ?", uuid).Exec(ctx))
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return wrap(err, "locking a cluster template")
}

func orElse(err, fallback error) error {
	if err != nil {
		return err
	}
	return fallback
}
