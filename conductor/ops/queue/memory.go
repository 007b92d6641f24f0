package queue

import (
	"context"
	"sync"
)

// Memory is the queue within one process. It is unbounded, but holds an operation that waits only once: ringing again
// for it changes nothing. (One whose handler has begun is no longer waiting: the handler may have read the row before
// the change that is being rung for.) First come, first served; what is delivered again queues up behind the others.
type Memory struct {
	mu      sync.Mutex
	waiting []waiting
	known   map[string]bool // ids in waiting
	wake    chan struct{}   // holds a token while something may be waiting
	closed  chan struct{}
	closing sync.Once
	users   sync.WaitGroup // Consumes
}

type waiting struct {
	message    Message
	deliveries int
}

var _ Queue = (*Memory)(nil)

// NewMemory makes an empty queue.
func NewMemory() *Memory {
	return &Memory{known: make(map[string]bool), wake: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Publish is of Publisher.
func (q *Memory) Publish(ctx context.Context, m Message) error {
	if err := m.validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if q.isClosed() {
		return ErrClosed
	}
	q.put(waiting{message: m})
	return nil
}

// Consume is of Consumer.
func (q *Memory) Consume(ctx context.Context, prefetch int, handle func(context.Context, Message) error) error {
	if err := validatePrefetch(prefetch); err != nil {
		return err
	}
	q.mu.Lock()
	if q.isClosed() {
		q.mu.Unlock()
		return ErrClosed
	}
	q.users.Add(1)
	q.mu.Unlock()
	defer q.users.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var handlers sync.WaitGroup
	defer handlers.Wait()
	slots := make(chan struct{}, prefetch)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		case <-q.closed:
			cancel()
			return ErrClosed
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return nil
		case <-q.closed:
			cancel()
			return ErrClosed
		}
		w, ok := q.take(ctx)
		if !ok {
			<-slots
			continue
		}
		handlers.Go(func() {
			defer func() { <-slots }()
			q.settle(w, judge(ctx, handle(ctx, w.message)))
		})
	}
}

// Healthy is of Queue.
func (q *Memory) Healthy() error {
	if q.isClosed() {
		return ErrClosed
	}
	return nil
}

// Close is of Queue.
func (q *Memory) Close() error {
	q.closing.Do(func() {
		q.mu.Lock() // no Consume may begin between this and the wait
		close(q.closed)
		q.mu.Unlock()
	})
	q.users.Wait()
	return nil
}

func (q *Memory) isClosed() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

func (q *Memory) put(w waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.known[w.message.OperationID] {
		q.known[w.message.OperationID] = true
		q.waiting = append(q.waiting, w)
	}
	q.ring()
}

// take takes what has waited longest. The holder of the token calls it; it passes the token on if more is waiting, or
// if this consumer is not to take anything any more.
func (q *Memory) take(ctx context.Context) (waiting, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return waiting{}, false
	}
	defer q.ring()
	if ctx.Err() != nil || q.isClosed() {
		return waiting{}, false
	}
	w := q.waiting[0]
	q.waiting[0] = waiting{}
	q.waiting = q.waiting[1:]
	delete(q.known, w.message.OperationID)
	w.deliveries++
	return w, true
}

// ring leaves a token for one consumer if something is waiting; under mu.
func (q *Memory) ring() {
	if len(q.waiting) == 0 {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// settle drops dead letters: nobody could look at them, and the sweeper rings for what is still to be done.
func (q *Memory) settle(w waiting, v verdict) {
	if v == requeue && w.deliveries <= DeliveryLimit {
		q.put(w)
	}
}
