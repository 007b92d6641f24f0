package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

func TestRabbitAnAckFromBeforeTheReconnectSettlesNothing(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	p := newProxy(t, url)
	q := dial(t, config(t, p.url(url)))
	messages := []queue.Message{message(), message()}
	for _, m := range messages {
		if err := q.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	deliveries := map[queue.Message]int{}
	began, proceed := make(chan struct{}, 10), make(chan struct{})
	listen(t, q, 2, func(_ context.Context, m queue.Message) error {
		mu.Lock()
		deliveries[m]++
		n := deliveries[m]
		mu.Unlock()
		switch n {
		case 1:
			began <- struct{}{}
			<-proceed // and then acks what it got over a connection that is gone
		case 2:
			return queue.ErrRequeue // which fails if that ack has settled the delivery of the new connection
		}
		return nil
	})
	receive(t, began)
	receive(t, began)
	p.cut()
	// The broker delivers again at once, under the delivery tags of before; the old handlers still hold their slots.
	eventually(t, "both connections to be back", func() bool { return p.connections() == 4 && q.Healthy() == nil })
	close(proceed)
	eventually(t, "both messages to come the third time", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return deliveries[messages[0]] == 3 && deliveries[messages[1]] == 3
	})
	if n := p.connections(); n != 4 {
		t.Errorf("%d connections were made: the broker has closed some of them", n)
	}
}

func TestRabbitLosesNothingOverManyCuts(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	p := newProxy(t, url)
	q := dial(t, config(t, p.url(url)))
	var mu sync.Mutex
	acked := map[string]bool{}
	listen(t, q, 10, func(_ context.Context, m queue.Message) error {
		mu.Lock()
		defer mu.Unlock()
		acked[m.OperationID] = true
		return nil
	})
	const publishers, each = 4, 100
	var confirmed sync.Map
	var n atomic.Int64
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range each {
				m := message()
				eventually(t, "the message to be confirmed", func() bool { return q.Publish(t.Context(), m) == nil })
				confirmed.Store(m.OperationID, true)
				if n.Add(1)%100 == 0 {
					p.cut()
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "every confirmed message to be handled", func() bool {
		missing := false
		mu.Lock()
		defer mu.Unlock()
		confirmed.Range(func(id, _ any) bool { missing = !acked[id.(string)]; return !missing })
		return !missing
	})
}

func TestRabbitPublishWaitsNoLongerThanItsContext(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	p := newProxy(t, url)
	cfg := config(t, p.url(url))
	cfg.Heartbeat = 2 * time.Second
	q := dial(t, cfg)
	if err := q.Publish(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	p.stop(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := q.Publish(ctx, message())
	if took := time.Since(began); took > 2*time.Second || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish took %s and ended with %v", took, err)
	}
	// The heartbeat finds out, and from then on nobody waits at all.
	eventually(t, "the connection to count as broken", func() bool { return q.Healthy() != nil })
	if err := q.Publish(t.Context(), message()); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("publish: %v, want %v", err, queue.ErrUnavailable)
	}
	p.stop(false)
	p.cut()
	eventually(t, "the queue to be back", func() bool { return q.Publish(t.Context(), message()) == nil })
}

func TestRabbitFailsOver(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	a, b := newProxy(t, url), newProxy(t, url)
	u := parse(t, url)
	q := dial(t, config(t, fmt.Sprintf("rabbit://%s@%s,%s@%s/", u.User, a.listener.Addr(), u.User, b.listener.Addr())))
	got := make(chan queue.Message, 10)
	listen(t, q, 1, func(_ context.Context, m queue.Message) error { got <- m; return nil })
	for _, down := range []*proxy{a, b, a} {
		down.refuse(true)
		m := message()
		eventually(t, "the other host to take the message", func() bool { return q.Publish(t.Context(), m) == nil })
		for receive(t, got) != m {
		}
		down.refuse(false)
	}
}

func TestRabbitOutlivesItsBroker(t *testing.T) {
	broker := testenv.StartBroker(t)
	cfg := queue.Config{TransportURL: broker.URL, RetryMin: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond}
	q := dial(t, cfg)
	var mu sync.Mutex
	handled := map[string]bool{}
	proceed := make(chan struct{})
	listen(t, q, 5, func(_ context.Context, m queue.Message) error {
		<-proceed
		mu.Lock()
		defer mu.Unlock()
		handled[m.OperationID] = true
		return nil
	})
	var confirmed []string
	publish := func(n int) {
		t.Helper()
		for range n {
			m := message()
			eventually(t, "the message to be confirmed", func() bool { return q.Publish(t.Context(), m) == nil })
			confirmed = append(confirmed, m.OperationID)
		}
	}
	publish(50)

	t.Run("short of memory", func(t *testing.T) {
		broker.Ctl(t, "set_vm_memory_high_watermark", "0")
		eventually(t, "publishing to be refused", func() bool {
			began := time.Now()
			err := q.Publish(t.Context(), message())
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("publish took %s: nobody told it that there will be no confirm", took)
			}
			return errors.Is(err, queue.ErrUnavailable) && strings.Contains(err.Error(), "takes no messages")
		})
		if err := q.Healthy(); err == nil || !strings.Contains(err.Error(), "takes no messages") {
			t.Errorf("healthy: %v", err)
		}
		broker.Ctl(t, "set_vm_memory_high_watermark", "0.9")
		eventually(t, "the broker to take messages", func() bool { return q.Healthy() == nil })
	})
	t.Run("stopped and started", func(t *testing.T) {
		broker.Stop(t)
		eventually(t, "the loss to be seen", func() bool { return q.Healthy() != nil })
		began := time.Now()
		err := q.Publish(t.Context(), message())
		if took := time.Since(began); !errors.Is(err, queue.ErrUnavailable) || took > time.Second {
			t.Errorf("publish took %s and ended with %v, want %v at once", took, err, queue.ErrUnavailable)
		}
		broker.Start(t)
		publish(50)
	})
	t.Run("killed and started", func(t *testing.T) {
		broker.Kill(t)
		broker.Start(t)
		publish(50)
	})
	close(proceed)
	eventually(t, "every confirmed message to be handled", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range confirmed {
			if !handled[id] {
				return false
			}
		}
		return true
	})
}

func TestRabbitCanBeginWithoutItsBroker(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	p := newProxy(t, url)
	p.refuse(true)
	q := dial(t, config(t, p.url(url)))
	got := make(chan queue.Message, 10)
	listen(t, q, 1, func(_ context.Context, m queue.Message) error { got <- m; return nil })
	if err := q.Publish(t.Context(), message()); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("publish: %v, want %v", err, queue.ErrUnavailable)
	}
	p.refuse(false)
	m := message()
	eventually(t, "the broker to be found", func() bool { return q.Publish(t.Context(), m) == nil })
	for receive(t, got) != m {
	}
}
