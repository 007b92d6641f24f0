package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/program"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/systemd"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
	"github.com/jeroboam-cloud/jeroboam/internal/oslo"
)

// serveFiles name the configuration of jeroboam-api and jeroboam-conductor.
type serveFiles struct {
	sources oslo.Sources
	dir     *string // of the last file; "": none was named
}

func (s *serveFiles) flags(f *flag.FlagSet) {
	s.sources.Environ = os.Environ()
	s.dir = program.RegisterSources(f, &s.sources)
}

func (s *serveFiles) named() bool { return s.dir != nil && *s.dir != "" }

// serveConfiguration serves the cloud for everybody in it, with the service's own rights and a user for each cluster: what
// jeroboam-api and jeroboam-conductor do with the same files, in one process and without a broker.
func (o *serveOptions) serveConfiguration(ctx context.Context, s shell) error {
	cfg, warnings, err := service.Load(o.files.sources, *o.files.dir)
	if err != nil {
		return err
	}
	cfg.Log.Debug = cfg.Log.Debug || o.debug
	l, closeLog, err := log.New(cfg.Log, name)
	if err != nil {
		return err
	}
	defer func() { _ = closeLog() }()
	for _, w := range warnings {
		l.Warn("configuration", zap.String("warning", w))
	}
	running, err := newLocal(ctx, cfg, l, service.Parts{}, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "Serving the cloud at %s; jeroboam-manage register puts that into Keystone's catalogue.\n", running.api.URL())
	l.Info("started", zap.String("url", running.api.URL()))
	systemd.Notify(ctx, l)
	if o.ready != nil {
		o.ready(running.api.URL())
	}
	return errors.Join(running.run(ctx), running.close())
}
