package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// guard lets a transaction go on only while the operation is its owner's, and keeps it so until the transaction ends.
func (s *Store) guard(ctx context.Context, tx bun.Tx, op *Operation) error {
	return fenced(affected(tx.NewUpdate().Model((*Operation)(nil)).Set("epoch = epoch").Where(mine, op.UUID, op.Epoch, op.Owner).Exec(ctx)))
}

// Intend writes down that an object will be asked for. When it stands there already, the row is returned as it is.
func (s *Store) Intend(ctx context.Context, op *Operation, r *Resource) (*Resource, error) {
	out := new(Resource)
	err := s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.guard(ctx, tx, op); err != nil {
			return err
		}
		err := tx.NewSelect().Model(out).Where("cluster_uuid = ? AND kind = ? AND name = ?", op.ClusterUUID, r.Kind, r.Name).Scan(ctx)
		if err = wrap(err, "reading the ledger"); err != ErrNotFound { //nolint:errorlint // made by wrap
			return err
		}
		*out = *r
		out.ID, out.ClusterUUID, out.OperationUUID, out.Epoch, out.CreatedAt = 0, op.ClusterUUID, op.UUID, op.Epoch, time.Now().UTC().Truncate(time.Microsecond)
		_, err = tx.NewInsert().Model(out).Exec(ctx)
		return wrap(err, "writing the ledger")
	})
	return out, err
}

// Confirm writes down the cloud's id of an intended object.
func (s *Store) Confirm(ctx context.Context, op *Operation, kind, name, cloudID string, attrs Strings) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.guard(ctx, tx, op); err != nil {
			return err
		}
		n, err := affected(tx.NewUpdate().Model((*Resource)(nil)).Set("cloud_id = ?", cloudID).Set("attrs = ?", attrs).Set("operation_uuid = ?", op.UUID).
			Set("epoch = ?", op.Epoch).Set("updated_at = ?", time.Now().UTC()).Where("cluster_uuid = ? AND kind = ? AND name = ?", op.ClusterUUID, kind, name).Exec(ctx))
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return wrap(err, "writing the ledger")
	})
}

// Forget takes an object out that was seen to be gone.
func (s *Store) Forget(ctx context.Context, op *Operation, kind, name string) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.guard(ctx, tx, op); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model((*Resource)(nil)).Where("cluster_uuid = ? AND kind = ? AND name = ?", op.ClusterUUID, kind, name).Exec(ctx)
		return wrap(err, "writing the ledger")
	})
}

// Resources lists a cluster's, in the order in which they were intended.
func (s *Store) Resources(ctx context.Context, clusterUUID string) ([]*Resource, error) {
	var l []*Resource
	err := s.db.NewSelect().Model(&l).Where("cluster_uuid = ?", clusterUUID).Order("id").Scan(ctx)
	return l, wrap(err, "reading the ledger")
}
