package queue_test
import ("testing";"go.uber.org/zap/zaptest";"github.com/jeroboam-cloud/jeroboam/internal/testenv";"context";"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue")
func TestDebug(t *testing.T) {
	url := testenv.Require(t, testenv.RabbitMQURL)
	cfg := config(t, url)
	cfg.Log = zaptest.NewLogger(t)
	q := dial(t, cfg)
	got := make(chan queue.Message, 10)
	listen(t, q, 1, func(_ context.Context, m queue.Message) error { t.Log("got", m); got <- m; return nil })
	q.Publish(t.Context(), message())
	receive(t, got)
		if _, err := channel(t, url).QueueDelete(cfg.QueueName, false, false, false); err != nil {
			t.Fatal(err)
		}
	t.Log("removed")
	eventually(t, "the consumer to make the queue anew", func() bool { err :=  q.Publish(t.Context(), message()); t.Log(err); return err == nil })
	receive(t, got)
}
