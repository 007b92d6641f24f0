package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue/queuetest"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

const patience = 60 * time.Second

// config names a queue that no other test has, and that goes with the test.
func config(t testing.TB, url string) queue.Config {
	cfg := queue.Config{TransportURL: url, QueueName: "test." + uuid.NewString(), RetryMin: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond}
	t.Cleanup(func() {
		// Neither through a proxy that is gone, nor with credentials that are wrong on purpose.
		ch := channel(t, testenv.Require(t, testenv.RabbitMQURL))
		for _, name := range []string{cfg.QueueName, cfg.QueueName + ".dead"} {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Errorf("delete queue: %v", err)
			}
		}
		if err := ch.ExchangeDelete(cfg.QueueName+".dead", false, false); err != nil {
			t.Errorf("delete exchange: %v", err)
		}
	})
	return cfg
}

func dial(t testing.TB, cfg queue.Config) *queue.Rabbit {
	t.Helper()
	q, err := queue.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return q
}

// channel speaks with the broker past the queue.
func channel(t testing.TB, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(strings.Replace(url, "rabbit://", "amqp://", 1))
	if err != nil {
		t.Fatalf("connect past the queue: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	testenv.Eventually(t, patience, what, cond)
}

func message() queue.Message { return queue.Message{OperationID: uuid.NewString()} }

// listen hands on what arrives, until the end of the test.
func listen(t testing.TB, q queue.Consumer, prefetch int, handle func(ctx context.Context, m queue.Message) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Consume(ctx, prefetch, handle) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, queue.ErrClosed) {
			t.Errorf("consume: %v", err)
		}
	})
}

func TestRabbit(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	queuetest.Run(t, func(t *testing.T) queue.Queue { return dial(t, config(t, url)) })
}

func TestRabbitOverTLS(t *testing.T) {
	url, ca := testenv.Require(t, testenv.RabbitMQTLSURL), testenv.Require(t, testenv.RabbitMQCAFile)
	t.Run("contract", func(t *testing.T) {
		queuetest.Run(t, func(t *testing.T) queue.Queue {
			cfg := config(t, url)
			cfg.SSLCAFile = ca
			return dial(t, cfg)
		})
	})
	t.Run("a broker that the system's CAs do not know", func(t *testing.T) {
		q := dial(t, queue.Config{TransportURL: url})
		if err := q.Healthy(); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("healthy: %v", err)
		}
	})
}

func TestRabbitLogsAndErrorsHoldNoPassword(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	core, logs := observer.New(zap.DebugLevel)
	secret := parse(t, url)
	password, _ := secret.User.Password()
	for _, tt := range []struct{ name, url, want string }{
		{"a wrong password", strings.Replace(url, password, "s3cret", 1), "username or password not allowed"},
		{"no such virtual host", strings.TrimSuffix(url, "/") + "/nowhere", "nowhere"},
		{"nobody there", fmt.Sprintf("rabbit://u:s3cret@127.0.0.1:%d/", testenv.FreePort(t)), "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := dial(t, queue.Config{TransportURL: tt.url, Log: zap.New(core), RetryMin: time.Hour})
			healthy, published := q.Healthy(), q.Publish(t.Context(), message())
			if !errors.Is(published, queue.ErrUnavailable) {
				t.Errorf("publish: %v, want %v", published, queue.ErrUnavailable)
			}
			for _, err := range []error{healthy, published} {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), password) {
					t.Errorf("got %q, want %q and no password", err, tt.want)
				}
			}
		})
	}
	if logs.Len() < 3 {
		t.Errorf("only %d lines in the log", logs.Len())
	}
	for _, entry := range logs.All() {
		if line := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(line, "s3cret") || strings.Contains(line, password) {
			t.Errorf("the log holds a password: %s", line)
		}
	}
}

func TestRabbitFindsTheHostThatLives(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	userinfo := parse(t, url).User.String()
	dead := fmt.Sprintf("%s@127.0.0.1:%d", userinfo, testenv.FreePort(t))
	hosts := strings.TrimSuffix(strings.TrimPrefix(url, "rabbit://"), "/")
	for range 5 { // it starts at a random one
		q := dial(t, config(t, fmt.Sprintf("rabbit://%s,%s,%s/", dead, dead, hosts)))
		if err := q.Publish(t.Context(), message()); err != nil {
			t.Errorf("publish: %v", err)
		}
	}
}

func TestRabbitNamesTheQueueThatIsInTheWay(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	cfg := config(t, url)
	ch := channel(t, url)
	if _, err := ch.QueueDeclare(cfg.QueueName, true, false, false, false, nil); err != nil { // a classic queue
		t.Fatal(err)
	}
	q := dial(t, cfg)
	err := q.Healthy()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("queue %q is there, but was made with other settings", cfg.QueueName)) {
		t.Errorf("healthy: %v", err)
	}
	if _, err := ch.QueueDelete(cfg.QueueName, false, false, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the queue to be made anew", func() bool { return q.Healthy() == nil })
	if err := q.Publish(t.Context(), message()); err != nil {
		t.Errorf("publish: %v", err)
	}
}

func TestRabbitTellsOfAQueueThatWasDeletedAndMakesItAnew(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	cfg := config(t, url)
	q := dial(t, cfg)
	remove := func() {
		t.Helper()
		if _, err := channel(t, url).QueueDelete(cfg.QueueName, false, false, false); err != nil {
			t.Fatal(err)
		}
	}
	remove()
	if err := q.Publish(t.Context(), message()); !errors.Is(err, queue.ErrUnroutable) {
		t.Errorf("publish: %v, want %v", err, queue.ErrUnroutable)
	}
	eventually(t, "the publisher to make the queue anew", func() bool { return q.Publish(t.Context(), message()) == nil })

	var got [2]atomic.Int64
	for i := range got {
		listen(t, dial(t, cfg), 1, func(context.Context, queue.Message) error { got[i].Add(1); return nil })
	}
	for range 4 {
		for i := range got {
			before := got[i].Load()
			eventually(t, fmt.Sprintf("consumer %d to get messages of the new queue", i), func() bool {
				_ = q.Publish(t.Context(), message())
				return got[i].Load() > before
			})
		}
		remove()
	}
}

func receive[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("waited in vain")
	}
	return v
}

func TestRabbitKeepsDeadLetters(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	cfg := config(t, url)
	core, logs := observer.New(zap.WarnLevel)
	cfg.Log = zap.New(core)
	q := dial(t, cfg)
	rejected := queue.Message{OperationID: uuid.NewString(), RequestID: "req-1"}
	if err := q.Publish(t.Context(), rejected); err != nil {
		t.Fatal(err)
	}
	ch := channel(t, url)
	for _, junk := range []string{"junk", `{"operation_id":"x"}`} {
		if err := ch.PublishWithContext(t.Context(), "", cfg.QueueName, true, false, amqp.Publishing{Body: []byte(junk)}); err != nil {
			t.Fatal(err)
		}
	}
	handled := make(chan queue.Message, 10)
	listen(t, q, 10, func(_ context.Context, m queue.Message) error {
		handled <- m
		return errors.New("no such operation")
	})
	want := map[string]bool{fmt.Sprintf(`{"operation_id":%q}`, rejected.OperationID): true, "junk": true, `{"operation_id":"x"}`: true}
	eventually(t, "the dead letters", func() bool {
		d, ok, err := ch.Get(cfg.QueueName+".dead", true)
		if err != nil {
			t.Fatal(err)
		}
		if ok && !want[string(d.Body)] {
			t.Errorf("a dead letter that nobody sent, or twice: %s", d.Body)
		}
		if ok {
			delete(want, string(d.Body))
		}
		return len(want) == 0
	})
	if m := receive(t, handled); m != rejected || len(handled) != 0 {
		t.Errorf("handled %+v and %d more", m, len(handled))
	}
	if n := logs.FilterField(zap.String("operation_id", rejected.OperationID)).FilterField(zap.String("request_id", "req-1")).Len(); n != 1 {
		t.Errorf("%d lines in the log tell of the rejected message: %v", n, logs.All())
	}
}
