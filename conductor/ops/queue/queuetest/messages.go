package queuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
)

func arrives(t *testing.T, q queue.Queue) {
	with, without := message(), message()
	without.RequestID = ""
	publish(t, q, with, without)
	got := make(chan queue.Message, 10)
	consume(t, q, 1, func(_ context.Context, m queue.Message) error { got <- m; return nil })
	for _, want := range []queue.Message{with, without} {
		if m := receive(t, got, "a message"); m != want {
			t.Errorf("got %+v, want %+v", m, want)
		}
	}
	eventually(t, "the queue to be healthy", func() bool { return q.Healthy() == nil })
}

func refusesNonsense(t *testing.T, q queue.Queue) {
	for _, id := range []string{"", "x", "{" + message().OperationID + "}", "urn:uuid:" + message().OperationID, message().OperationID + " "} {
		if err := q.Publish(t.Context(), queue.Message{OperationID: id}); err == nil {
			t.Errorf("operation id %q was published", id)
		}
	}
	for _, n := range []int{-1, 0, queue.MaxPrefetch + 1} {
		if err := q.Consume(t.Context(), n, func(context.Context, queue.Message) error { return nil }); err == nil {
			t.Errorf("consumed with prefetch %d", n)
		}
	}
}

func refusesEndedContext(t *testing.T, q queue.Queue) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Publish(ctx, message()); !errors.Is(err, context.Canceled) {
		t.Errorf("publish: %v, want %v", err, context.Canceled)
	}
}

// untilLast publishes a message after all others and consumes, one at a time, until it comes.
func untilLast(t *testing.T, q queue.Queue, seen *counter) {
	t.Helper()
	last := message()
	publish(t, q, last)
	came := make(chan struct{})
	c := consume(t, q, 1, func(_ context.Context, m queue.Message) error {
		seen.add(m)
		if m == last {
			close(came)
		}
		return nil
	})
	receive(t, came, "the last message")
	c.end()
}

func acked(t *testing.T, q queue.Queue) {
	first, seen, handled := message(), newCounter(), make(chan struct{}, 10)
	publish(t, q, first)
	c := consume(t, q, 1, func(_ context.Context, m queue.Message) error {
		seen.add(m)
		handled <- struct{}{}
		return nil
	})
	receive(t, handled, "the message")
	c.end()
	untilLast(t, q, seen)
	if n := seen.of(first); n != 1 {
		t.Errorf("it came %d times", n)
	}
}

func requeued(t *testing.T, q queue.Queue) {
	first, seen, again := message(), newCounter(), make(chan struct{}, 10)
	publish(t, q, first)
	c := consume(t, q, 1, func(_ context.Context, m queue.Message) error {
		if seen.add(m) < 3 {
			return fmt.Errorf("the scope is taken: %w", queue.ErrRequeue)
		}
		again <- struct{}{}
		return nil
	})
	receive(t, again, "the message to come the third time")
	c.end()
	untilLast(t, q, seen)
	if n := seen.of(first); n != 3 {
		t.Errorf("it came %d times, want 3", n)
	}
}

func limited(t *testing.T, q queue.Queue) {
	poison, seen := message(), newCounter()
	publish(t, q, poison)
	c := consume(t, q, 1, func(_ context.Context, m queue.Message) error {
		seen.add(m)
		return queue.ErrRequeue
	})
	eventually(t, "the message to be delivered often", func() bool { return seen.of(poison) > queue.DeliveryLimit })
	c.end()
	untilLast(t, q, seen)
	if n := seen.of(poison); n != 1+queue.DeliveryLimit {
		t.Errorf("it came %d times, want once and %d times again", n, queue.DeliveryLimit)
	}
}

func rejected(t *testing.T, q queue.Queue) {
	bad, seen := message(), newCounter()
	publish(t, q, bad)
	c := consume(t, q, 1, func(_ context.Context, m queue.Message) error {
		seen.add(m)
		return errors.New("no such operation")
	})
	eventually(t, "the message", func() bool { return seen.of(bad) > 0 })
	c.end()
	untilLast(t, q, seen)
	if n := seen.of(bad); n != 1 {
		t.Errorf("it came %d times", n)
	}
}
