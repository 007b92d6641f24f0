package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/migrate"

	"github.com/jeroboam-cloud/jeroboam/db/migrations"
)

func (s *Store) isMySQL() bool { return s.db.Dialect().Name() == dialect.MySQL }

func (s *Store) migrator() *migrate.Migrator {
	return migrate.NewMigrator(s.db, migrations.All(), migrate.WithTableName("schema_migration"), migrate.WithLocksTableName("schema_migration_lock"), migrate.WithMarkAppliedOnSuccess(true))
}

// Upgrade brings the schema to the latest version and tells which migrations it ran. Any number may be started at once:
// one works, the others wait and find nothing to do.
func (s *Store) Upgrade(ctx context.Context) (applied []string, err error) {
	unlock, err := s.lockSchema(ctx)
	if err != nil {
		return nil, fmt.Errorf("locking the schema: %w", err)
	}
	defer unlock()
	m := s.migrator()
	if err := m.Init(ctx); err != nil {
		return nil, fmt.Errorf("preparing the schema: %w", err)
	}
	group, err := m.Migrate(ctx)
	if group != nil {
		for _, x := range group.Migrations.Applied() {
			applied = append(applied, x.Name+"_"+x.Comment)
		}
	}
	if err != nil {
		return applied, fmt.Errorf("migrating the schema: %w", err)
	}
	return applied, nil
}

// Version tells where the schema is, and what is to be run. Current is "" for an empty database.
func (s *Store) Version(ctx context.Context) (current, latest string, pending []string, err error) {
	for _, x := range migrations.All().Sorted() {
		latest = x.Name
	}
	l, err := s.migrator().MigrationsWithStatus(ctx)
	if err != nil { // the table is not there
		for _, x := range migrations.All().Sorted() {
			pending = append(pending, x.Name+"_"+x.Comment)
		}
		return "", latest, pending, s.db.PingContext(ctx)
	}
	for _, x := range l.Unapplied() {
		pending = append(pending, x.Name+"_"+x.Comment)
	}
	for _, x := range l.Applied() {
		current = max(current, x.Name)
	}
	return current, latest, pending, nil
}

// ErrSchema says that the schema is not the one that this program was written for.
var ErrSchema = errors.New("the database's schema is not up to date: run `jeroboam-manage db upgrade`")

// Check refuses a schema that lacks migrations.
func (s *Store) Check(ctx context.Context) error {
	_, _, pending, err := s.Version(ctx)
	if err == nil && len(pending) > 0 {
		return fmt.Errorf("%w (%d migrations are missing)", ErrSchema, len(pending))
	}
	return err
}

// lockSchema holds a lock of the session, which the database frees when we die.
func (s *Store) lockSchema(ctx context.Context) (unlock func(), err error) {
	var take, free string
	switch s.db.Dialect().Name() {
	case dialect.MySQL:
		take, free = "SELECT GET_LOCK('jeroboam-schema', 600)", "SELECT RELEASE_LOCK('jeroboam-schema')"
	case dialect.PG:
		take, free = "SELECT 1 FROM (SELECT pg_advisory_lock(7205759403792793)) AS x", "SELECT pg_advisory_unlock(7205759403792793)"
	default:
		return s.lockFile(ctx)
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var got int
	if err := conn.NewRaw(take).Scan(ctx, &got); err != nil || got != 1 {
		_ = conn.Close()
		return nil, orElse(err, errors.New("another upgrade is running"))
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), free)
		_ = conn.Close()
	}, nil
}

// lockFile is the lock for SQLite, whose own lock would shut out the connections that migrate.
func (s *Store) lockFile(ctx context.Context) (func(), error) {
	var path string
	if err := s.db.NewRaw("SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(ctx, &path); err != nil {
		return nil, err
	}
	if path == "" { // in memory: ours alone
		return func() {}, nil
	}
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
