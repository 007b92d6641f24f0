package drivertest

import (
	"context"
	"slices"
	"sync"

	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// Ledger is a ledger in memory.
type Ledger struct {
	mu   sync.Mutex
	rows []drivers.Resource
}

var _ drivers.Ledger = (*Ledger)(nil)

func (l *Ledger) index(kind, name string) int {
	return slices.IndexFunc(l.rows, func(r drivers.Resource) bool { return r.Kind == kind && r.Name == name })
}

// Find implements drivers.Ledger.
func (l *Ledger) Find(kind, name string) (drivers.Resource, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(kind, name); i >= 0 {
		return l.rows[i], true
	}
	return drivers.Resource{}, false
}

// All implements drivers.Ledger.
func (l *Ledger) All() []drivers.Resource {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.rows)
}

// Intend implements drivers.Ledger.
func (l *Ledger) Intend(_ context.Context, r drivers.Resource) (drivers.Resource, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(r.Kind, r.Name); i >= 0 {
		return l.rows[i], nil
	}
	l.rows = append(l.rows, r)
	return r, nil
}

// Confirm implements drivers.Ledger.
func (l *Ledger) Confirm(_ context.Context, kind, name, id string, attrs map[string]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(kind, name); i >= 0 {
		l.rows[i].ID, l.rows[i].Attrs = id, attrs
	}
	return nil
}

// Forget implements drivers.Ledger.
func (l *Ledger) Forget(_ context.Context, kind, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows = slices.DeleteFunc(l.rows, func(r drivers.Resource) bool { return r.Kind == kind && r.Name == name })
	return nil
}
