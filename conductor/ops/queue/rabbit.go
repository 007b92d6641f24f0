package queue

import (
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Rabbit is the queue in RabbitMQ. It has one connection for publishing and one for every Consume: a broker that is
// short of memory stops reading from connections that publish, and acks have to get through all the same.
type Rabbit struct {
	cfg       Config
	to        transport
	publisher *publisher
	users     sync.WaitGroup // the publisher and Consumes

	mu     sync.Mutex
	closed bool
	ends   map[*supervisor]context.CancelFunc // of the users
}

var _ Queue = (*Rabbit)(nil)

// Dial connects to RabbitMQ. It fails only for what can never work: the URL, the files of TLS. Otherwise it returns when
// it is connected, when every host has failed once, or when ctx ends, and goes on in the background: Healthy and the log
// tell how it stands. Only the wait depends on ctx, not what is returned.
func Dial(ctx context.Context, cfg Config) (*Rabbit, error) {
	cfg, to, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("configure RabbitMQ: %w", err)
	}
	q := &Rabbit{cfg: cfg, to: to, ends: make(map[*supervisor]context.CancelFunc)}
	s := newSupervisor(cfg, to, "publisher")
	q.publisher = &publisher{supervisor: s, prepare: func(conn *amqp.Connection) error {
		return onChannel(conn, func(ch *amqp.Channel) error { return declare(ch, cfg.QueueName) })
	}}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	q.enter(s, cancel)
	go func() {
		defer q.leave(s)
		s.run(background, q.publisher.serve)
	}()
	select {
	case <-s.tried:
	case <-ctx.Done():
	}
	return q, nil
}

// Publish is of Publisher.
func (q *Rabbit) Publish(ctx context.Context, m Message) error {
	if err := m.validate(); err != nil {
		return err
	}
	if q.isClosed() {
		return ErrClosed
	}
	message, err := encode(m)
	if err != nil {
		return err
	}
	if err := q.publisher.publish(ctx, "", q.cfg.QueueName, message); err != nil {
		return fmt.Errorf("publish operation %s: %w", m.OperationID, err)
	}
	return nil
}

// Consume is of Consumer.
func (q *Rabbit) Consume(ctx context.Context, prefetch int, handle func(context.Context, Message) error) error {
	if err := validatePrefetch(prefetch); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newSupervisor(q.cfg, q.to, "consumer")
	if !q.enter(s, cancel) {
		return ErrClosed
	}
	defer q.leave(s)
	c := &consumer{
		log: s.log, queue: q.cfg.QueueName, prefetch: prefetch, handle: handle,
		slots: make(chan struct{}, prefetch),
	}
	s.run(ctx, c.serve)
	c.handlers.Wait()
	if q.isClosed() {
		return ErrClosed
	}
	return nil
}

// enter makes Close wait for a user, and end it.
func (q *Rabbit) enter(s *supervisor, end context.CancelFunc) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.ends[s] = end
	q.users.Add(1)
	return true
}

func (q *Rabbit) leave(s *supervisor) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.ends, s)
	q.users.Done()
}

func (q *Rabbit) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Healthy is of Queue.
func (q *Rabbit) Healthy() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if _, err := q.publisher.usable(); err != nil {
		return fmt.Errorf("publisher: %w", err)
	}
	for s := range q.ends {
		if err := s.down(); err != nil {
			return fmt.Errorf("%s: %w", s.role, err)
		}
	}
	return nil
}

// Close is of Queue.
func (q *Rabbit) Close() error {
	q.mu.Lock()
	q.closed = true
	for _, end := range q.ends {
		end()
	}
	q.mu.Unlock()
	q.users.Wait()
	return nil
}
