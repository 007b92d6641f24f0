package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Topology is what other programs listen to: one exchange, and for each key a queue of that name.
type Topology struct {
	Exchange string
	Keys     []string
	// Durable, AutoDelete and Arguments are of what is made where it is not there yet. What is there is used as it is.
	Durable, AutoDelete bool
	Arguments           map[string]any // of the queues
}

// Topics publishes to other programs, over a connection of its own. It is safe for concurrent use.
type Topics struct {
	cfg       Config
	topology  Topology
	publisher *publisher
}

// NewTopics refuses what can never work: the URL, the files of TLS. There is no connection before Run.
func NewTopics(cfg Config, t Topology) (*Topics, error) {
	cfg, to, err := cfg.check()
	if err != nil {
		return nil, err
	}
	return &Topics{cfg: cfg, topology: t, publisher: &publisher{supervisor: newSupervisor(cfg, to, "notifications"), prepare: t.declare}}, nil
}

// Run keeps a connection until ctx ends.
func (t *Topics) Run(ctx context.Context) { t.publisher.supervisor.run(ctx, t.publisher.serve) }

// Publish hands a JSON document to the broker for the queue of a key. It returns nil only when the broker has confirmed
// that it is there. After an error it may be there all the same. While the broker is away it returns ErrUnavailable at once.
func (t *Topics) Publish(ctx context.Context, key string, document []byte) error {
	if !slices.Contains(t.topology.Keys, key) {
		return fmt.Errorf("publish to %q: there is no such key", key)
	}
	m := amqp.Publishing{ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Persistent, AppId: "jeroboam", Body: document}
	if err := t.publisher.publish(ctx, t.topology.Exchange, key, m); err != nil {
		return fmt.Errorf("publish to %q: %w", key, err)
	}
	return nil
}

// Healthy tells why documents cannot go through at present, or nil.
func (t *Topics) Healthy() error {
	_, err := t.publisher.usable()
	return err
}

// declare makes exchange and queues where they are not there, and binds them, so that what is published before somebody
// listens is kept for him. Whoever listens may have made them first, durable or not: both will do.
func (t Topology) declare(conn *amqp.Connection) error {
	err := declareMissing(conn, "exchange", t.Exchange,
		func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(t.Exchange, amqp.ExchangeTopic, t.Durable, t.AutoDelete, false, false, nil)
		},
		func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(t.Exchange, amqp.ExchangeTopic, t.Durable, t.AutoDelete, false, false, nil)
		})
	for _, key := range t.Keys {
		if err != nil {
			return err
		}
		err = declareMissing(conn, "queue", key,
			func(ch *amqp.Channel) error {
				_, err := ch.QueueDeclarePassive(key, t.Durable, t.AutoDelete, false, false, nil)
				return err
			},
			func(ch *amqp.Channel) error {
				_, err := ch.QueueDeclare(key, t.Durable, t.AutoDelete, false, false, t.Arguments)
				return err
			})
		if err == nil {
			err = t.bind(conn, key)
		}
	}
	return err
}

// declareMissing asks whether something is there, and makes it when it is not. Asking in vain costs the channel.
func declareMissing(conn *amqp.Connection, what, name string, ask, make func(*amqp.Channel) error) error {
	err := onChannel(conn, ask)
	if e := (*amqp.Error)(nil); errors.As(err, &e) && e.Code == amqp.NotFound {
		err = onChannel(conn, make)
	}
	if err != nil {
		return fmt.Errorf("declare %s %q: %w", what, name, err)
	}
	return nil
}

func (t Topology) bind(conn *amqp.Connection, key string) error {
	if err := onChannel(conn, func(ch *amqp.Channel) error { return ch.QueueBind(key, key, t.Exchange, false, nil) }); err != nil {
		return fmt.Errorf("bind queue %q to exchange %q: %w", key, t.Exchange, err)
	}
	return nil
}

// onChannel does something on a channel of its own.
func onChannel(conn *amqp.Connection, do func(*amqp.Channel) error) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { _ = ch.Close() }()
	return do(ch)
}
