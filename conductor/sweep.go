package conductor

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
)

// sweepBatch bounds what one sweep rings for.
const sweepBatch = 200

// sweepLoop rings for what is due: parked operations whose time has come, and those whose message was lost. It sleeps
// until the next one is due, at most SweepInterval.
func (c *Conductor) sweepLoop(ctx context.Context, slots chan struct{}) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		c.sweep(ctx, slots)
		wait := c.Config.SweepInterval
		if next, ok, err := c.Store.NextWake(ctx); err == nil && ok {
			wait = max(min(wait, next), minSweep)
		}
		t.Reset(wait)
	}
}

// minSweep keeps a sweeper from spinning on an operation that is due and cannot be claimed.
const minSweep = 20 * time.Millisecond

// sweep rings for what is due. While nobody hears the bell, since the broker is away or takes nothing, whoever has found an
// operation works on it: the claim decides, as ever.
func (c *Conductor) sweep(ctx context.Context, slots chan struct{}) {
	ids, err := c.Store.DueOperations(ctx, sweepBatch, c.Config.RingAgain)
	if err != nil {
		if ctx.Err() == nil {
			c.Log.Error("looking for due operations failed", zap.Error(err))
		}
		return
	}
	heard := true
	for _, id := range ids {
		if heard = heard && c.ring(ctx, id) == nil; heard {
			continue
		}
		if c.handle(ctx, slots, queue.Message{OperationID: id}) != nil {
			return // we are to stop
		}
	}
}
