package api

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// world is what the requests of a fuzz run meet: a template, and a cluster that is complete. It is made once, and put back
// after every request that changed it.
type world struct {
	*bed
	template, cluster string // paths
	watch             *sql.Conn
	tables            []string
}

// newWorld lets a conductor make the cluster, and stops it: from then on only requests change anything.
func newWorld(f *testing.F) *world {
	f.Helper()
	w := &world{bed: newBed(f)}
	id := w.one.template(object{"labels": object{"team": "blue"}})
	w.template = "/v1/clustertemplates/" + id
	conductor := w.Conductor(f, rig.ConductorOptions{Owner: "c1", Queue: w.queue, Parallel: 8, Workers: 8, Poll: 50 * time.Millisecond})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := conductor.Run(ctx); err != nil {
			f.Errorf("the conductor: %v", err)
		}
	})
	uuid := w.one.cluster(id, nil)
	w.one.await(uuid, "CREATE_COMPLETE")
	stop()
	running.Wait()
	w.cluster = "/v1/clusters/" + uuid
	w.admin.want(201, "POST", "/v1/quotas", object{"project_id": w.other.project, "hard_limit": 5})
	w.keep(f)
	return w
}

// keep copies every table, and opens the connection that sees whether any other has written.
func (w *world) keep(f *testing.F) {
	f.Helper()
	fatal := func(err error) {
		f.Helper()
		if err != nil {
			f.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(w.Connection, "sqlite:///")+"?_pragma=busy_timeout(20000)&_pragma=synchronous(OFF)")
	fatal(err)
	f.Cleanup(func() { _ = db.Close() })
	w.watch, err = db.Conn(f.Context())
	fatal(err)
	f.Cleanup(func() { _ = w.watch.Close() })
	rows, err := w.watch.QueryContext(f.Context(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	fatal(err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		fatal(rows.Scan(&name))
		w.tables = append(w.tables, name)
	}
	fatal(rows.Err())
	for _, name := range w.tables {
		_, err := w.watch.ExecContext(f.Context(), `CREATE TEMP TABLE "kept_`+name+`" AS SELECT * FROM "`+name+`"`)
		fatal(err)
	}
}

// version changes when a request has committed anything.
func (w *world) version(t *testing.T) (v int64) {
	t.Helper()
	if err := w.watch.QueryRowContext(t.Context(), "PRAGMA data_version").Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// restore puts every table back.
func (w *world) restore(t *testing.T) {
	t.Helper()
	statements := []string{"BEGIN IMMEDIATE"}
	for _, name := range w.tables {
		statements = append(statements, `DELETE FROM "`+name+`"`, `INSERT INTO "`+name+`" SELECT * FROM "kept_`+name+`"`)
	}
	for _, s := range append(statements, "COMMIT") {
		if _, err := w.watch.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// on is the client for a test of its own.
func (c *client) on(t testing.TB) *client {
	x := *c
	x.t = t
	return &x
}
