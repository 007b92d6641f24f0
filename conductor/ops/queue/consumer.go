package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"
)

const consumerTag = "jeroboam"

// consumer is one Consume, over all its connections.
type consumer struct {
	log      *zap.Logger
	queue    string
	prefetch int
	handle   func(context.Context, Message) error
	slots    chan struct{}  // one per running handler: after a reconnect old ones may still run
	handlers sync.WaitGroup // those running
}

// serve hands out deliveries until the connection is lost or ctx ends.
func (c *consumer) serve(ctx context.Context, conn *amqp.Connection, up func()) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	if err := declare(ch, c.queue); err != nil {
		return err
	}
	if err := ch.Qos(c.prefetch, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	closes := ch.NotifyClose(make(chan *amqp.Error, 1))
	// Not ctx: at its end the library would wait for the broker to agree, and drop deliveries it has not handed over.
	deliveries, err := ch.ConsumeWithContext(context.Background(), c.queue, consumerTag, false, false, false, false, nil)
	if e := (*amqp.Error)(nil); errors.As(err, &e) && e.Code == amqp.NotFound {
		return errQueueGone // since it was declared
	}
	if err != nil {
		return fmt.Errorf("consume from queue %q: %w", c.queue, err)
	}
	up()
	for {
		select {
		case <-ctx.Done():
			return c.stop(ctx, ch)
		case d, ok := <-deliveries:
			if !ok {
				return lost(closes)
			}
			select {
			case c.slots <- struct{}{}:
			case <-ctx.Done():
				return c.stop(ctx, ch)
			}
			c.handlers.Go(func() {
				defer func() { <-c.slots }()
				c.deliver(ctx, d)
			})
		}
	}
}

// stop lets the handlers that run settle their messages on the connection that they came from. Whatever else was
// delivered goes back to the queue when that is closed.
func (c *consumer) stop(ctx context.Context, ch *amqp.Channel) error {
	if err := ch.Cancel(consumerTag, true); err != nil {
		c.log.Debug("the consumer could not be cancelled", zap.Error(err))
	}
	c.handlers.Wait()
	return ctx.Err()
}

// lost tells why there are no more deliveries.
func lost(closes <-chan *amqp.Error) error {
	select {
	case err := <-closes:
		if err != nil {
			return err
		}
	default:
	}
	return errQueueGone
}

// deliver calls the handler and settles the message.
func (c *consumer) deliver(ctx context.Context, d amqp.Delivery) {
	m, err := decode(&d)
	v := reject
	if err == nil {
		err = c.handle(ctx, m)
		v = judge(ctx, err)
	}
	log := c.log.With(zap.String("operation_id", m.OperationID), zap.String("request_id", m.RequestID))
	if v == reject {
		log.Warn("a message goes to the dead letters", zap.Error(err))
	}
	if err := settle(d, v); err != nil {
		// The broker delivers it again: it knows nothing of what happened here.
		log.Debug("a message could not be settled", zap.String("verdict", string(v)), zap.Error(err))
	}
}

func settle(d amqp.Delivery, v verdict) error {
	if v == ack {
		return d.Ack(false)
	}
	return d.Nack(false, v == requeue)
}
