package engine

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/conductor/periodic"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// rest asks for the workers to go or to come back, as the API does.
func (b *bed) rest(id string, kind ops.Kind) error {
	b.t.Helper()
	op := uuid.NewString()
	err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
		_, err := ops.RequestRest(s, op, kind)
		return err
	})
	if err == nil {
		b.ring(op)
	}
	return err
}

func (b *bed) counts(id string) (workers int, resume *int) {
	b.t.Helper()
	g, err := b.store.NodeGroup(context.Background(), id, "default-worker")
	if err != nil {
		b.t.Fatal(err)
	}
	return g.NodeCount, g.ResumeCount
}

func TestHibernateAndResume(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 2})
	if err := b.rest(id, ops.ClusterResume); err == nil {
		t.Error("a cluster that is awake is resumed")
	}
	if err := b.rest(id, ops.ClusterHibernate); err != nil {
		t.Fatal(err)
	}
	v := b.reaches(id, ops.UpdateComplete)
	if n, resume := b.counts(id); n != 0 || resume == nil || *resume != 2 || len(b.cloud.Resources(b.project)["server"]) != 1 {
		t.Errorf("%d workers, %v to come back, servers %v", n, resume, b.cloud.Resources(b.project)["server"])
	}
	if v.StatusReason == nil || !strings.Contains(*v.StatusReason, "Resume brings 2 back") {
		t.Errorf("the status says %q", brief(v))
	}
	if err := b.rest(id, ops.ClusterHibernate); err == nil {
		t.Error("a hibernated cluster is hibernated")
	}
	b.look(w)
	if status, reason := b.health(id); status != "HEALTHY" || len(reason) != 2 {
		t.Errorf("while it rests it is %s: %v", status, reason)
	}
	b.quiet(id, "a look at a resting cluster", func() { b.look(w); b.drift(w) })

	if err := b.rest(id, ops.ClusterResume); err != nil {
		t.Fatal(err)
	}
	v = b.reaches(id, ops.UpdateComplete)
	if n, resume := b.counts(id); n != 2 || resume != nil || v.StatusReason != nil || len(b.kubeNodes(v, b.secrets)) != 3 {
		t.Errorf("%d workers, %v to come back, %s\n%s", n, resume, brief(v), b.events(id))
	}
	if err := b.rest(id, ops.ClusterHibernate); err != nil {
		t.Fatal(err)
	}
	b.reaches(id, ops.UpdateComplete)
	b.deleted(id) // as it is
}

// TestTheScheduleIsFollowed: what it asked for last is done once; what is so already is left.
func TestTheScheduleIsFollowed(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 1})
	schedule := func(hibernate, resume []ops.Weekly, since time.Time) {
		t.Helper()
		err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
			s.Cluster.Maintenance, s.Cluster.ScheduledAt = b.json(ops.Maintenance{Hibernate: hibernate, Resume: resume}), &since
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	now, err := b.store.Now(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ago := func(d time.Duration) []ops.Weekly { return []ops.Weekly{{Time: now.Add(-d).Format("15:04")}} }
	b.look(w)
	schedule(ago(2*time.Hour), ago(4*time.Hour), now.Add(-time.Hour))
	b.quiet(id, "a schedule of which nothing is due", func() { b.look(w) })
	schedule(ago(2*time.Hour), ago(4*time.Hour), now.Add(-5*time.Hour))
	b.look(w)
	b.reaches(id, ops.UpdateComplete)
	if n, _ := b.counts(id); n != 0 || b.told(id, "schedule", "hibernating") != 1 {
		t.Fatalf("%d workers\n%s", n, b.events(id))
	}
	b.look(w)
	b.quiet(id, "a schedule that was followed", func() { b.look(w) })
	schedule(ago(4*time.Hour), ago(2*time.Hour), now.Add(-5*time.Hour))
	b.look(w)
	b.reaches(id, ops.UpdateComplete)
	if n, _ := b.counts(id); n != 1 || b.told(id, "schedule", "resuming") != 1 {
		t.Fatalf("%d workers\n%s", n, b.events(id))
	}
	b.deleted(id)
}

// TestOneConductorLooks: of two conductors each look is made by one, and when one is gone the other makes all.
func TestOneConductorLooks(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	one, two := b.conductor("one"), b.conductor("two")
	b.run(one, two)
	id := b.completed(order{name: "dev", masters: 1, workers: 1})
	first, second := b.watcher(one), b.watcher(two)
	first.Health.HealthInterval, second.Health.HealthInterval = time.Hour, time.Hour
	var wg sync.WaitGroup
	var mu sync.Mutex
	looks := 0
	for range 5 {
		for _, w := range []*periodic.Watcher{first, second} {
			wg.Go(func() {
				n, err := w.ProcessHealth(context.Background())
				mu.Lock()
				defer mu.Unlock()
				if looks += n; err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if looks != 1 {
		t.Errorf("%d looks, one was due", looks)
	}
	// The first one takes a look and dies with it: that look is left out, and the next one is the other's.
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	b.due()
	if _, err := first.ProcessHealth(gone); err == nil {
		if n, err := second.ProcessHealth(context.Background()); n != 0 || err != nil {
			t.Errorf("%d looks beside a conductor that has taken it, %v", n, err)
		}
	}
	b.stop(id, b.namesOf(id, "default-worker")[0])
	b.due()
	b.look(second)
	if status, _ := b.health(id); status != "UNHEALTHY" {
		t.Errorf("after the other one took over the cluster is %s", status)
	}
	b.deleted(id)
}

// due makes every look due now.
func (b *bed) due() {
	b.t.Helper()
	if err := b.store.Exec(context.Background(), "UPDATE watch SET health_at = 0"); err != nil {
		b.t.Fatal(err)
	}
}

// TestAnOperationThatWaitedIsCancelled: what ended before it has not called its node groups settled, so that it can be
// asked for again.
func TestAnOperationThatWaitedIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	stop := b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1})
	stop()
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 2 })
	if err := b.rest(id, ops.ClusterHibernate); err != nil {
		t.Fatal(err)
	}
	err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
		for _, o := range s.Operations {
			o.CancelRequested = ops.Kind(o.Kind) == ops.ClusterHibernate
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.run(b.conductor("two"))
	v := b.reaches(id, ops.UpdateFailed)
	for _, g := range v.NodeGroups {
		if want := map[string]string{"default-master": ops.CreateComplete, "default-worker": ops.UpdateFailed}[g.Name]; g.Status != want {
			t.Errorf("%s is %s, want %s\n%s", g.Name, g.Status, want, b.events(id))
		}
	}
	b.deleted(id)
}
