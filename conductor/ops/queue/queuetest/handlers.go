package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
)

func prefetch(t *testing.T, q queue.Queue) {
	const most, total = 3, 50
	for range total {
		publish(t, q, message())
	}
	var running, peak, ended atomic.Int64
	release := make(chan struct{})
	consume(t, q, most, func(context.Context, queue.Message) error {
		now := running.Add(1)
		for p := peak.Load(); now > p && !peak.CompareAndSwap(p, now); p = peak.Load() {
		}
		<-release
		running.Add(-1)
		ended.Add(1)
		return nil
	})
	eventually(t, "the first handlers", func() bool { return running.Load() == most })
	for range total {
		release <- struct{}{}
	}
	eventually(t, "all handlers to end", func() bool { return ended.Load() == total })
	if peak.Load() > most {
		t.Errorf("%d handlers ran at once", peak.Load())
	}
}

func concurrency(t *testing.T, q queue.Queue) {
	const n = 8
	for range n {
		publish(t, q, message())
	}
	var arrived sync.WaitGroup
	arrived.Add(n)
	all := make(chan struct{})
	go func() { arrived.Wait(); close(all) }()
	consume(t, q, n, func(ctx context.Context, _ queue.Message) error {
		arrived.Done()
		select { // ends well only when all run at once
		case <-all:
		case <-ctx.Done():
		}
		return nil
	})
	receive(t, all, "all handlers at once")
}

func shared(t *testing.T, q queue.Queue) {
	both := make(chan string, 10)
	meet := make(chan struct{})
	handle := func(name string) func(context.Context, queue.Message) error {
		return func(ctx context.Context, _ queue.Message) error {
			both <- name
			select {
			case <-meet:
			case <-ctx.Done():
			}
			return nil
		}
	}
	consume(t, q, 1, handle("a"))
	consume(t, q, 1, handle("b"))
	publish(t, q, message(), message())
	first, second := receive(t, both, "the first message"), receive(t, both, "the second message")
	close(meet)
	if first == second {
		t.Errorf("both messages went to %q", first)
	}
}

func thousand(t *testing.T, q queue.Queue) {
	const publishers, each = 8, 125
	seen := newCounter()
	var acks atomic.Int64
	for range 3 {
		consume(t, q, 10, func(_ context.Context, m queue.Message) error {
			if seen.add(m) == 1 && m.OperationID[0] == '0' { // one in sixteen
				return queue.ErrRequeue
			}
			acks.Add(1)
			return nil
		})
	}
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range each {
				if err := q.Publish(t.Context(), message()); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "every message to be acked", func() bool { return seen.len() == publishers*each && acks.Load() == publishers*each })
}

func joins(t *testing.T, q queue.Queue) {
	publish(t, q, message())
	began, proceed := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	c := consume(t, q, 4, func(ctx context.Context, _ queue.Message) error {
		close(began)
		<-ctx.Done()
		<-proceed
		ended.Store(true)
		return nil
	})
	receive(t, began, "the handler")
	c.stop()
	select {
	case err := <-c.done:
		t.Errorf("consume ended with %v while its handler was running", err)
	default:
	}
	close(proceed)
	c.want(nil)
	if !ended.Load() {
		t.Error("consume did not wait for its handler")
	}
	seen := newCounter()
	untilLast(t, q, seen)
	if seen.len() != 1 {
		t.Error("the message that was acked at the end came again")
	}
}

func interrupted(t *testing.T, q queue.Queue) {
	first, began := message(), make(chan struct{})
	publish(t, q, first)
	c := consume(t, q, 1, func(ctx context.Context, _ queue.Message) error {
		close(began)
		<-ctx.Done()
		return fmt.Errorf("claim: %w", ctx.Err())
	})
	receive(t, began, "the handler")
	c.end()
	got := make(chan queue.Message, 10)
	consume(t, q, 1, func(_ context.Context, m queue.Message) error { got <- m; return nil })
	if m := receive(t, got, "the message again"); m != first {
		t.Errorf("got %+v, want %+v", m, first)
	}
}

func closes(t *testing.T, q queue.Queue) {
	publish(t, q, message())
	began := make(chan struct{})
	var ended atomic.Bool
	c := consume(t, q, 1, func(ctx context.Context, _ queue.Message) error {
		close(began)
		<-ctx.Done() // ends with the queue as well
		ended.Store(true)
		return ctx.Err()
	})
	receive(t, began, "the handler")
	for range 2 {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if !ended.Load() {
			t.Error("close did not wait for the handler")
		}
	}
	c.want(queue.ErrClosed)
	if err := q.Publish(t.Context(), message()); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("publish: %v, want %v", err, queue.ErrClosed)
	}
	if err := q.Consume(t.Context(), 1, func(context.Context, queue.Message) error { return nil }); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("consume: %v, want %v", err, queue.ErrClosed)
	}
	if err := q.Healthy(); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("healthy: %v, want %v", err, queue.ErrClosed)
	}
}
