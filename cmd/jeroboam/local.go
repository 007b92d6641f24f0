package main

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/jeroboam-cloud/jeroboam/api/keystone"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// local is API and conductor in this process, on one database and a queue in memory.
type local struct {
	service   *service.Service
	queue     queue.Queue
	api       *service.API
	conductor *service.Conductor
}

// newLocal makes the tables if need be, and takes the API's port. Tokens are validated by v; nil: as the configuration says.
func newLocal(ctx context.Context, cfg *service.Config, l *zap.Logger, p service.Parts, v keystone.Validator) (*local, error) {
	if err := upgrade(ctx, cfg.Database); err != nil {
		return nil, err
	}
	q := queue.NewMemory()
	p.Queue = q
	s, err := service.New(ctx, cfg, l, p)
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	out := &local{service: s, queue: q}
	if out.conductor, err = s.Conductor(); err != nil {
		return nil, errors.Join(err, out.close())
	}
	if out.api, err = s.API(v); err != nil {
		return nil, errors.Join(err, out.close())
	}
	return out, nil
}

func upgrade(ctx context.Context, cfg db.Config) error {
	s, err := db.Open(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = s.Upgrade(ctx)
	return errors.Join(err, s.Close())
}

// run works until ctx ends.
func (l *local) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.api.Run(ctx) })
	g.Go(func() error { return l.conductor.Run(ctx) })
	return g.Wait()
}

// close lets go of everything; run has returned, or was never called.
func (l *local) close() error {
	return errors.Join(l.queue.Close(), l.service.Close())
}

// sqlite is the connection for a file.
func sqlite(absolute string) string { return fmt.Sprintf("sqlite:///%s", absolute) }
