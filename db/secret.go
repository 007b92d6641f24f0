package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Secret is a row of secret: something of a cluster under our own encryption.
type Secret struct {
	bun.BaseModel `bun:"table:secret,alias:s"`

	UUID        string    `bun:"uuid,pk"`
	ClusterUUID string    `bun:"cluster_uuid"`
	ProjectID   string    `bun:"project_id"`
	Name        string    `bun:"name"`
	Sealed      []byte    `bun:"sealed"`
	CreatedAt   time.Time `bun:"created_at"`
}

// PutSecret stores a secret; ErrDuplicate when there is one.
func (s *Store) PutSecret(ctx context.Context, x *Secret) error {
	if x.CreatedAt.IsZero() {
		x.CreatedAt = time.Now().UTC()
	}
	_, err := s.db.NewInsert().Model(x).Exec(ctx)
	return wrap(err, "storing a secret")
}

// Secret reads one.
func (s *Store) Secret(ctx context.Context, uuid string) (*Secret, error) {
	x := new(Secret)
	err := s.db.NewSelect().Model(x).Where("uuid = ?", uuid).Scan(ctx)
	return x, wrap(err, "reading a secret")
}

// DeleteSecret deletes one.
func (s *Store) DeleteSecret(ctx context.Context, uuid string) error {
	n, err := affected(s.db.NewDelete().Model((*Secret)(nil)).Where("uuid = ?", uuid).Exec(ctx))
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return wrap(err, "deleting a secret")
}
