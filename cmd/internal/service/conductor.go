package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/jeroboam-cloud/jeroboam/conductor"
	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/conductor/notify"
	"github.com/jeroboam-cloud/jeroboam/conductor/periodic"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// sliceLimit bounds how long slices under way may take after the signal to stop. A lease that is not handed back by then
// ends by itself.
const sliceLimit = 60 * time.Second

// Conductor is one worker, with its port for Prometheus if it has one.
type Conductor struct {
	worker  *conductor.Conductor
	watcher *periodic.Watcher
	relay   *notify.Relay // nil: nobody is told of anything
	clients *cluster.KubeClients
	metrics *server // nil: none
}

// Conductor makes the worker.
func (s *Service) Conductor() (*Conductor, error) {
	host, err := s.cfg.host()
	if err != nil {
		return nil, err
	}
	binaries, err := s.cfg.Binaries.read()
	if err != nil {
		return nil, err
	}
	authorities, err := s.cfg.Drivers.authorities()
	if err != nil {
		return nil, err
	}
	sources, err := s.cfg.addonSources()
	if err != nil {
		return nil, err
	}
	m := conductor.NewMetrics(s.registry)
	network := infra.New(infra.Config{OwnCredentials: s.own, UserDomain: s.cfg.ServiceUser.Domain, Roles: s.cfg.ServiceUser.Roles}, s.clouds, m.Duplicate)
	machines := map[string]drivers.Machines{}
	for _, name := range s.cfg.Drivers.Enabled {
		machines[name] = knownDrivers()[name](s.cfg, s.clouds, network, m.Duplicate)
	}
	c := &Conductor{clients: &cluster.KubeClients{}}
	executor := &cluster.Executor{
		Store: s.store, Infra: network, Machines: machines, Secrets: s.secrets, Kube: c.clients, Log: s.log,
		Runner: flow.Runner{Parallel: s.cfg.Conducting.Parallel}, Now: time.Now,
		KeySize: s.cfg.X509.RSAKeySize, Validity: s.cfg.X509.validity(), PollInterval: s.cfg.Conductor.PollInterval, DrainTimeout: s.cfg.Conductor.DrainTimeout, RebootTimeout: s.cfg.Conductor.RebootTimeout, Binaries: binaries, Authorities: authorities, Addons: sources, OwnCredentials: s.own,
	}
	c.worker = &conductor.Conductor{
		Config: s.cfg.Conductor, Host: host, Owner: host + "/" + uuid.NewString(), Store: s.store, Queue: s.queue, Log: s.log, Metrics: m, Executor: executor,
	}
	c.watcher = &periodic.Watcher{
		Config: s.cfg.Periodic, Health: s.cfg.Kubernetes, Store: s.store, Sights: executor, ApproveServing: executor.ApproveServing, Ring: c.worker.Ring, Jitter: rand.Float64, NewUUID: uuid.NewString, CertificateLeft: m.CertificateLeft, InPlace: s.cfg.Binaries.URL != "",
		Log: s.log, Metrics: periodic.NewMetrics(s.registry),
	}
	if c.relay, err = s.relay(); err != nil {
		return nil, err
	}
	if c.relay != nil {
		executor.Publisher = "container-infra." + host
	}
	if port := s.cfg.Conducting.MetricsPort; port != 0 {
		if c.metrics, err = listen(net.JoinHostPort(s.cfg.Conducting.MetricsHost, strconv.Itoa(port)), s.observed(), s.log, nil); err != nil {
			return nil, fmt.Errorf("[conductor] metrics_port: %w", err)
		}
	}
	return c, nil
}

// relay makes the sender of notifications, if somebody is to be told of anything.
func (s *Service) relay() (*notify.Relay, error) {
	cfg := s.cfg.Notify
	switch {
	case !cfg.Enabled():
		return nil, nil
	case cfg.Brokered() && s.broker.TransportURL == "":
		return nil, errors.New("[oslo_messaging_notifications] driver: without RabbitMQ, as in all-in-one, it is log or noop")
	}
	relay, err := notify.New(cfg, s.cfg.NotifyQueues, s.broker, s.cfg.Default.ControlExchange, s.store, s.log, notify.NewMetrics(s.registry))
	if err != nil {
		return nil, fmt.Errorf("[oslo_messaging_notifications]: %w", err)
	}
	return relay, nil
}

// observed is what monitoring may ask a conductor for.
func (s *Service) observed() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthcheck", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.queue.Healthy(); err != nil { // work goes on through the sweeper, but slower
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("OK"))
	})
	return mux
}

// Run works until ctx ends, then finishes the slices under way, for a bounded time, and hands their leases back.
func (c *Conductor) Run(ctx context.Context) error {
	defer c.clients.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.work(ctx) })
	g.Go(func() error { return c.watcher.Run(ctx) })
	if c.relay != nil {
		g.Go(func() error { return c.relay.Run(ctx) })
	}
	if c.metrics != nil {
		g.Go(func() error { return c.metrics.run(ctx) })
	}
	return g.Wait()
}

func (c *Conductor) work(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- c.worker.Run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	limit := time.NewTimer(sliceLimit)
	defer limit.Stop()
	select {
	case err := <-done:
		return err
	case <-limit.C:
		return fmt.Errorf("slices were still under way after %v; another conductor goes on when their leases end", sliceLimit)
	}
}
