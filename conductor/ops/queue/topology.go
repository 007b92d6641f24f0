package queue

import (
	"encoding/json"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// maxDead bounds the dead letters, of which the oldest go first: they are for people to look at.
const maxDead = 10_000

// declare makes the queues where they are not there yet:
//
//	default exchange ─► name ──(rejected, or delivered too often)──► exchange name.dead ─► name.dead
//
// Both are quorum queues. Dead letters are handed over at least once, which needs a queue that refuses rather than
// drops what it has no room for. Every connection declares: the broker may have lost everything since the last one.
func declare(ch *amqp.Channel, name string) error {
	dead := deadName(name)
	if err := ch.ExchangeDeclare(dead, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		return declareError("exchange", dead, err)
	}
	parking := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.QueueMaxLenArg: maxDead}
	if _, err := ch.QueueDeclare(dead, true, false, false, false, parking); err != nil {
		return declareError("queue", dead, err)
	}
	if err := ch.QueueBind(dead, dead, dead, false, nil); err != nil {
		return fmt.Errorf("bind queue %q: %w", dead, err)
	}
	if _, err := ch.QueueDeclare(name, true, false, false, false, arguments(name)); err != nil {
		return declareError("queue", name, err)
	}
	return nil
}

func deadName(name string) string { return name + ".dead" }

func arguments(name string) amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
		amqp.QueueOverflowArg:       amqp.QueueOverflowRejectPublish,
		"x-delivery-limit":          DeliveryLimit,
		"x-dead-letter-exchange":    deadName(name),
		"x-dead-letter-routing-key": deadName(name),
		"x-dead-letter-strategy":    "at-least-once",
	}
}

func declareError(what, name string, err error) error {
	if e := (*amqp.Error)(nil); errors.As(err, &e) && e.Code == amqp.PreconditionFailed {
		return fmt.Errorf("%s %q is there, but was made with other settings; delete it, and it is made anew: %w", what, name, err)
	}
	return fmt.Errorf("declare %s %q: %w", what, name, err)
}

const requestIDHeader = "request_id"

type body struct {
	OperationID string `json:"operation_id"`
}

// encode makes the message of the wire.
func encode(m Message) (amqp.Publishing, error) {
	raw, err := json.Marshal(body{OperationID: m.OperationID})
	if err != nil {
		return amqp.Publishing{}, err
	}
	p := amqp.Publishing{ContentType: "application/json", DeliveryMode: amqp.Persistent, AppId: "jeroboam", Body: raw}
	if m.RequestID != "" {
		p.Headers = amqp.Table{requestIDHeader: m.RequestID}
	}
	return p, nil
}

func decode(d *amqp.Delivery) (Message, error) {
	var b body
	if err := json.Unmarshal(d.Body, &b); err != nil {
		return Message{}, fmt.Errorf("decode message: %w", err)
	}
	m := Message{OperationID: b.OperationID}
	m.RequestID, _ = d.Headers[requestIDHeader].(string)
	return m, m.validate()
}
