package engine

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// locked is a keeper of secrets that gives none away while it says why.
type locked struct {
	certmanager.Manager
	why atomic.Pointer[error]
}

func (l *locked) Get(ctx context.Context, o certmanager.Owner, ref string) (pki.Bundle, error) {
	if why := l.why.Load(); why != nil {
		return pki.Bundle{}, *why
	}
	return l.Manager.Get(ctx, o, ref)
}

// TestSecretsThatCannotBeRead: an operation whose cluster's password is not to be had says so, waits, goes on when it is to
// be had again, ends when it is not for too long, and stands in the way of no cancel and no delete.
func TestSecretsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	keeper := &locked{Manager: b.rows()}
	b.secrets = keeper
	c := b.conductor("one")
	b.run(c)
	id := b.completed(order{name: "dev", masters: 1, workers: 1})
	gone := errors.New("the key manager is away")
	lock := func(kind ops.Kind, group string, change func(*db.NodeGroup)) string {
		keeper.why.Store(&gone)
		op := b.requestWith(id, kind, group, change, nil)
		testenv.Eventually(t, eventually, "an event of what it waits for", func() bool {
			l, err := b.store.Events(context.Background(), id, db.EventFilter{OperationUUID: op, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range l {
				if strings.Contains(e.Message, gone.Error()) {
					return true
				}
			}
			return false
		})
		return op
	}

	lock(ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 2 })
	keeper.why.Store(nil)
	b.reaches(id, ops.UpdateComplete)

	lock(ops.ClusterRepair, "", nil)
	err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
		s.Operations[0].CancelRequested = true
		s.Wake(s.Operations[0])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if v := b.reaches(id, ops.UpdateFailed); v.StatusReason == nil || !strings.Contains(*v.StatusReason, "cancelled") {
		t.Errorf("after the cancel: %s", brief(v))
	}

	lock(ops.ClusterRepair, "", nil)
	hurry(t, c, 600)
	if v := b.reaches(id, ops.UpdateFailed); v.StatusReason == nil || !strings.Contains(*v.StatusReason, gone.Error()) {
		t.Errorf("after too long: %s", brief(v))
	}
	keeper.why.Store(nil)
	b.deleted(id)
}

// TestAPasswordThatIsLost is replaced by the rotation that is there for it.
func TestAPasswordThatIsLost(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 0})
	v, user := b.view(id), b.recorded(id, drivers.KindUser)
	if err := b.rows().Delete(context.Background(), owner(v), ops.SecretCredential, v.SecretRefs[ops.SecretCredential]); err != nil {
		t.Fatal(err)
	}
	b.request(id, ops.ClusterRotateCredential, "", nil)
	b.reaches(id, ops.UpdateComplete)
	if now := b.recorded(id, drivers.KindUser); len(now) != 1 || now[0].CloudID == user[0].CloudID {
		t.Errorf("users %v, before %v", now, user)
	}
	b.deleted(id)
}

// TestAKindOfANewerVersion is left, unplanned, to a conductor that knows it, and fails when none comes.
func TestAKindOfANewerVersion(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	c := b.conductor("one")
	b.run(c)
	id := b.completed(order{name: "dev", masters: 1, workers: 0})
	op := b.requestWith(id, "cluster.paint", "", nil, nil)
	var o *db.Operation
	testenv.Eventually(t, eventually, "the operation to be looked at several times", func() bool {
		var err error
		if o, err = b.store.Operation(context.Background(), op); err != nil {
			t.Fatal(err)
		}
		return o.Epoch > 3
	})
	if !o.Active() || len(o.State) > len("{}") {
		t.Errorf("it is %s, in state %s", o.Status, o.State)
	}
	hurry(t, c, 3600)
	b.reaches(id, ops.UpdateFailed)
}
