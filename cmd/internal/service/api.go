package service

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/api"
	"github.com/jeroboam-cloud/jeroboam/api/keystone"
	"github.com/jeroboam-cloud/jeroboam/api/policy"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/certificate"
)

// API is the HTTP service on its port.
type API struct {
	server *server
	close  func()
	tls    bool
}

// API makes the HTTP service and takes its port. Callers' tokens are validated by v; nil: as [keystone_authtoken] says.
func (s *Service) API(v keystone.Validator) (*API, error) {
	a := &API{close: func() {}, tls: s.cfg.API.EnabledSSL}
	if v == nil {
		c, err := keystone.New(s.cfg.AuthToken)
		if err != nil {
			return nil, err
		}
		v, a.close = c, c.Close
	}
	logPolicy := s.log.Named("policy").Sugar()
	rules, err := policy.New(s.cfg.Policy, func(msg string, kv ...any) { logPolicy.Warnw(msg, kv...) })
	if err != nil {
		return nil, err
	}
	cfg := s.cfg.API
	cfg.ProxyHeaders = s.cfg.ProxyHeaders.Enabled
	catalogue, err := s.cfg.Addons.catalogue()
	if err != nil {
		return nil, err
	}
	deps := api.Deps{
		Store: s.store, Queue: s.queue, Policy: rules, Auth: v, AuthWith: s.cfg.AuthToken.Options(), Clouds: s.clouds, Secrets: s.secrets,
		X509: s.cfg.X509.options(), Defaults: s.cfg.defaults(), CORS: s.cfg.CORS, Log: s.log, Metrics: s.registry, Now: time.Now, NewUUID: uuid.NewString, OwnCredentials: s.own,
	}
	if catalogue != nil {
		deps.Catalogue = catalogue
	}
	front := api.New(cfg, deps)
	var pair *certificate.Pair
	if a.tls {
		pair = &certificate.Pair{CertFile: cfg.SSLCertFile, KeyFile: cfg.SSLKeyFile}
	}
	if a.server, err = listen(net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)), front.Handler(), s.log, pair); err != nil {
		a.close()
		return nil, fmt.Errorf("[api] host and port: %w", err)
	}
	a.server.http.RegisterOnShutdown(front.EndStreams)
	return a, nil
}

// URL is where the service is, with /v1, as it goes into Keystone's catalogue.
func (a *API) URL() string {
	scheme := "http"
	if a.tls {
		scheme = "https"
	}
	return scheme + "://" + a.server.listener.Addr().String() + "/v1"
}

// Run serves until ctx ends; requests under way are finished, for a bounded time.
func (a *API) Run(ctx context.Context) error {
	defer a.close()
	return a.server.run(ctx)
}
