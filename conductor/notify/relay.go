// Package notify tells other services of the cloud what happened to clusters, as oslo.messaging's notifier does. What is to
// be told was written by the decision that it tells of; here it is sent, and taken out when it is there. A crash in between
// sends it once more under the same message_id: each is told at least once. Two that are sent by different conductors may
// change places.
package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
)

const (
	// tick is how often a conductor looks for what is to be sent.
	tick = time.Second
	// batch bounds what one conductor takes at once; others may have the rest.
	batch = 50
	// lease is how long what was taken is nobody else's, and sending how long of it sending goes on: one that begins at
	// its end is over before the lease is.
	lease   = time.Minute
	sending = 30 * time.Second
	// sendLimit bounds one sending.
	sendLimit = 15 * time.Second
	// again is when something that could not be sent is tried once more.
	again = 5 * time.Second
	// dropEvery is how often a conductor looks for what has become too old, and dropBatch how much of it goes at once.
	dropEvery = time.Minute
	dropBatch = 1000
)

// Relay sends notifications. Any number of them may run.
type Relay struct {
	Store   *db.Store
	Senders []Sender // all get each notification, in this order
	MaxAge  time.Duration
	Now     func() time.Time
	Log     *zap.Logger
	Metrics *Metrics

	connection *queue.Topics // nil: none is needed
}

// New makes a relay for the drivers of the configuration. The broker may come later.
func New(cfg Config, rabbit RabbitConfig, q queue.Config, exchange string, s *db.Store, l *zap.Logger, m *Metrics) (*Relay, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	r := &Relay{Store: s, MaxAge: cfg.MaxAge, Now: time.Now, Log: l, Metrics: m}
	if cfg.Brokered() {
		if cfg.TransportURL != "" {
			q.TransportURL = cfg.TransportURL
		}
		var err error
		if r.connection, err = queue.NewTopics(q, topology(cfg, rabbit, exchange)); err != nil {
			return nil, err
		}
	}
	logs := false
	for _, d := range cfg.drivers() {
		if d == driverLog {
			logs = true
			continue
		}
		r.Senders = append(r.Senders, broker{to: r.connection, topics: cfg.Topics, bare: d == driverMessaging})
	}
	if logs { // last: what the broker does not take is sent again, and shall not be logged each time
		r.Senders = append(r.Senders, logger{l})
	}
	return r, nil
}

// Run sends until ctx ends, and then finishes what it is at.
func (r *Relay) Run(ctx context.Context) error {
	connected, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	var connection sync.WaitGroup
	if r.connection != nil {
		connection.Go(func() { r.connection.Run(connected) })
	}
	r.loop(ctx)
	disconnect()
	connection.Wait()
	return nil
}

func (r *Relay) loop(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	var dropped time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		wait := tick
		if now := r.Now(); now.Sub(dropped) >= dropEvery {
			dropped = now
			r.report(ctx, "dropping old notifications failed", r.Drop(ctx))
		}
		n, err := r.ProcessOne(ctx)
		r.report(ctx, "sending notifications failed", err)
		if n == batch { // there are more
			wait = 0
		}
		t.Reset(wait)
	}
}

func (r *Relay) report(ctx context.Context, message string, err error) {
	if err != nil && ctx.Err() == nil {
		r.Log.Error(message, zap.Error(err))
	}
}

// healthy tells why nothing can be sent: then nothing is taken either.
func (r *Relay) healthy() error {
	for _, s := range r.Senders {
		if err := s.Healthy(); err != nil {
			return err
		}
	}
	return nil
}

// ProcessOne takes some of what is due and sends it, and tells how many that were. What could not be sent is given back.
func (r *Relay) ProcessOne(ctx context.Context) (sent int, err error) {
	if r.healthy() != nil { // the connection's keeper tells why
		return 0, nil
	}
	began := r.Now()
	taken, err := r.Store.TakeNotifications(ctx, batch, lease)
	after := context.WithoutCancel(ctx) // what was taken is sent, taken out or given back, also when we are to stop
	errs := []error{err}
	for _, n := range taken {
		switch {
		case r.Now().Sub(began) > sending: // it may be somebody else's before it is there
			continue
		case ctx.Err() != nil:
			errs = append(errs, r.Store.PutOffNotification(after, n, 0))
			continue
		case r.healthy() != nil:
			errs = append(errs, r.Store.PutOffNotification(after, n, again))
			continue
		}
		if err := r.send(after, n); err != nil {
			r.Metrics.count(resultFailed, 1)
			r.Log.Warn("a notification could not be sent; it is tried again", zap.String("event_type", n.EventType), zap.String("message_id", n.UUID), zap.Error(err))
			errs = append(errs, r.Store.PutOffNotification(after, n, again))
			continue
		}
		r.Metrics.count(resultSent, 1)
		sent++
		errs = append(errs, r.Store.RemoveNotification(after, n))
	}
	return sent, errors.Join(errs...)
}

func (r *Relay) send(ctx context.Context, n *db.Notification) error {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	for _, s := range r.Senders {
		if err := s.Send(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// Drop takes out what has waited for too long: the table does not grow for ever when nobody takes anything.
func (r *Relay) Drop(ctx context.Context) error {
	for {
		n, err := r.Store.DropNotifications(ctx, r.MaxAge, dropBatch)
		if n > 0 {
			r.Metrics.count(resultDropped, n)
			r.Log.Warn("notifications were dropped that nobody took for too long", zap.Int64("count", n), zap.Duration("max_age", r.MaxAge))
		}
		if err != nil || n < dropBatch {
			return err
		}
	}
}
