package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
)

// confirmTimeout bounds the wait for the broker's confirm where the caller sets no nearer limit.
const confirmTimeout = 5 * time.Second

// publisher publishes over whichever connection there is.
type publisher struct {
	supervisor *supervisor
	prepare    func(*amqp.Connection) error // makes what is published to, on a new connection
	line       atomic.Pointer[line]         // nil while there is none
}

// line is one channel of one connection, in confirm mode. One goroutine writes, another takes what comes back, so that
// neither a slow socket nor a slow broker holds up a caller beyond its context.
type line struct {
	ch      *amqp.Channel
	outgo   chan *publishing
	gone    chan struct{}          // closed when nothing is taken from outgo any more
	noQueue chan struct{}          // takes one without blocking: the broker has no queue for us
	blocked atomic.Pointer[string] // why the broker takes nothing at present

	mu       sync.Mutex
	awaiting map[uint64]*publishing // by delivery tag
}

// publishing is one call of Publish.
type publishing struct {
	exchange, key string
	message       amqp.Publishing
	result        chan error // takes one without blocking, should the caller have left
}

// publish waits for the broker's confirm. The id of the message names this publishing, and nothing else: the broker hands
// it back with what it cannot route.
func (p *publisher) publish(ctx context.Context, exchange, key string, message amqp.Publishing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l, err := p.usable()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	message.MessageId = uuid.NewString()
	timeout := time.NewTimer(confirmTimeout)
	defer timeout.Stop()
	pub := &publishing{exchange: exchange, key: key, message: message, result: make(chan error, 1)}
	select {
	case l.outgo <- pub:
	case <-l.gone:
		return fmt.Errorf("%w: the connection was lost", ErrUnavailable)
	case <-timeout.C:
		return fmt.Errorf("%w: it reads nothing", ErrUnavailable)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-pub.result:
		return err
	case <-timeout.C:
		return fmt.Errorf("%w: it does not confirm", ErrUnavailable)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// usable returns the line, or why there is none that takes messages.
func (p *publisher) usable() (*line, error) {
	l := p.line.Load()
	if l == nil {
		if err := p.supervisor.down(); err != nil {
			return nil, err
		}
		return nil, errNoConnection
	}
	if why := l.blocked.Load(); why != nil {
		return nil, fmt.Errorf("the broker takes no messages: %s", *why)
	}
	return l, nil
}

// serve makes a line of the connection and works it until the connection is lost.
func (p *publisher) serve(ctx context.Context, conn *amqp.Connection, up func()) error {
	if err := p.prepare(conn); err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	l := &line{
		ch: ch, outgo: make(chan *publishing), gone: make(chan struct{}),
		noQueue: make(chan struct{}, 1), awaiting: make(map[uint64]*publishing),
	}
	closes := ch.NotifyClose(make(chan *amqp.Error, 1))
	// Unbuffered: the library hands over one thing after the other in the order in which the broker sent them, and the
	// broker sends a return before its confirm.
	confirms, returns := ch.NotifyPublish(make(chan amqp.Confirmation)), ch.NotifyReturn(make(chan amqp.Return))
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking))
	var settling sync.WaitGroup
	settling.Go(func() { l.settle(confirms, returns, blocked) })

	p.line.Store(l)
	up()
	err = l.write(ctx, closes)
	p.line.Store(nil)
	close(l.gone)
	_ = conn.CloseDeadline(time.Now().Add(closeTimeout)) //nolint:forbidigo // a deadline of the socket; ends settle
	settling.Wait()
	l.abandon("the connection was lost before it confirmed")
	return err
}

// write sends what comes until the line is broken.
func (l *line) write(ctx context.Context, closes <-chan *amqp.Error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-closes:
			if err == nil {
				return errors.New("the channel was closed")
			}
			return err
		case <-l.noQueue:
			return errQueueGone
		case pub := <-l.outgo:
			l.mu.Lock()
			l.awaiting[l.ch.GetNextPublishSeqNo()] = pub
			l.mu.Unlock()
			if err := l.ch.PublishWithContext(context.Background(), pub.exchange, pub.key, true, false, pub.message); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
	}
}

// settle tells callers how their messages fared, until the library closes the channels.
func (l *line) settle(confirms <-chan amqp.Confirmation, returns <-chan amqp.Return, blocked <-chan amqp.Blocking) {
	unroutable := make(map[string]bool) // by message id: between return and confirm
	for confirms != nil || returns != nil || blocked != nil {
		select {
		case c, ok := <-confirms:
			if !ok {
				confirms = nil
				continue
			}
			l.confirm(c, unroutable)
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			unroutable[r.MessageId] = true
		case b, ok := <-blocked:
			switch {
			case !ok:
				blocked = nil
			case b.Active:
				l.blocked.Store(&b.Reason)
				l.abandon("it takes no messages: " + b.Reason)
			default:
				l.blocked.Store(nil)
			}
		}
	}
}

func (l *line) confirm(c amqp.Confirmation, unroutable map[string]bool) {
	l.mu.Lock()
	pub := l.awaiting[c.DeliveryTag]
	delete(l.awaiting, c.DeliveryTag)
	l.mu.Unlock()
	if pub == nil {
		return
	}
	switch id := pub.message.MessageId; {
	case unroutable[id]:
		delete(unroutable, id)
		pub.result <- ErrUnroutable
		select {
		case l.noQueue <- struct{}{}:
		default:
		}
	case !c.Ack:
		pub.result <- fmt.Errorf("%w: it refused the message", ErrUnavailable)
	default:
		pub.result <- nil
	}
}

// abandon tells those that still wait that they need not.
func (l *line) abandon(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, pub := range l.awaiting {
		pub.result <- fmt.Errorf("%w: %s", ErrUnavailable, why)
	}
	clear(l.awaiting)
}
