package db

import (
	"context"
	"sync/atomic"

	"github.com/uptrace/bun"
)

// CountQueries counts the queries of a store from now on.
func CountQueries(s *Store) *atomic.Int64 {
	n := new(atomic.Int64)
	s.db = s.db.WithQueryHook(counter{n})
	return n
}

type counter struct{ n *atomic.Int64 }

func (c counter) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context {
	c.n.Add(1)
	return ctx
}

func (counter) AfterQuery(context.Context, *bun.QueryEvent) {}
