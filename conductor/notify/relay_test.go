package notify

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

var ctx = context.Background()

// outbox writes notifications about one cluster.
type outbox struct {
	t       *testing.T
	store   *db.Store
	cluster string
}

func newOutbox(t *testing.T, s *db.Store) *outbox {
	t.Helper()
	c := &db.Cluster{UUID: uuid.NewString(), ProjectID: "p", Name: "dev", ClusterTemplateID: dbtest.Template(t, s, "p"), CreatedAt: time.Now()}
	op := &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, Kind: "cluster.create", Scope: db.ScopeCluster, Status: db.OpPending, CreatedAt: time.Now()}
	if err := s.CreateCluster(ctx, c, nil, op, 5); err != nil {
		t.Fatal(err)
	}
	return &outbox{t: t, store: s, cluster: c.UUID}
}

// put writes some and gives their UUIDs.
func (o *outbox) put(n int, priority string) []string {
	o.t.Helper()
	var ids []string
	err := o.store.ChangeCluster(ctx, o.cluster, func(s *db.Snapshot) error {
		ids = nil
		for range n {
			x := &db.Notification{UUID: uuid.NewString(), PublisherID: "container-infra.here", EventType: "magnum.cluster.create", Priority: priority,
				Context: db.Strings{"user_id": "u", "request_id": "req-1"}, Payload: db.RawJSON(`{"outcome":"pending"}`)}
			s.Notifications, ids = append(s.Notifications, x), append(ids, x.UUID)
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return ids
}

func (o *outbox) exec(statement string) {
	o.t.Helper()
	if err := o.store.Exec(ctx, statement); err != nil {
		o.t.Fatal(err)
	}
}

// left is how many are still to be sent.
func (o *outbox) left() int {
	o.t.Helper()
	l, err := o.store.Notifications(ctx)
	if err != nil {
		o.t.Fatal(err)
	}
	return len(l)
}

// recorder is a sender that notes what it got.
type recorder struct {
	mu   sync.Mutex
	got  []string
	send func(n *db.Notification) error // nil: all is well
	down error
}

func (r *recorder) Send(_ context.Context, n *db.Notification) error {
	if r.send != nil {
		if err := r.send(n); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, n.UUID)
	return nil
}

func (r *recorder) Healthy() error { return r.down }

func relay(s *db.Store, senders ...Sender) *Relay {
	return &Relay{Store: s, Senders: senders, MaxAge: time.Hour, Now: time.Now, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry())}
}

// counted is what the metrics say of a result.
func counted(t *testing.T, r *Relay, result string) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(r.Metrics.notifications)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == result {
			return m.GetCounter().GetValue()
		}
	}
	t.Fatalf("%s is not counted", result)
	return 0
}

func process(t *testing.T, r *Relay, want int) {
	t.Helper()
	if n, err := r.ProcessOne(ctx); err != nil || n != want {
		t.Fatalf("%d were sent, want %d, %v", n, want, err)
	}
}

func same(t *testing.T, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManyRelaysSendEachOnce: in order where there is one, and each once however many there are.
func TestManyRelaysSendEachOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		o := newOutbox(t, s)
		to := &recorder{}
		want := append(o.put(3, "INFO"), o.put(2, "ERROR")...)
		process(t, relay(s, to), 5)
		same(t, want, to.got)

		want = o.put(2*batch+7, "INFO")
		to = &recorder{}
		var relays sync.WaitGroup
		for range 4 {
			relays.Go(func() {
				r := relay(s, to)
				for range 4 {
					if _, err := r.ProcessOne(ctx); err != nil {
						t.Errorf("sending: %v", err)
					}
				}
			})
		}
		relays.Wait()
		seen := map[string]int{}
		for _, id := range to.got {
			seen[id]++
		}
		for _, id := range want {
			if seen[id] != 1 {
				t.Errorf("%s was sent %d times", id, seen[id])
			}
		}
		if n := o.left(); n != 0 || len(seen) != len(want) {
			t.Errorf("%d of %d were sent, %d are left", len(seen), len(want), n)
		}
	})
}

// TestACrashSendsAgain: who dies between sending and taking out has sent it once too often, with the same id.
func TestACrashSendsAgain(t *testing.T) {
	connection := "sqlite:///" + filepath.Join(t.TempDir(), "test.sqlite")
	open := func() *db.Store {
		t.Helper()
		s, err := db.Open(ctx, db.Config{Connection: connection, MaxPoolSize: 5})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s, dying := open(), open()
	if _, err := s.Upgrade(ctx); err != nil {
		t.Fatal(err)
	}
	o := newOutbox(t, s)
	ids := o.put(2, "INFO")
	first := &recorder{send: func(*db.Notification) error { return dying.Close() }}
	if _, err := relay(dying, first).ProcessOne(ctx); err == nil {
		t.Fatal("the conductor that was to die has taken out what it sent")
	}
	second := &recorder{}
	process(t, relay(s, second), 0)
	o.exec("UPDATE notification SET due_at = 1") // the lease ends
	process(t, relay(s, second), 2)
	same(t, ids, second.got)
	if len(first.got) == 0 || first.got[0] != ids[0] {
		t.Errorf("the first one sent %v", first.got)
	}
	if n := o.left(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// TestWhatCannotBeSentWaits: nothing is lost, nothing stands in the way of the others, and nothing is taken in vain.
func TestWhatCannotBeSentWaits(t *testing.T) {
	s := dbtest.SQLite(t)
	o := newOutbox(t, s)
	ids := o.put(3, "INFO")
	to := &recorder{down: errors.New("the broker is away")}
	r := relay(s, to)
	process(t, r, 0)
	to.down, to.send = nil, func(n *db.Notification) error {
		if n.UUID == ids[0] {
			return errors.New("refused")
		}
		return nil
	}
	process(t, r, 2) // it was not taken before: there is no lease to wait for
	same(t, ids[1:], to.got)
	process(t, r, 0)
	o.exec("UPDATE notification SET due_at = 1")
	to.send = func(*db.Notification) error { to.down = errors.New("gone in between"); return to.down }
	more := o.put(1, "INFO")
	process(t, r, 0)
	to.down, to.send = nil, nil
	o.exec("UPDATE notification SET due_at = id")
	process(t, r, 2)
	same(t, append(ids[1:], ids[0], more[0]), to.got)
	if sent, failed := counted(t, r, resultSent), counted(t, r, resultFailed); sent != 4 || failed != 2 {
		t.Errorf("%v sent and %v failed were counted", sent, failed)
	}
}

// TestSendingEndsBeforeTheLease: what is not sent by then may be somebody else's.
func TestSendingEndsBeforeTheLease(t *testing.T) {
	s := dbtest.SQLite(t)
	o := newOutbox(t, s)
	ids := o.put(3, "INFO")
	now := time.Now()
	to := &recorder{send: func(*db.Notification) error { now = now.Add(sending/2 + time.Second); return nil }}
	r := relay(s, to)
	r.Now = func() time.Time { return now }
	process(t, r, 2)
	same(t, ids[:2], to.got)
	if o.left() != 1 || sending+sendLimit >= lease {
		t.Errorf("%d are left; sending ends after %v, the lease after %v", o.left(), sending+sendLimit, lease)
	}
}

// TestAStopGivesBack: what was taken and not sent is somebody else's at once.
func TestAStopGivesBack(t *testing.T) {
	s := dbtest.SQLite(t)
	o := newOutbox(t, s)
	ids := o.put(3, "INFO")
	stopping, stop := context.WithCancel(ctx)
	to := &recorder{send: func(*db.Notification) error { stop(); return nil }}
	if n, err := relay(s, to).ProcessOne(stopping); n != 1 || err != nil {
		t.Fatalf("%d were sent, %v", n, err)
	}
	heir := &recorder{}
	testenv.Eventually(t, 10*time.Second, "the others to be sent", func() bool { look(t, relay(s, heir)); return len(heir.got) == 2 })
	same(t, ids, append(to.got, heir.got...))
}

func look(t *testing.T, r *Relay) {
	t.Helper()
	if _, err := r.ProcessOne(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestTheTableDoesNotGrowForEver: what nobody takes is dropped, and that is told.
func TestTheTableDoesNotGrowForEver(t *testing.T) {
	s := dbtest.SQLite(t)
	o := newOutbox(t, s)
	o.put(3, "INFO")
	o.exec("UPDATE notification SET created_at = '2026-01-01 00:00:00'")
	o.put(2, "INFO")
	core, logs := observer.New(zap.WarnLevel)
	r := relay(s, &recorder{down: errors.New("away")})
	r.Log = zap.New(core)
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.Run(running) }()
	testenv.Eventually(t, 30*time.Second, "the old ones to be gone", func() bool { return o.left() == 2 })
	testenv.Eventually(t, 30*time.Second, "it to be told", func() bool {
		return logs.Len() == 1 && counted(t, r, resultDropped) == 3
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if line := logs.All()[0]; !strings.Contains(line.Message, "dropped") || line.ContextMap()["count"] != int64(3) {
		t.Errorf("%s %v", line.Message, line.ContextMap())
	}
}
