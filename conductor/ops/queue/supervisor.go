package queue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"
)

const (
	connectTimeout = 5 * time.Second // TCP, TLS and AMQP together
	writeTimeout   = 5 * time.Second // of one write: longer, and the connection counts as broken
	closeTimeout   = 2 * time.Second
	// RabbitMQ 3.10 tells consumers that their queue was deleted 30 ms later, and never does if it was made anew by then:
	// they get nothing from the new one either. So the next connection, which makes it, has to wait longer than that.
	deletionNotice = 500 * time.Millisecond
)

// supervisor keeps one connection to one of the hosts, and never gives up. The recovery that the library offers is not
// used: it lets an ack from before a reconnect settle another message. Here a new connection has new channels, and an
// ack on an old one fails.
type supervisor struct {
	cfg   Config
	to    transport
	role  string // publisher or consumer
	log   *zap.Logger
	host  int           // which of the hosts is next
	tried chan struct{} // closed when it has been connected once, or every host has failed once
	once  sync.Once

	mu  sync.Mutex
	err error // why there is no connection; nil while there is one
}

var (
	errNoConnection = errors.New("there is no connection")
	errQueueGone    = errors.New("somebody has deleted the queue; it is made anew")
)

func newSupervisor(cfg Config, to transport, role string) *supervisor {
	return &supervisor{
		cfg: cfg, to: to, role: role, log: cfg.Log.With(zap.String("role", role)),
		host:  rand.IntN(len(to.hosts)), // spreads the services over the cluster
		tried: make(chan struct{}), err: errNoConnection,
	}
}

// serve is what is done with a connection: it calls up once everything is made ready, returns why the connection is of no
// use any more, and returns at the end of ctx. The connection is closed by the supervisor.
type serve func(ctx context.Context, conn *amqp.Connection, up func()) error

// run returns at the end of ctx.
func (s *supervisor) run(ctx context.Context, f serve) {
	failures := 0 // in a row
	for ctx.Err() == nil {
		host := s.to.hosts[s.host]
		s.host = (s.host + 1) % len(s.to.hosts)
		wasUp, err := s.try(ctx, host, f)
		if ctx.Err() != nil {
			s.set(ctx.Err())
			return
		}
		s.set(err)
		failures++
		if wasUp {
			failures = 0
		}
		if failures >= len(s.to.hosts) {
			s.once.Do(func() { close(s.tried) })
		}
		pause := s.pause(failures, rand.Float64())
		if errors.Is(err, errQueueGone) {
			pause = max(pause, deletionNotice)
		}
		s.log.Warn("no connection to RabbitMQ", zap.String("host", host.address()), zap.Bool("lost", wasUp), zap.Duration("retry_in", pause), zap.Error(err))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	s.set(ctx.Err())
}

// pause is how long to wait after so many failures in a row: not at all while there are hosts that have not been tried,
// and after a loss only so long that not everybody comes back at the same moment.
func (s *supervisor) pause(failures int, jitter float64) time.Duration {
	if failures == 0 {
		return time.Duration(jitter * float64(s.cfg.RetryMin))
	}
	if failures%len(s.to.hosts) != 0 {
		return 0
	}
	rounds := failures / len(s.to.hosts)
	d := s.cfg.RetryMax
	if rounds <= 16 {
		d = min(s.cfg.RetryMin<<(rounds-1), s.cfg.RetryMax)
	}
	return d/2 + time.Duration(jitter*float64(d/2))
}

// try connects to a host and serves the connection until it is lost.
func (s *supervisor) try(ctx context.Context, host brokerHost, f serve) (wasUp bool, err error) {
	conn, err := s.connect(ctx, host)
	if err != nil {
		return false, fmt.Errorf("connect to RabbitMQ at %s: %w", host.address(), err)
	}
	defer func() { _ = conn.CloseDeadline(time.Now().Add(closeTimeout)) }() //nolint:forbidigo // a deadline of the socket
	err = f(ctx, conn, func() {
		wasUp = true
		s.set(nil)
		s.once.Do(func() { close(s.tried) })
		s.log.Info("connected to RabbitMQ", zap.String("host", host.address()))
	})
	return wasUp, fmt.Errorf("use RabbitMQ at %s: %w", host.address(), err)
}

// connect speaks TCP, TLS and AMQP with the host; ctx bounds all of it.
func (s *supervisor) connect(ctx context.Context, host brokerHost) (*amqp.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	tlsConfig, err := s.cfg.tls(host.name)
	if err != nil {
		return nil, err
	}
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", host.address())
	if err != nil {
		return nil, err
	}
	release := context.AfterFunc(ctx, func() { _ = raw.Close() })
	conn, err := s.handshake(ctx, raw, tlsConfig, host)
	if !release() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = raw.Close() // ends the goroutines of the library too
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return conn, nil
}

func (s *supervisor) handshake(ctx context.Context, raw net.Conn, tlsConfig *tls.Config, host brokerHost) (*amqp.Connection, error) {
	var stream net.Conn = boundedWrites{raw}
	if tlsConfig != nil {
		client := tls.Client(stream, tlsConfig)
		if err := client.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		stream = client
	}
	return amqp.Open(stream, amqp.Config{
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: host.user, Password: host.password}},
		Vhost:      s.to.vhost,
		Heartbeat:  s.cfg.Heartbeat,
		Locale:     "en_US",
		Properties: amqp.Table{"product": "jeroboam", "connection_name": "jeroboam " + s.role},
	})
}

func (s *supervisor) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// down tells why there is no connection.
func (s *supervisor) down() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// boundedWrites breaks a connection whose peer takes nothing, where a write would hang until the kernel gives up.
type boundedWrites struct{ net.Conn }

func (c boundedWrites) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil { //nolint:forbidigo // a deadline of the socket
		return 0, err
	}
	return c.Conn.Write(p)
}
