package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// ledger is the drivers' view of the rows of table resource, fenced by the operation. It reads them once per slice.
type ledger struct {
	store *db.Store
	op    *db.Operation

	mu     sync.Mutex
	rows   []drivers.Resource
	isLost bool
}

func newLedger(ctx context.Context, store *db.Store, op *db.Operation) (*ledger, error) {
	rows, err := store.Resources(ctx, op.ClusterUUID)
	if err != nil {
		return nil, err
	}
	l := &ledger{store: store, op: op}
	for _, r := range rows {
		l.rows = append(l.rows, resource(r))
	}
	return l, nil
}

func resource(r *db.Resource) drivers.Resource {
	return drivers.Resource{Kind: r.Kind, Name: r.Name, ID: r.CloudID, Node: r.Node, Attrs: r.Attrs}
}

func (l *ledger) index(kind, name string) int {
	return slices.IndexFunc(l.rows, func(r drivers.Resource) bool { return r.Kind == kind && r.Name == name })
}

// Find implements drivers.Ledger.
func (l *ledger) Find(kind, name string) (drivers.Resource, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(kind, name); i >= 0 {
		return l.rows[i], true
	}
	return drivers.Resource{}, false
}

func (l *ledger) findKind(kind string) (drivers.Resource, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.rows, func(r drivers.Resource) bool { return r.Kind == kind }); i >= 0 {
		return l.rows[i], true
	}
	return drivers.Resource{}, false
}

// All implements drivers.Ledger.
func (l *ledger) All() []drivers.Resource {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.rows)
}

// Intend implements drivers.Ledger.
func (l *ledger) Intend(ctx context.Context, r drivers.Resource) (drivers.Resource, error) {
	row, err := l.store.Intend(ctx, l.op, &db.Resource{ClusterUUID: l.op.ClusterUUID, Kind: r.Kind, Name: r.Name, Node: r.Node})
	if err != nil {
		return r, l.note(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index(r.Kind, r.Name) < 0 {
		l.rows = append(l.rows, resource(row))
	}
	return resource(row), nil
}

// Confirm implements drivers.Ledger.
func (l *ledger) Confirm(ctx context.Context, kind, name, id string, attrs map[string]string) error {
	if err := l.store.Confirm(ctx, l.op, kind, name, id, attrs); err != nil {
		return l.note(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(kind, name); i >= 0 {
		l.rows[i].ID, l.rows[i].Attrs = id, attrs
	}
	return nil
}

// Forget implements drivers.Ledger.
func (l *ledger) Forget(ctx context.Context, kind, name string) error {
	if err := l.store.Forget(ctx, l.op, kind, name); err != nil {
		return l.note(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(kind, name); i >= 0 {
		l.rows = slices.Delete(l.rows, i, i+1)
	}
	return nil
}

// note remembers that the lease is lost: whatever the drivers make of the error, the slice must record nothing more.
func (l *ledger) note(err error) error {
	if errors.Is(err, db.ErrFenced) {
		l.mu.Lock()
		l.isLost = true
		l.mu.Unlock()
	}
	return err
}

func (l *ledger) lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isLost
}
