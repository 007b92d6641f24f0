// Package queuetest is the contract of package queue as tests, which every queue has to pass.
package queuetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// patience is how long anything may take on a machine under load.
const patience = 60 * time.Second

// Run runs the contract. Each part gets an empty queue of its own from open, which closes it at the end of the test.
func Run(t *testing.T, open func(t *testing.T) queue.Queue) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, q queue.Queue)
	}{
		{"a message arrives as it was published", arrives},
		{"what cannot be an operation is refused", refusesNonsense},
		{"an ended context publishes nothing", refusesEndedContext},
		{"an acked message is gone", acked},
		{"a requeued message comes again", requeued},
		{"a message that is requeued for ever is put aside", limited},
		{"a rejected message does not come again", rejected},
		{"no more handlers run at once than prefetch says", prefetch},
		{"as many handlers run at once as prefetch says", concurrency},
		{"consumers share the messages", shared},
		{"nothing is lost of a thousand messages", thousand},
		{"the end of the context joins the handlers", joins},
		{"an interrupted message is delivered again", interrupted},
		{"close joins everything", closes},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

// message makes one for a new operation.
func message() queue.Message {
	return queue.Message{OperationID: uuid.NewString(), RequestID: "req-" + uuid.NewString()}
}

func publish(t testing.TB, q queue.Publisher, messages ...queue.Message) {
	t.Helper()
	for _, m := range messages {
		if err := q.Publish(t.Context(), m); err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
}

// consumer is one Consume under way.
type consumer struct {
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

// consume starts a Consume that ends, at the latest, with the test.
func consume(t testing.TB, q queue.Consumer, prefetch int, handle func(ctx context.Context, m queue.Message) error) *consumer {
	ctx, stop := context.WithCancel(context.Background())
	c := &consumer{t: t, stop: stop, done: make(chan error, 1)}
	go func() { c.done <- q.Consume(ctx, prefetch, handle) }()
	t.Cleanup(stop)
	return c
}

// end ends the Consume and waits for it.
func (c *consumer) end() {
	c.t.Helper()
	c.stop()
	c.want(nil)
}

func (c *consumer) want(want error) {
	c.t.Helper()
	if err := receive(c.t, c.done, "the end of Consume"); !errors.Is(err, want) {
		c.t.Errorf("consume ended with %v, want %v", err, want)
	}
}

func receive[T any](t testing.TB, ch <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// counter counts deliveries by operation.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func newCounter() *counter { return &counter{seen: make(map[string]int)} }

// add returns how often the message has been seen, this time included.
func (c *counter) add(m queue.Message) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[m.OperationID]++
	return c.seen[m.OperationID]
}

func (c *counter) of(m queue.Message) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[m.OperationID]
}

func (c *counter) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	testenv.Eventually(t, patience, what, cond)
}
