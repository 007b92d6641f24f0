package notify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// Sender brings notifications to where they are read. It MUST be ready to get one twice, and SHOULD then make it known by
// its UUID as the same.
type Sender interface {
	// Send returns nil only when the notification is there for good. After an error it may be there all the same.
	Send(ctx context.Context, n *db.Notification) error
	// Healthy tells why nothing can be sent at present, or nil.
	Healthy() error
}

// priorities that we write.
func priorities() []string { return []string{"info", "error"} }

// topology of RabbitMQ for all that we publish.
func topology(cfg Config, rabbit RabbitConfig, exchange string) queue.Topology {
	t := queue.Topology{Exchange: exchange, Durable: rabbit.Durable || rabbit.Quorum, AutoDelete: rabbit.AutoDelete, Arguments: rabbit.arguments()}
	for _, topic := range cfg.Topics {
		for _, p := range priorities() {
			if key := topic + "." + p; !slices.Contains(t.Keys, key) {
				t.Keys = append(t.Keys, key)
			}
		}
	}
	return t
}

// broker sends to RabbitMQ.
type broker struct {
	to     *queue.Topics
	topics []string
	bare   bool // without envelope
}

func (b broker) Send(ctx context.Context, n *db.Notification) error {
	var errs []error
	for _, topic := range b.topics {
		document, err := encode(n, uuid.NewString())
		if err == nil && !b.bare {
			document, err = envelope(document)
		}
		if err == nil {
			err = b.to.Publish(ctx, topic+"."+strings.ToLower(n.Priority), document)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (b broker) Healthy() error { return b.to.Healthy() }

// logger sends to our own log.
type logger struct{ log *zap.Logger }

func (l logger) Send(_ context.Context, n *db.Notification) error {
	level := zap.InfoLevel
	if n.Priority == "ERROR" {
		level = zap.ErrorLevel
	}
	l.log.Log(level, "notification", zap.String("event_type", n.EventType), zap.String("message_id", n.UUID), zap.String("publisher_id", n.PublisherID), zap.ByteString("payload", n.Payload))
	return nil
}

func (logger) Healthy() error { return nil }
