package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/certificate"
)

// Limits of HTTP servers: nobody keeps a connection by being slow. An answer waits for Keystone, Nova and Neutron, so
// writing has the longest.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 60 * time.Second
	writeTimeout  = 180 * time.Second
	idleTimeout   = 120 * time.Second
	maxHeader     = 64 << 10
	drainTimeout  = 30 * time.Second
)

// server is an HTTP server on its listener.
type server struct {
	http     *http.Server
	listener net.Listener
}

// listen takes the port, so that what is wrong with it is known at once. Certificates are read again for every connection
// that comes after they changed on disk.
func listen(addr string, h http.Handler, l *zap.Logger, pair *certificate.Pair) (*server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader}
	if std, err := zap.NewStdLogAt(l, zap.DebugLevel); err == nil { // broken handshakes and the like: the outside's
		s.ErrorLog = std
	}
	if pair != nil {
		if _, err := pair.Load(nil); err != nil {
			return nil, errors.Join(fmt.Errorf("[api] ssl_cert_file and ssl_key_file: %w", err), listener.Close())
		}
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.Load}
		listener = tls.NewListener(listener, s.TLSConfig)
	}
	return &server{http: s, listener: listener}, nil
}

// run serves until ctx ends, then takes no more connections and lets requests under way finish, for a bounded time.
func (s *server) run(ctx context.Context) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		stopped <- s.http.Shutdown(drain)
	})
	err := s.http.Serve(s.listener)
	if !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serving HTTP: %w", err)
	}
	if err := <-stopped; err != nil {
		return errors.Join(fmt.Errorf("requests were still under way after %v: %w", drainTimeout, err), s.http.Close())
	}
	return nil
}
