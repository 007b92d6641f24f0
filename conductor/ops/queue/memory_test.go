package queue_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newMemory(t testing.TB) queue.Queue {
	q := queue.NewMemory()
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return q
}

func TestMemory(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queue.Queue { return newMemory(t) })
}

func TestMemoryRingsOnceForWhatWaitsAndInTurn(t *testing.T) {
	q := newMemory(t)
	a, b := uuid.NewString(), uuid.NewString()
	for _, m := range []queue.Message{{a, "r1"}, {b, "r2"}, {a, "r3"}, {b, "r4"}} {
		if err := q.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	var got []queue.Message
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := q.Consume(ctx, 1, func(_ context.Context, m queue.Message) error {
		got = append(got, m)
		switch len(got) {
		case 1: // its handler has begun: ringing again is for a change that it may not see
			return errors.Join(q.Publish(t.Context(), queue.Message{OperationID: a, RequestID: "r5"}), queue.ErrRequeue)
		case 3:
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The requeued one finds that it is being rung for already.
	want := []queue.Message{{a, "r1"}, {b, "r2"}, {a, "r5"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}
