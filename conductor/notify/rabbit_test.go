package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestRabbit: while the broker is away all waits; then it comes in both forms to every topic, by priority.
func TestRabbit(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	s := dbtest.SQLite(t)
	o := newOutbox(t, s)
	exchange := "test." + uuid.NewString()
	cfg := Config{Drivers: []string{"messagingv2", "messaging"}, Topics: []string{exchange + ".a", exchange + ".b"}, MaxAge: time.Hour}
	conn, err := amqp.Dial(strings.Replace(url, "rabbit://", "amqp://", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	keys := topology(cfg, RabbitConfig{}, exchange).Keys
	t.Cleanup(func() {
		for _, key := range keys {
			_, _ = ch.QueueDelete(key, false, false, false)
		}
		_ = ch.ExchangeDelete(exchange, false, false)
	})

	info, failure := o.put(2, "INFO"), o.put(1, "ERROR")
	stop := runAgainst(t, o, cfg, exchange, fmt.Sprintf("rabbit://u:p@127.0.0.1:%d/", testenv.FreePort(t)))
	stop()
	if n := o.left(); n != 3 {
		t.Errorf("%d of 3 wait for the broker", n)
	}
	runAgainst(t, o, cfg, exchange, url)
	testenv.Eventually(t, time.Minute, "everything to be sent", func() bool { return o.left() == 0 })
	want := map[string][]string{}
	for _, topic := range cfg.Topics {
		for _, form := range []string{"2.0 ", "bare "} {
			want[topic+".info"] = append(want[topic+".info"], form+info[0], form+info[1])
			want[topic+".error"] = append(want[topic+".error"], form+failure[0])
		}
	}
	got := map[string][]string{}
	for _, key := range keys {
		got[key] = received(t, ch, key)
	}
	sorted := cmp.Transformer("sorted", func(l []string) map[string]int {
		out := map[string]int{}
		for _, x := range l {
			out[x]++
		}
		return out
	})
	if diff := cmp.Diff(want, got, sorted); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// runAgainst runs a relay until the end of the test, or earlier.
func runAgainst(t *testing.T, o *outbox, cfg Config, exchange, url string) (stop func()) {
	t.Helper()
	q := queue.Config{TransportURL: url, RetryMin: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond}
	r, err := New(cfg, RabbitConfig{}, q, exchange, o.store, zap.NewNop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(running); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	if !strings.HasPrefix(url, "rabbit://u:p@") {
		return stop
	}
	if n, err := r.ProcessOne(ctx); n != 0 || err != nil {
		t.Errorf("%d were sent to nowhere, %v", n, err)
	}
	return stop
}

// received empties a queue and gives the form and the id of each message.
func received(t *testing.T, ch *amqp.Channel, key string) []string {
	t.Helper()
	var out []string
	for {
		d, ok, err := ch.Get(key, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		form, body := "bare ", d.Body
		var outer map[string]string
		if json.Unmarshal(body, &outer) == nil && outer["oslo.version"] != "" {
			form, body = outer["oslo.version"]+" ", []byte(outer["oslo.message"])
		}
		var m struct {
			MessageID string `json:"message_id"`
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, form+m.MessageID)
	}
}
