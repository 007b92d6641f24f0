package db

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// Service is a row of service: a conductor, as mservices shows it.
type Service struct {
	bun.BaseModel `bun:"table:service,alias:s"`

	ID             int64      `bun:"id,pk,autoincrement"`
	Host           string     `bun:"host"`
	Binary         string     `bun:"binary_name"`
	ReportCount    int64      `bun:"report_count"`
	LastSeenUp     time.Time  `bun:"last_seen_up"`
	Disabled       bool       `bun:"disabled"`
	DisabledReason *string    `bun:"disabled_reason"`
	CreatedAt      time.Time  `bun:"created_at"`
	UpdatedAt      *time.Time `bun:"updated_at"`
}

// Heartbeat says that a service is alive. Its row is made the first time and kept for ever, so its id is stable.
func (s *Store) Heartbeat(ctx context.Context, host, binary string) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	beat := func() (int64, error) {
		return affected(s.db.NewUpdate().Model((*Service)(nil)).Set("report_count = report_count + 1").Set("last_seen_up = ?", now).Set("updated_at = ?", now).
			Where("host = ? AND binary_name = ?", host, binary).Exec(ctx))
	}
	n, err := beat()
	if err != nil || n > 0 {
		return wrap(err, "recording a heartbeat")
	}
	_, err = s.db.NewInsert().Model(&Service{Host: host, Binary: binary, ReportCount: 1, LastSeenUp: now, CreatedAt: now}).Exec(ctx)
	if err = wrap(err, "recording a first heartbeat"); errors.Is(err, ErrDuplicate) { // another process of this host was first
		_, err = beat()
	}
	return err
}

// Services lists all.
func (s *Store) Services(ctx context.Context) ([]*Service, error) {
	var l []*Service
	err := s.db.NewSelect().Model(&l).Order("id").Scan(ctx)
	return l, wrap(err, "listing services")
}
