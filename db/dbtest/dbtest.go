// Package dbtest gives tests a database of their own, on each kind that we support.
package dbtest

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// Each runs a test on MariaDB, PostgreSQL and SQLite. The servers are those of `make test`; without them the two are
// skipped aloud.
func Each(t *testing.T, run func(t *testing.T, s *db.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, SQLite(t)) })
	t.Run("mariadb", func(t *testing.T) { run(t, MariaDB(t)) })
	t.Run("postgresql", func(t *testing.T) { run(t, PostgreSQL(t)) })
}

// Template stores a cluster template, without which there is no cluster, and gives its UUID.
func Template(t testing.TB, s *db.Store, project string) string {
	t.Helper()
	x := &db.ClusterTemplate{UUID: uuid.NewString(), Name: "k8s", ProjectID: project, COE: "kubernetes", Labels: db.Strings{"kube_tag": "v1"}, CreatedAt: time.Now()}
	if err := s.CreateTemplate(context.Background(), x); err != nil {
		t.Fatal(err)
	}
	return x.UUID
}

// SQLite makes a fresh database in the test's folder.
func SQLite(t testing.TB) *db.Store {
	t.Helper()
	return open(t, "sqlite:///"+filepath.Join(t.TempDir(), "test.sqlite"))
}

// MariaDB makes a fresh database on the server of `make test`.
func MariaDB(t testing.TB) *db.Store {
	return Server(t, testenv.Require(t, "JEROBOAM_TEST_MARIADB_URL"), "mysql")
}

// PostgreSQL makes a fresh database on the server of `make test`.
func PostgreSQL(t testing.TB) *db.Store {
	return Server(t, testenv.Require(t, "JEROBOAM_TEST_POSTGRESQL_URL"), "postgres")
}

// Server makes a fresh database on a server and opens it.
func Server(t testing.TB, server, path string) *db.Store {
	t.Helper()
	return open(t, CreateDatabase(t, server, path))
}

// CreateDatabase makes a fresh database on a server, dropped with the test, and gives its URL. Path is the database to
// connect to for that.
func CreateDatabase(t testing.TB, server, path string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("parsing the server's URL: %v", err)
	}
	admin := *u
	admin.Path = "/" + path
	name := "t_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	ctx := context.Background()
	s, err := db.Open(ctx, db.Config{Connection: admin.String(), MaxPoolSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s", name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		force := ""
		if strings.HasPrefix(u.Scheme, "postgres") {
			force = " WITH (FORCE)"
		}
		if err := s.Exec(ctx, fmt.Sprintf("DROP DATABASE %s%s", name, force)); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

func open(t testing.TB, connection string) *db.Store {
	t.Helper()
	ctx := context.Background()
	s, err := db.Open(ctx, db.Config{Connection: connection, MaxPoolSize: 10, MaxOverflow: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	if _, err := s.Upgrade(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}
