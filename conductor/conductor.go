// Package conductor carries out operations: it listens to the bell, claims, advances, records, and sweeps up what the
// bell missed. Any number of conductors may run; the claim in the database decides who works on what.
package conductor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// Config is group [conductor].
type Config struct {
	Workers       int           `opt:"max_parallel_operations" default:"32" min:"1" help:"How many operations this conductor works on side by side"`
	Lease         time.Duration `opt:"lease" default:"60" min:"10" unit:"s" help:"Seconds after which another conductor may take over an operation whose owner was not heard of. Renewed at a third of it"`
	PollInterval  time.Duration `opt:"poll_interval" default:"5" min:"1" unit:"s" help:"Longest time between two looks at what the cloud is asked to do"`
	RebootTimeout time.Duration `opt:"reboot_timeout" default:"300" min:"10" unit:"s" help:"Seconds that a node may take to be ready again after it was rebooted to heal it. After that another one takes its place"`
	DrainTimeout  time.Duration `opt:"drain_timeout" default:"900" min:"0" unit:"s" help:"Seconds for which disruption budgets can keep pods on a node that is to go, and after that volumes that stay attached the node itself. It goes all the same then"`
	SweepInterval time.Duration `opt:"sweep_interval" default:"1" min:"1" unit:"s" help:"How often due operations are looked for that the queue did not ring for"`
	RingAgain     time.Duration `opt:"ring_again" default:"30" min:"5" unit:"s" help:"Seconds after which the queue is rung again for an operation that nobody claimed"`
	History       time.Duration `opt:"history" default:"7776000" min:"0" unit:"s" help:"Seconds for which events, and operations that have ended, can be read; 0: for ever. They are kept for two days at least"`
}

// Advancer runs one slice of a claimed operation.
type Advancer interface {
	Advance(ctx context.Context, op *db.Operation) (cluster.Verdict, error)
}

// Conductor is one worker process.
type Conductor struct {
	Config   Config
	Host     string // stable name of this conductor in mservices
	Owner    string // unique name of this process in leases
	Store    *db.Store
	Queue    queue.Queue
	Executor Advancer
	Log      *zap.Logger
	Metrics  *Metrics

	busy sync.WaitGroup
}

// Binary is the name under which mservices shows a conductor: Magnum's, since clients ask for it.
const Binary = "magnum-conductor"

// Run works until ctx ends, then finishes the slices under way and gives their leases back.
func (c *Conductor) Run(ctx context.Context) error {
	if err := c.Store.Heartbeat(ctx, c.Host, Binary); ctx.Err() != nil {
		return nil // stopped while it started: nothing was begun
	} else if err != nil {
		return fmt.Errorf("registering this conductor: %w", err)
	}
	var loops sync.WaitGroup
	loops.Go(func() { c.every(ctx, time.Minute, c.heartbeat) })
	slots := make(chan struct{}, c.Config.Workers)
	loops.Go(func() { c.sweepLoop(ctx, slots) })
	loops.Go(func() { c.dropHistory(ctx); c.every(ctx, time.Hour, c.dropHistory) })
	err := c.Queue.Consume(ctx, c.Config.Workers, func(ctx context.Context, m queue.Message) error { return c.handle(ctx, slots, m) })
	loops.Wait()
	c.busy.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (c *Conductor) heartbeat(ctx context.Context) {
	if err := c.Store.Heartbeat(ctx, c.Host, Binary); err != nil && ctx.Err() == nil {
		c.Log.Warn("heartbeat failed", zap.Error(err))
	}
}

// leastHistory is what decisions still look back on: what was tried lately is not tried again.
const leastHistory = 48 * time.Hour

func (c *Conductor) dropHistory(ctx context.Context) {
	if c.Config.History == 0 {
		return
	}
	now, err := c.Store.Now(ctx)
	if err == nil {
		err = c.Store.DropHistory(ctx, now.Add(-max(c.Config.History, leastHistory)))
	}
	if err != nil && ctx.Err() == nil {
		c.Log.Warn("dropping what is over for long failed", zap.Error(err))
	}
}

func (c *Conductor) every(ctx context.Context, d time.Duration, do func(context.Context)) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do(ctx)
		}
	}
}

// handle claims and acks: the delivery is done with as soon as the lease is ours. The slice runs on in a slot of its own.
func (c *Conductor) handle(ctx context.Context, slots chan struct{}, m queue.Message) error {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return queue.ErrRequeue
	}
	if ctx.Err() != nil { // both were there to choose from
		<-slots
		return queue.ErrRequeue
	}
	op, err := c.claim(context.WithoutCancel(ctx), m.OperationID) // a claim that was cut off might have been made
	if err != nil || op == nil {
		<-slots
		return err
	}
	c.busy.Go(func() {
		defer func() { <-slots }()
		c.slice(context.WithoutCancel(ctx), op)
	})
	return nil
}

// claim takes the operation; nil when there is nothing to do: the message was late, or a copy.
func (c *Conductor) claim(ctx context.Context, id string) (*db.Operation, error) {
	op, err := c.Store.Claim(ctx, id, c.Owner, c.Config.Lease)
	switch {
	case errors.Is(err, db.ErrNotRunnable), errors.Is(err, db.ErrScopeBusy), errors.Is(err, db.ErrNotFound):
		return nil, nil
	case err != nil:
		c.Log.Error("claiming an operation failed", log.OperationID(id), zap.Error(err))
		return nil, nil // the row is the truth: the sweeper rings again
	}
	c.Metrics.claimed(op)
	return op, nil
}

// ProcessOne claims the operation and runs one slice of it, or does nothing when it is not to be had.
func (c *Conductor) ProcessOne(ctx context.Context, id string) error {
	op, err := c.claim(ctx, id)
	if err == nil && op != nil {
		c.slice(ctx, op)
	}
	return err
}

func (c *Conductor) slice(ctx context.Context, op *db.Operation) {
	l := c.Log.With(log.OperationID(op.UUID), log.ClusterUUID(op.ClusterUUID), log.ProjectID(op.ProjectID),
		log.RequestID(op.RequestID), zap.String("operation", op.Kind))
	ctx = log.Into(ctx, l)
	ctx, release := c.keepLease(ctx, op)
	started := time.Now() //nolint:forbidigo // measured, nothing is decided by it
	verdict, err := c.Executor.Advance(ctx, op)
	release()
	switch {
	case errors.Is(err, db.ErrFenced):
		l.Warn("the operation was taken over by another conductor")
		return
	case err != nil:
		l.Error("a slice could not be recorded; it is run again when the lease ends", zap.Error(err))
		return
	}
	c.Metrics.slice(op, time.Since(started), verdict)
	if verdict.Ended {
		l.Info("operation ended", zap.String("status", op.Status), zap.String("fault", op.Fault))
	}
	for _, id := range verdict.Woken {
		c.Ring(ctx, id)
	}
}

// keepLease renews the lease while a slice runs, and stops the slice when it is lost or cannot be renewed in time.
func (c *Conductor) keepLease(ctx context.Context, op *db.Operation) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(c.Config.Lease / 3)
		defer t.Stop()
		renewed := time.Now() //nolint:forbidigo // how long this process has not heard of its lease
		for {
			select {
			case <-done:
				return
			case <-t.C:
			}
			asked := time.Now() //nolint:forbidigo // as above
			err := c.renew(ctx, op)
			switch {
			case err == nil:
				renewed = asked
			case errors.Is(err, db.ErrFenced), time.Since(renewed) > c.Config.Lease*7/12: // the second attempt since
				cancel(err)
				return
			}
		}
	})
	return ctx, func() { close(done); wg.Wait(); cancel(nil) }
}

// renew waits for the database no longer than the lease allows: one that does not answer is to be noticed in time.
func (c *Conductor) renew(ctx context.Context, op *db.Operation) error {
	ctx, cancel := context.WithTimeout(ctx, c.Config.Lease/6)
	defer cancel()
	return c.Store.Renew(ctx, op, c.Config.Lease)
}

// Ring asks some conductor to look at an operation. What the queue does not take the sweeper finds.
func (c *Conductor) Ring(ctx context.Context, id string) { _ = c.ring(ctx, id) }

func (c *Conductor) ring(ctx context.Context, id string) error {
	err := c.Queue.Publish(ctx, queue.Message{OperationID: id})
	if err != nil && ctx.Err() == nil {
		c.Log.Warn("the queue could not be rung", log.OperationID(id), zap.Error(err))
	}
	return err
}
