package conductor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestMain looks for what was left running for longer than goleak does by itself: a busy machine takes its time to end it.
func TestMain(m *testing.M) {
	code := m.Run()
	var err error
	for range 10 {
		if err = goleak.Find(); code != 0 || err == nil {
			os.Exit(code)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// advancer plays an operation of a number of slices.
type advancer struct {
	store  *db.Store
	slices int64
	ran    atomic.Int64
	during func(ctx context.Context, op *db.Operation) // while a slice runs
}

func (a *advancer) Advance(ctx context.Context, op *db.Operation) (cluster.Verdict, error) {
	n := a.ran.Add(1)
	if a.during != nil {
		a.during(ctx, op)
	}
	if ctx.Err() != nil {
		return cluster.Verdict{}, context.Cause(ctx)
	}
	if n < a.slices {
		return cluster.Verdict{}, a.store.Park(ctx, op, time.Millisecond, db.RawJSON(`{}`))
	}
	op.Status = db.OpComplete
	err := a.store.Record(ctx, op, func(s *db.Snapshot) error { s.Cluster.Status = "CREATE_COMPLETE"; return nil })
	return cluster.Verdict{Ended: true, Woken: op.Woken}, err
}

func newOperation(t *testing.T, s *db.Store) *db.Operation {
	t.Helper()
	c := &db.Cluster{UUID: uuid.NewString(), ProjectID: "p", Name: "c", ClusterTemplateID: dbtest.Template(t, s, "p"), CreatedAt: time.Now()}
	op := &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, Kind: "cluster.create", Scope: db.ScopeCluster, Status: db.OpPending}
	if err := s.CreateCluster(context.Background(), c, nil, op, 100); err != nil {
		t.Fatal(err)
	}
	return op
}

func newConductor(s *db.Store, q queue.Queue, a Advancer, owner string, lease time.Duration) *Conductor {
	return &Conductor{Config: Config{Workers: 4, Lease: lease, SweepInterval: 20 * time.Millisecond, RingAgain: 200 * time.Millisecond},
		Host: owner, Owner: owner, Store: s, Queue: q, Executor: a, Log: zap.NewNop()}
}

// run starts conductors and stops them with the test.
func run(t *testing.T, l ...*Conductor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, c := range l {
		wg.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Errorf("conductor %s: %v", c.Owner, err)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

func ended(t *testing.T, s *db.Store, op *db.Operation) func() bool {
	return func() bool {
		o, err := s.Operation(context.Background(), op.UUID)
		if err != nil {
			t.Fatal(err)
		}
		return !o.Active()
	}
}

func TestAnOperationIsCarriedOut(t *testing.T) {
	for name, ring := range map[string]bool{"by its message": true, "by the sweeper, when the message was lost": false} {
		t.Run(name, func(t *testing.T) {
			s, q := dbtest.SQLite(t), queue.NewMemory()
			a := &advancer{store: s, slices: 5}
			op := newOperation(t, s)
			run(t, newConductor(s, q, a, "one", time.Minute), newConductor(s, q, a, "two", time.Minute))
			if ring {
				if err := q.Publish(context.Background(), queue.Message{OperationID: op.UUID}); err != nil {
					t.Fatal(err)
				}
			}
			testenv.Eventually(t, 20*time.Second, "the operation to end", ended(t, s, op))
			if n := a.ran.Load(); n != 5 {
				t.Errorf("%d slices ran, want 5", n)
			}
		})
	}
}

// mute is a queue whose broker is away.
type mute struct{ queue.Queue }

func (mute) Publish(context.Context, queue.Message) error { return queue.ErrUnavailable }

// TestWorkGoesOnWithoutTheBroker: what is due is found in the database, by one of the conductors each time.
func TestWorkGoesOnWithoutTheBroker(t *testing.T) {
	s, q := dbtest.SQLite(t), mute{queue.NewMemory()}
	a := &advancer{store: s, slices: 5}
	op := newOperation(t, s)
	run(t, newConductor(s, q, a, "one", time.Minute), newConductor(s, q, a, "two", time.Minute))
	testenv.Eventually(t, 20*time.Second, "the operation to end", ended(t, s, op))
	if n := a.ran.Load(); n != 5 {
		t.Errorf("%d slices ran, want 5", n)
	}
}

func TestALostLeaseStopsTheSlice(t *testing.T) {
	s, q := dbtest.SQLite(t), queue.NewMemory()
	op := newOperation(t, s)
	stopped := make(chan struct{})
	a := &advancer{store: s, slices: 1}
	a.during = func(ctx context.Context, _ *db.Operation) {
		if a.ran.Load() > 1 {
			return // the second owner finishes
		}
		if err := s.Exec(ctx, "UPDATE operation SET owner = 'thief', epoch = epoch + 1, lease_expires_at = 1"); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), db.ErrFenced) {
			t.Errorf("stopped for %v", context.Cause(ctx))
		}
		close(stopped)
	}
	run(t, newConductor(s, q, a, "one", 300*time.Millisecond))
	if err := q.Publish(context.Background(), queue.Message{OperationID: op.UUID}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-stopped:
	case <-time.After(20 * time.Second):
		t.Fatal("the slice went on")
	}
	testenv.Eventually(t, 20*time.Second, "the operation to be taken over and ended", ended(t, s, op))
}

// TestASilentDatabaseStopsTheSlice: one that does not answer keeps nobody at work whose lease has run out meanwhile.
func TestASilentDatabaseStopsTheSlice(t *testing.T) {
	const lease = 3 * time.Second
	s, q := dbtest.SQLite(t), queue.NewMemory()
	op := newOperation(t, s)
	stopped, release := make(chan time.Duration, 1), make(chan struct{})
	a := &advancer{store: s, slices: 1}
	a.during = func(ctx context.Context, _ *db.Operation) {
		if a.ran.Load() > 1 {
			return
		}
		began, silent := time.Now(), make(chan error)
		go func() {
			silent <- s.ChangeCluster(context.Background(), op.ClusterUUID, func(*db.Snapshot) error { <-release; return nil }) // holds SQLite's only connection
		}()
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
		}
		stopped <- time.Since(began)
		close(release)
		if err := <-silent; err != nil {
			t.Error(err)
		}
	}
	run(t, newConductor(s, q, a, "one", lease))
	if err := q.Publish(context.Background(), queue.Message{OperationID: op.UUID}); err != nil {
		t.Fatal(err)
	}
	if after := <-stopped; after > lease {
		t.Errorf("the slice went on for %s, and its lease was over after %s", after, lease)
	}
	testenv.Eventually(t, 20*time.Second, "the operation to be taken over and ended", ended(t, s, op))
}

func TestStoppingFinishesTheSlice(t *testing.T) {
	s, q := dbtest.SQLite(t), queue.NewMemory()
	op := newOperation(t, s)
	begun, release := make(chan struct{}), make(chan struct{})
	a := &advancer{store: s, slices: 2, during: func(context.Context, *db.Operation) { close(begun); <-release }}
	stop := run(t, newConductor(s, q, a, "one", time.Minute))
	if err := q.Publish(context.Background(), queue.Message{OperationID: op.UUID}); err != nil {
		t.Fatal(err)
	}
	<-begun
	done := make(chan struct{})
	go func() { stop(); close(done) }()
	close(release)
	<-done
	o, err := s.Operation(context.Background(), op.UUID)
	if err != nil || o.Owner != "" || !o.Active() {
		t.Errorf("after the stop the lease is not given back: %+v, %v", o, err)
	}
}

// TestAStopTakesNothing: what is delivered to a conductor that stops goes to another one, at once.
func TestAStopTakesNothing(t *testing.T) {
	s := dbtest.SQLite(t)
	c, op := newConductor(s, nil, &advancer{store: s, slices: 1}, "one", time.Minute), newOperation(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	slots := make(chan struct{}, 1)
	for range 20 {
		if err := c.handle(ctx, slots, queue.Message{OperationID: op.UUID}); !errors.Is(err, queue.ErrRequeue) {
			t.Fatalf("answer %v", err)
		}
	}
	if o, err := s.Operation(context.Background(), op.UUID); err != nil || o.Epoch != 0 || len(slots) != 0 {
		t.Errorf("%+v, %v, %d slots taken", o, err, len(slots))
	}
}

func TestMessagesForNothingAreHarmless(t *testing.T) {
	s, q := dbtest.SQLite(t), queue.NewMemory()
	a := &advancer{store: s, slices: 1}
	c := newConductor(s, q, a, "one", time.Minute)
	op := newOperation(t, s)
	for _, id := range []string{uuid.NewString(), op.UUID, op.UUID, op.UUID} {
		if err := c.ProcessOne(context.Background(), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if n := a.ran.Load(); n != 1 {
		t.Errorf("%d slices ran, want 1", n)
	}
}

// TestHistoryIsDropped with the first conductor that starts, and never what decisions look back on.
func TestHistoryIsDropped(t *testing.T) {
	s, q := dbtest.SQLite(t), queue.NewMemory()
	ctx, cluster := context.Background(), uuid.NewString()
	for _, age := range []time.Duration{100 * 24 * time.Hour, 3 * 24 * time.Hour, time.Hour} {
		if err := s.AddEvents(ctx, []*db.Event{{ClusterUUID: cluster, Time: time.Now().Add(-age), Level: "info", Message: age.String()}}); err != nil {
			t.Fatal(err)
		}
	}
	left := func(history time.Duration, want int) {
		t.Helper()
		c := newConductor(s, q, nil, "one", time.Minute)
		c.Config.History = history
		stop := run(t, c)
		var l []*db.Event
		testenv.Eventually(t, 20*time.Second, "events to be dropped", func() bool {
			var err error
			if l, err = s.Events(ctx, cluster, db.EventFilter{Limit: 10}); err != nil {
				t.Fatal(err)
			}
			return len(l) == want
		})
		stop()
	}
	left(0, 3)
	left(90*24*time.Hour, 2)
	left(time.Second, 1)
}
