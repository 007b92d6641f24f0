// Package queue is the bell: it tells conductors that there is an operation to look at. The operation itself is in the
// database. Losing a message, or all of them, costs time until the sweeper rings again, and nothing else; getting one
// twice costs a look at the row. So messages carry an id and trace headers only: no token, no payload.
//
// Other programs are told by Topics, which shares the connection's care with the bell and nothing else.
//
// There are two queues: one in process, for the all-in-one and the simulated mode and for tests, and RabbitMQ. What
// both hold to is in package queuetest.
package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Message rings for one operation.
type Message struct {
	OperationID string // a UUID
	RequestID   string // of the API request that made the operation, for the log; may be empty
}

// Publisher rings. It is safe for concurrent use.
type Publisher interface {
	// Publish returns nil only when the queue has taken the message for good (RabbitMQ: the broker has confirmed that a
	// majority of its nodes holds it). After an error the message may still be delivered. It MUST NOT block longer than
	// ctx, and while the broker is away it returns ErrUnavailable at once: the row is the truth, the sweeper rings again.
	Publish(ctx context.Context, m Message) error
}

// Consumer listens. It is safe for concurrent use: several Consumes share the messages.
type Consumer interface {
	// Consume calls handle for every message, for up to prefetch messages at once, and settles the message by the answer:
	//
	//	nil                             ack: the message is gone
	//	an error that is ErrRequeue     it is delivered again, here or elsewhere, until DeliveryLimit is passed
	//	another error                   it goes to the dead letters
	//	any error, after the end of ctx it is delivered again, since stopping is not the message's fault
	//
	// handle gets a context that ends with ctx. It SHOULD answer soon (claim, then answer), MUST be ready to see a message
	// twice, even at the same time, and MUST NOT panic. While the broker is away Consume keeps on trying.
	//
	// It returns nil after ctx has ended, and ErrClosed after Close; both only when no handle is running any more. Any
	// other error says that it could not begin.
	Consume(ctx context.Context, prefetch int, handle func(ctx context.Context, m Message) error) error
}

// Queue is a whole one.
type Queue interface {
	Publisher
	Consumer
	// Healthy tells why messages cannot go through at present, or nil.
	Healthy() error
	// Close ends every Consume, waits for it, and lets go of all connections. It MUST NOT be called by a handler. It may
	// be called twice.
	Close() error
}

// DeliveryLimit is how often a message is delivered again before it goes to the dead letters, so that one that kills
// its conductors cannot go on for ever.
const DeliveryLimit = 20

// MaxPrefetch is the highest prefetch that Consume takes.
const MaxPrefetch = 1000

var (
	// ErrRequeue is what a handler answers when the message should be delivered again.
	ErrRequeue = errors.New("deliver again")
	// ErrUnavailable says that the broker cannot be reached or does not take messages.
	ErrUnavailable = errors.New("the message broker is not available")
	// ErrUnroutable says that the broker has no queue for the message: somebody has deleted it.
	ErrUnroutable = errors.New("the message broker has no queue for the message")
	// ErrClosed says that the queue was closed.
	ErrClosed = errors.New("the queue is closed")
)

func (m Message) validate() error {
	// Only the one form of 36 characters, which the database has too.
	if len(m.OperationID) != 36 || uuid.Validate(m.OperationID) != nil {
		return fmt.Errorf("operation id %.40q is not a UUID", m.OperationID)
	}
	return nil
}

func validatePrefetch(n int) error {
	if n < 1 || n > MaxPrefetch {
		return fmt.Errorf("prefetch %d is not between 1 and %d", n, MaxPrefetch)
	}
	return nil
}

// verdict is what is done with a message after its handler.
type verdict string

const (
	ack     verdict = "ack"
	requeue verdict = "requeue"
	reject  verdict = "reject"
)

// judge applies the contract of Consume to a handler's answer.
func judge(ctx context.Context, err error) verdict {
	switch {
	case err == nil:
		return ack
	case errors.Is(err, ErrRequeue), ctx.Err() != nil:
		return requeue
	}
	return reject
}
