// Package db is the database: rows, queries and migrations, equal on MariaDB, PostgreSQL and SQLite.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
)

// Errors that callers tell apart.
var (
	ErrNotFound    = errors.New("not found")
	ErrAmbiguous   = errors.New("several have this name")
	ErrDuplicate   = errors.New("there is one already")
	ErrInUse       = errors.New("still in use")
	ErrChanged     = errors.New("changed by somebody else since it was read")
	ErrFenced      = errors.New("the operation belongs to somebody else now")
	ErrNotRunnable = errors.New("the operation is not to be run now")
	ErrScopeBusy   = errors.New("another operation holds the scope")
	ErrBadSortKey  = errors.New("invalid sort key")
	ErrBadMarker   = errors.New("unknown marker")
)

// QuotaError says that a project has as many clusters as it may.
type QuotaError struct{ Limit int }

func (e *QuotaError) Error() string { return fmt.Sprintf("the project may have %d clusters", e.Limit) }

// Store is the database.
type Store struct{ db *bun.DB }

// Close closes all connections.
func (s *Store) Close() error { return s.db.Close() }

// nowMillis is the database's clock in milliseconds since 1970: leases and wake-ups are compared by it alone, so that the
// clocks of conductors do not matter.
func (s *Store) nowMillis() string {
	switch s.db.Dialect().Name() {
	case dialect.MySQL:
		return "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED)"
	case dialect.PG:
		return "CAST(extract(epoch from clock_timestamp()) * 1000 AS bigint)"
	default:
		return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
	}
}

// Now is the database's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	ms, err := s.now(ctx, s.db)
	return time.UnixMilli(ms).UTC(), err
}

func (s *Store) now(ctx context.Context, q bun.IDB) (int64, error) {
	var ms int64
	err := q.NewRaw("SELECT "+s.nowMillis()).Scan(ctx, &ms)
	return ms, wrap(err, "reading the database's clock")
}

// maxTries bounds how often a transaction that met another one is run again.
const maxTries = 12

// tx runs fn in a transaction, again when the database says that it met another one.
func (s *Store) tx(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	var err error
	options := &sql.TxOptions{}
	if s.isMySQL() { // the others read what is committed by default
		options.Isolation = sql.LevelReadCommitted
	}
	for try := range maxTries {
		err = s.db.RunInTx(ctx, options, fn)
		if !isConflict(err) {
			return err
		}
		pause := time.NewTimer(time.Duration(1+rand.IntN(10*(try+1))) * time.Millisecond)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
	return err
}

// isConflict tells errors that go away when the transaction is run again.
func isConflict(err error) bool {
	var my *mysql.MySQLError
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return false
	case errors.As(err, &my):
		return my.Number == 1213 || my.Number == 1205 || my.Number == 1020
	case errors.As(err, &pg):
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	return strings.Contains(err.Error(), "SQLITE_BUSY") || strings.Contains(err.Error(), "database is locked")
}

func isDuplicate(err error) bool {
	var my *mysql.MySQLError
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return false
	case errors.As(err, &my):
		return my.Number == 1062
	case errors.As(err, &pg):
		return pg.Code == "23505"
	}
	return strings.Contains(err.Error(), "UNIQUE constraint failed")
}

// wrap says what was attempted; a missing row and a duplicate become our own errors.
func wrap(err error, format string, args ...any) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case isDuplicate(err):
		return ErrDuplicate
	}
	return fmt.Errorf("database: "+format+": %w", append(args, err)...)
}

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Exec runs one statement: for set-up and for tests that break things on purpose.
func (s *Store) Exec(ctx context.Context, statement string) error {
	_, err := s.db.ExecContext(ctx, statement)
	return wrap(err, "running a statement")
}
