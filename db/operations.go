package db

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// Scope is a row of scope: what an operation holds while it runs.
type Scope struct {
	bun.BaseModel `bun:"table:scope,alias:sc"`

	ClusterUUID   string `bun:"cluster_uuid,pk"`
	Scope         string `bun:"scope,pk"`
	OperationUUID string `bun:"operation_uuid"`
}

const (
	// ringGrace is how long the sweeper leaves a fresh operation to the message that was sent for it.
	ringGrace = 5 * time.Second
	// scopeRetry is when an operation whose scope is taken is rung for again, should nobody wake it before.
	scopeRetry = 2 * time.Second
)

func activeStatuses() []string { return []string{OpPending, OpRunning} }

func (s *Store) insertOperation(ctx context.Context, tx bun.Tx, o *Operation) error {
	now, err := s.now(ctx, tx)
	if err != nil {
		return err
	}
	o.WakeAt, o.RingAt = now, now+ringGrace.Milliseconds()
	if o.CreatedAt.IsZero() {
		o.CreatedAt = time.UnixMilli(now).UTC()
	}
	_, err = tx.NewInsert().Model(o).Exec(ctx)
	return wrap(err, "inserting an operation")
}

// Operation reads one.
func (s *Store) Operation(ctx context.Context, uuid string) (*Operation, error) {
	o := new(Operation)
	err := s.db.NewSelect().Model(o).Where("uuid = ?", uuid).Scan(ctx)
	return o, wrap(err, "reading an operation")
}

// Claim makes owner the only one who works on an operation, for ttl. ErrNotRunnable: it has ended, is somebody's, or is
// not due. ErrScopeBusy: another operation holds, or waits before this one for, what it would change.
func (s *Store) Claim(ctx context.Context, uuid, owner string, ttl time.Duration) (*Operation, error) {
	first, err := s.Operation(ctx, uuid)
	if err != nil {
		return nil, err
	}
	if !first.Active() {
		return nil, ErrNotRunnable
	}
	var op *Operation
	busy := false
	err = s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		op, busy = new(Operation), false
		if err := s.lockCluster(ctx, tx, first.ClusterUUID); err != nil {
			return err
		}
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := tx.NewSelect().Model(op).Where("uuid = ?", uuid).Scan(ctx); err != nil {
			return wrap(err, "reading an operation")
		}
		if !op.Active() || (op.Owner != "" && op.LeaseExpiresAt > now) || op.WakeAt > now {
			return ErrNotRunnable
		}
		if busy, err = s.takeScope(ctx, tx, op); err != nil {
			return err
		}
		if busy {
			_, err := tx.NewUpdate().Model(op).Set("ring_at = ?", now+scopeRetry.Milliseconds()).WherePK().Exec(ctx)
			return wrap(err, "putting an operation off")
		}
		return s.own(ctx, tx, op, owner, now, ttl)
	})
	switch {
	case errors.Is(err, ErrNotFound): // its cluster is gone
		return nil, ErrNotRunnable
	case err == nil && busy:
		return nil, ErrScopeBusy
	}
	return op, err
}

func (s *Store) own(ctx context.Context, tx bun.Tx, op *Operation, owner string, now int64, ttl time.Duration) error {
	op.Owner, op.Epoch, op.LeaseExpiresAt, op.Status = owner, op.Epoch+1, now+ttl.Milliseconds(), OpRunning
	op.RingAt = op.LeaseExpiresAt // if the owner dies
	if op.StartedAt == nil {
		t := time.UnixMilli(now).UTC()
		op.StartedAt = &t
	}
	_, err := tx.NewUpdate().Model(op).Column("owner", "epoch", "lease_expires_at", "ring_at", "status", "started_at").WherePK().Exec(ctx)
	return wrap(err, "claiming an operation")
}

// takeScope takes what the operation changes, unless it holds it already. Older ones go first, so that nobody starves.
func (s *Store) takeScope(ctx context.Context, tx bun.Tx, op *Operation) (busy bool, err error) {
	var held []Scope
	if err := tx.NewSelect().Model(&held).Where("cluster_uuid = ?", op.ClusterUUID).Scan(ctx); err != nil {
		return false, wrap(err, "reading scopes")
	}
	for _, h := range held {
		if h.OperationUUID == op.UUID {
			return false, nil
		}
		if conflict(h.Scope, op.Scope) {
			return true, nil
		}
	}
	var older []*Operation
	if err := tx.NewSelect().Model(&older).Column("id", "scope").Where("cluster_uuid = ? AND id < ? AND status IN (?)", op.ClusterUUID, op.ID, bun.List(activeStatuses())).Scan(ctx); err != nil {
		return false, wrap(err, "reading older operations")
	}
	for _, o := range older {
		if conflict(o.Scope, op.Scope) {
			return true, nil
		}
	}
	_, err = tx.NewInsert().Model(&Scope{ClusterUUID: op.ClusterUUID, Scope: op.Scope, OperationUUID: op.UUID}).Exec(ctx)
	return false, wrap(err, "taking a scope")
}

func conflict(a, b string) bool { return a == b || a == ScopeCluster || b == ScopeCluster }

// mine narrows a write to the owner's epoch.
const mine = "uuid = ? AND epoch = ? AND owner = ? AND status = 'running'"

func fenced(n int64, err error) error {
	if err == nil && n == 0 {
		return ErrFenced
	}
	return wrap(err, "writing an operation")
}

// Renew keeps the lease for ttl from now.
func (s *Store) Renew(ctx context.Context, op *Operation, ttl time.Duration) error {
	until := "(" + s.nowMillis() + " + ?)"
	return fenced(affected(s.db.NewUpdate().Model((*Operation)(nil)).Set("lease_expires_at = "+until, ttl.Milliseconds()).Set("ring_at = "+until, ttl.Milliseconds()).
		Where(mine, op.UUID, op.Epoch, op.Owner).Exec(ctx)))
}

// Park lets go of the operation until after has passed. It keeps its scope.
func (s *Store) Park(ctx context.Context, op *Operation, after time.Duration, state RawJSON) error {
	due := "(" + s.nowMillis() + " + ?)"
	return fenced(affected(s.db.NewUpdate().Model((*Operation)(nil)).Set("owner = ''").Set("lease_expires_at = 0").Set("state = ?", state).
		// a cancel that came meanwhile is not slept over
		Set("wake_at = CASE WHEN cancel_requested THEN "+s.nowMillis()+" ELSE "+due+" END", after.Milliseconds()).
		Set("ring_at = CASE WHEN cancel_requested THEN "+s.nowMillis()+" ELSE "+due+" END", after.Milliseconds()).
		Where(mine, op.UUID, op.Epoch, op.Owner).Exec(ctx)))
}

// Leave notes what the operation leaves in the cloud.
func (s *Store) Leave(ctx context.Context, op *Operation, l Leftovers) error {
	err := fenced(affected(s.db.NewUpdate().Model((*Operation)(nil)).Set("leftovers = ?", l).Where(mine, op.UUID, op.Epoch, op.Owner).Exec(ctx)))
	if err == nil {
		op.Leftovers = l
	}
	return err
}

// Record decides on the operation's cluster as ChangeCluster does, if the operation still is its owner's: ErrFenced
// otherwise. Status, state, fault and leftovers of op are written along; when the status has become final, its scope is free, and
// op.Woken says which operations may run now.
func (s *Store) Record(ctx context.Context, op *Operation, decide func(*Snapshot) error) error {
	err := s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.lockCluster(ctx, tx, op.ClusterUUID); err != nil {
			return err
		}
		row := new(Operation)
		if err := tx.NewSelect().Model(row).Where(mine, op.UUID, op.Epoch, op.Owner).Scan(ctx); err != nil {
			return orFenced(err)
		}
		op.CancelRequested = row.CancelRequested
		if err := s.change(ctx, tx, op.ClusterUUID, decide); err != nil {
			return err
		}
		return s.settle(ctx, tx, op, row)
	})
	if errors.Is(err, ErrNotFound) {
		return ErrFenced // the cluster is gone: there is nothing left to be owner of
	}
	return err
}

func orFenced(err error) error {
	if err = wrap(err, "reading an operation"); errors.Is(err, ErrNotFound) {
		return ErrFenced
	}
	return err
}

// settle writes the operation's own columns, and frees its scope at its end.
func (s *Store) settle(ctx context.Context, tx bun.Tx, op, row *Operation) error {
	if op.Active() && string(op.State) == string(row.State) {
		return nil
	}
	if !op.Active() {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		t := time.UnixMilli(now).UTC()
		op.FinishedAt = &t
		if _, err := tx.NewDelete().Model((*Scope)(nil)).Where("cluster_uuid = ? AND operation_uuid = ?", op.ClusterUUID, op.UUID).Exec(ctx); err != nil {
			return wrap(err, "freeing a scope")
		}
		if op.Woken, err = s.wakeNext(ctx, tx, op, now); err != nil {
			return err
		}
	}
	owner := op.Owner
	if !op.Active() {
		owner = ""
	}
	return fenced(affected(tx.NewUpdate().Model((*Operation)(nil)).Set("status = ?", op.Status).Set("state = ?", op.State).Set("fault_class = ?", op.FaultClass).
		Set("fault = ?", op.Fault).Set("leftovers = ?", op.Leftovers).Set("finished_at = ?", op.FinishedAt).Set("owner = ?", owner).Where(mine, op.UUID, op.Epoch, op.Owner).Exec(ctx)))
}

// wakeNext finds the pending operations of the cluster that may run now that one has ended.
func (s *Store) wakeNext(ctx context.Context, tx bun.Tx, op *Operation, now int64) ([]string, error) {
	var l []*Operation
	if err := tx.NewSelect().Model(&l).Column("id", "uuid").Where("cluster_uuid = ? AND status = ? AND uuid <> ?", op.ClusterUUID, OpPending, op.UUID).Order("id").Scan(ctx); err != nil {
		return nil, wrap(err, "looking for waiting operations")
	}
	var uuids []string
	for _, o := range l {
		uuids = append(uuids, o.UUID)
	}
	if len(uuids) == 0 {
		return nil, nil
	}
	_, err := tx.NewUpdate().Model((*Operation)(nil)).Set("ring_at = ?", now+scopeRetry.Milliseconds()).Where("uuid IN (?)", bun.List(uuids)).Exec(ctx)
	return uuids, wrap(err, "waking operations")
}

// DueOperations gives the operations that the bell is to be rung for, and puts the next ring off: two sweepers never get
// the same one.
func (s *Store) DueOperations(ctx context.Context, limit int, again time.Duration) ([]string, error) {
	now, err := s.now(ctx, s.db)
	if err != nil {
		return nil, err
	}
	var l []*Operation
	err = s.db.NewSelect().Model(&l).Column("id", "uuid", "ring_at").Where("status IN (?) AND ring_at <= ?", bun.List(activeStatuses()), now).Order("ring_at").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, wrap(err, "looking for due operations")
	}
	var due []string
	for _, o := range l {
		n, err := affected(s.db.NewUpdate().Model((*Operation)(nil)).Set("ring_at = ?", now+again.Milliseconds()).Where("id = ? AND ring_at = ?", o.ID, o.RingAt).Exec(ctx))
		if err != nil {
			return due, wrap(err, "putting a ring off")
		}
		if n > 0 {
			due = append(due, o.UUID)
		}
	}
	return due, nil
}

// NextWake is the time until the next ring is due; ok is false when nothing waits.
func (s *Store) NextWake(ctx context.Context) (in time.Duration, ok bool, err error) {
	var ms *int64
	err = s.db.NewSelect().Model((*Operation)(nil)).ColumnExpr("MIN(ring_at) - "+s.nowMillis()).Where("status IN (?)", bun.List(activeStatuses())).Scan(ctx, &ms)
	if err != nil || ms == nil {
		return 0, false, wrap(err, "looking for the next ring")
	}
	return time.Duration(max(*ms, 0)) * time.Millisecond, true, nil
}
