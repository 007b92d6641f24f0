package db_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
)

// TestQueriesDoNotGrowWithRows: how many queries a look takes does not depend on what it finds.
func TestQueriesDoNotGrowWithRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		ctx := context.Background()
		var last *db.Cluster
		for i := range 40 {
			c, _, err := newCluster(t, s, "p", fmt.Sprint("c", i), 1000)
			must(t, err)
			last = c
		}
		queries := db.CountQueries(s)
		for _, tc := range []struct {
			name string
			most int64
			look func() (int, error)
		}{
			{"list of clusters", 2, func() (int, error) { l, err := s.Clusters(ctx, db.Page{Limit: 30}, "p"); return len(l), err }},
			{"list of everybody's", 2, func() (int, error) { l, err := s.Clusters(ctx, db.Page{Limit: 30}, ""); return len(l), err }},
			{"one cluster by UUID", 1, func() (int, error) { _, err := s.Cluster(ctx, last.UUID, "p"); return 30, err }},
			{"one cluster by name", 1, func() (int, error) { _, err := s.Cluster(ctx, last.Name, "p"); return 30, err }},
			{"list of node groups", 1, func() (int, error) {
				l, err := s.NodeGroups(ctx, last.UUID, db.Page{Limit: 30}, "")
				return 28 + len(l), err
			}},
			{"statistics", 1, func() (int, error) { n, _, err := s.Stats(ctx, "p"); return n - 10, err }},
			{"operations", 1, func() (int, error) {
				l, err := s.Operations(ctx, last.UUID, db.OperationFilter{Limit: 10})
				return 29 + len(l), err
			}},
			{"events", 1, func() (int, error) {
				l, err := s.Events(ctx, last.UUID, db.EventFilter{Limit: 10})
				return 30 + len(l), err
			}},
			{"nodes", 1, func() (int, error) { l, err := s.Nodes(ctx, last.UUID); return 30 + len(l), err }},
			{"resources", 1, func() (int, error) { l, err := s.Resources(ctx, last.UUID); return 30 + len(l), err }},
		} {
			queries.Store(0)
			n, err := tc.look()
			must(t, err)
			if n != 30 {
				t.Errorf("%s: %d rows", tc.name, n)
			}
			if got := queries.Load(); got > tc.most {
				t.Errorf("%s: %d queries, at most %d", tc.name, got, tc.most)
			}
		}
	})
}

// TestPagesAreReadInOrder: the first page of a long list, and any other, is read from an index, not by sorting all there is.
func TestPagesAreReadInOrder(t *testing.T) {
	s := dbtest.SQLite(t)
	c, _, err := newCluster(t, s, "p", "c", 10)
	must(t, err)
	plans := db.Plans(s)
	for _, page := range []db.Page{{Limit: 20}, {Limit: 20, SortDir: "desc"}, {Limit: 20, Marker: c.UUID}} {
		for _, project := range []string{"p", ""} {
			*plans = nil
			_, err := s.Clusters(t.Context(), page, project)
			must(t, err)
			steps, groups, found := strings.Cut(strings.Join(*plans, "; "), "; SEARCH ng ") // of these there are as many as on the page
			if strings.Contains(steps, "TEMP B-TREE") || (found == (page.Marker != "")) {
				t.Errorf("%+v of project %q: %s; then %s", page, project, steps, groups)
			}
		}
	}
}
