package service

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

// Service is one process: what API and conductor stand on. Both may run on one.
type Service struct {
	cfg      *Config
	log      *zap.Logger
	store    *db.Store
	queue    queue.Queue
	broker   queue.Config // how RabbitMQ is reached; without TransportURL there is none
	clouds   *cloud.Factory
	secrets  certmanager.Manager
	registry *prometheus.Registry
	own      bool // there are no service users
	closers  []io.Closer
}

// Parts replace what New would make from the configuration. Whoever gives one closes it.
type Parts struct {
	Queue  queue.Queue
	Clouds *cloud.Factory
	// OwnCredentials: Clouds authenticates as the person who owns all clusters, and no service users are made.
	OwnCredentials bool
}

// New connects to database, queue and cloud. It fails when the database cannot be reached or its schema is not up to date;
// the queue and the cloud may come back later.
func New(ctx context.Context, cfg *Config, l *zap.Logger, p Parts) (_ *Service, err error) {
	s := &Service{cfg: cfg, log: l, queue: p.Queue, clouds: p.Clouds, own: p.OwnCredentials, registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.store, err = db.Open(ctx, cfg.Database); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.store)
	if err := s.store.Check(ctx); err != nil {
		return nil, fmt.Errorf("checking the database: %w", err)
	}
	if s.clouds == nil {
		if s.clouds, err = cloud.NewFactory(cfg.Cloud); err != nil {
			return nil, fmt.Errorf("[keystone_auth]: %w", err)
		}
		s.closers = append(s.closers, closer(s.clouds.Close))
	}
	if s.queue == nil {
		s.broker = cfg.Rabbit
		s.broker.TransportURL, s.broker.Log = cfg.Default.TransportURL, l
		if s.queue, err = queue.Dial(ctx, s.broker); err != nil {
			return nil, err
		}
		s.closers = append(s.closers, s.queue)
	}
	s.secrets = certmanager.NewBarbican(s.clouds)
	if cfg.Certificates.Type == "x509keypair" {
		if s.secrets, err = certmanager.NewRows(s.store, cfg.Certificates.Keys); err != nil {
			return nil, err
		}
	}
	return s, nil
}

type closer func()

// Close implements io.Closer.
func (c closer) Close() error {
	c()
	return nil
}

// Close lets go of everything, last opened first.
func (s *Service) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i].Close())
	}
	s.closers = nil
	return errors.Join(errs...)
}
