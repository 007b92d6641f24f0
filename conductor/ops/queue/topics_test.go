package queue_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// topology names an exchange and queues that no other test has, and that go with the test.
func topology(t testing.TB) queue.Topology {
	id := uuid.NewString()
	top := queue.Topology{Exchange: "test." + id, Keys: []string{"test." + id + ".info", "test." + id + ".error"}}
	t.Cleanup(func() {
		ch := channel(t, testenv.Require(t, testenv.RabbitMQURL))
		for _, key := range top.Keys {
			if _, err := ch.QueueDelete(key, false, false, false); err != nil {
				t.Errorf("delete queue: %v", err)
			}
		}
		if err := ch.ExchangeDelete(top.Exchange, false, false); err != nil {
			t.Errorf("delete exchange: %v", err)
		}
	})
	return top
}

// topics runs until the end of the test.
func topics(t testing.TB, cfg queue.Config, top queue.Topology) *queue.Topics {
	t.Helper()
	cfg.RetryMin, cfg.RetryMax = 20*time.Millisecond, 200*time.Millisecond
	x, err := queue.NewTopics(cfg, top)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { x.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return x
}

func connected(t testing.TB, x *queue.Topics) {
	t.Helper()
	eventually(t, "the connection", func() bool { return x.Healthy() == nil })
}

// next takes a document from a queue.
func next(t testing.TB, ch *amqp.Channel, key string) string {
	t.Helper()
	d, ok, err := ch.Get(key, true)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return ""
	}
	if d.ContentType != "application/json" || d.ContentEncoding != "utf-8" || d.DeliveryMode != amqp.Persistent {
		t.Errorf("a document of type %q in %q, delivered by mode %d", d.ContentType, d.ContentEncoding, d.DeliveryMode)
	}
	return string(d.Body)
}

// TestTopicsKeepWhatNobodyListensTo, and use what others have made as it is.
func TestTopicsKeepWhatNobodyListensTo(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	for _, tc := range []struct {
		name   string
		others func(ch *amqp.Channel, top queue.Topology) error
		change func(*queue.Topology)
	}{
		{"nothing is there", nil, nil},
		{"nothing is there, and it shall be durable", nil, func(top *queue.Topology) { top.Durable = true }},
		{"nothing is there, and it shall be a quorum queue", nil, func(top *queue.Topology) {
			top.Durable, top.Arguments = true, map[string]any{"x-queue-type": "quorum", "x-delivery-limit": 7}
		}},
		{"a durable exchange", func(ch *amqp.Channel, top queue.Topology) error {
			return ch.ExchangeDeclare(top.Exchange, "topic", true, false, false, false, nil)
		}, nil},
		{"a durable queue", func(ch *amqp.Channel, top queue.Topology) error {
			_, err := ch.QueueDeclare(top.Keys[0], true, false, false, false, nil)
			return err
		}, nil},
		{"a quorum queue", func(ch *amqp.Channel, top queue.Topology) error {
			_, err := ch.QueueDeclare(top.Keys[0], true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
			return err
		}, nil},
		{"a queue that is not durable, and shall be", func(ch *amqp.Channel, top queue.Topology) error {
			_, err := ch.QueueDeclare(top.Keys[0], false, false, false, false, nil)
			return err
		}, func(top *queue.Topology) { top.Durable = true }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			top := topology(t)
			if tc.change != nil {
				tc.change(&top)
			}
			ch := channel(t, url)
			if tc.others != nil {
				if err := tc.others(ch, top); err != nil {
					t.Fatal(err)
				}
			}
			x := topics(t, queue.Config{TransportURL: url}, top)
			connected(t, x)
			var got []string
			for _, key := range top.Keys {
				if err := x.Publish(t.Context(), key, []byte(`"`+key+`"`)); err != nil {
					t.Fatal(err)
				}
				got = append(got, next(t, ch, key), next(t, ch, key))
			}
			if diff := cmp.Diff([]string{`"` + top.Keys[0] + `"`, "", `"` + top.Keys[1] + `"`, ""}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tc.change == nil || tc.others != nil {
				return
			}
			if _, err := channel(t, url).QueueDeclare(top.Keys[0], top.Durable, false, false, false, top.Arguments); err != nil { // as oslo.messaging would
				t.Errorf("it was made in another way: %v", err)
			}
		})
	}
}

func TestTopicsTellOfAQueueThatWasDeletedAndMakeItAnew(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	top := topology(t)
	x := topics(t, queue.Config{TransportURL: url}, top)
	connected(t, x)
	ch := channel(t, url)
	if _, err := ch.QueueDelete(top.Keys[0], false, false, false); err != nil {
		t.Fatal(err)
	}
	if err := x.Publish(t.Context(), top.Keys[0], []byte("1")); !errors.Is(err, queue.ErrUnroutable) {
		t.Errorf("publish: %v, want %v", err, queue.ErrUnroutable)
	}
	eventually(t, "the queue to be there", func() bool { return x.Publish(t.Context(), top.Keys[0], []byte("2")) == nil })
	if got := next(t, ch, top.Keys[0]); got != "2" {
		t.Errorf("%q is in the queue", got)
	}
}

func TestTopicsComeBack(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	p := newProxy(t, url)
	top := topology(t)
	x := topics(t, queue.Config{TransportURL: p.url(url)}, top)
	if err := x.Publish(t.Context(), "another.info", []byte("1")); err == nil || errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("publish to a key that there is not: %v", err)
	}
	for range 3 {
		connected(t, x)
		p.cut()
		eventually(t, "a document to go through", func() bool {
			err := x.Publish(t.Context(), top.Keys[1], []byte("1"))
			if err != nil && !errors.Is(err, queue.ErrUnavailable) {
				t.Errorf("publish: %v", err)
			}
			return err == nil
		})
	}
}

func TestTopicsRefuseWhatCanNeverWork(t *testing.T) {
	if _, err := queue.NewTopics(queue.Config{TransportURL: "kafka://u:s3cret@h"}, queue.Topology{}); err == nil || !cmp.Equal(err.Error(), `transport_url: scheme "kafka" is not one of rabbit, amqp, amqps`) {
		t.Errorf("%v", err)
	}
}
