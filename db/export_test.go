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

// Plans tells how SQLite goes about the queries of a store from now on.
func Plans(s *Store) *[]string {
	p := &plans{db: s.db}
	s.db = s.db.WithQueryHook(p)
	return &p.steps
}

type plans struct {
	db    *bun.DB
	steps []string
}

func (p *plans) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	var rows []struct {
		ID, Parent, NotUsed int64
		Detail              string
	}
	if err := p.db.NewRaw("EXPLAIN QUERY PLAN "+e.Query).Scan(ctx, &rows); err != nil {
		p.steps = append(p.steps, err.Error())
	}
	for _, r := range rows {
		p.steps = append(p.steps, r.Detail)
	}
	return ctx
}

func (*plans) AfterQuery(context.Context, *bun.QueryEvent) {}

// Text is what a query gives that has one row and column.
func (s *Store) Text(ctx context.Context, query string) (text string, err error) {
	return text, s.db.NewRaw(query).Scan(ctx, &text)
}
