package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/db/dbtest"
)

var ctx = context.Background()

const ttl = time.Minute

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// newCluster stores a cluster with its two groups and the operation that makes it.
func newCluster(t *testing.T, s *db.Store, project, name string, limit int) (*db.Cluster, *db.Operation, error) {
	t.Helper()
	c := &db.Cluster{UUID: uuid.NewString(), ProjectID: project, UserID: "u", Name: name, ClusterTemplateID: dbtest.Template(t, s, project), StackID: name + "-x", Labels: db.Strings{"a": "1"}, Status: "CREATE_IN_PROGRESS", CreatedAt: now()}
	groups := []*db.NodeGroup{
		{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: project, Name: "default-master", Role: db.RoleMaster, NodeCount: 3, IsDefault: true, CreatedAt: now()},
		{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: project, Name: "default-worker", Role: db.RoleWorker, NodeCount: 2, IsDefault: true, CreatedAt: now(), NodeTaints: db.Taints{{Key: "k", Effect: "NoSchedule"}}},
	}
	op := &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: project, Kind: "cluster.create", Scope: db.ScopeCluster, Status: db.OpPending, CreatedAt: now()}
	return c, op, s.CreateCluster(ctx, c, groups, op, limit)
}

func addOperation(t *testing.T, s *db.Store, cluster, scope string) *db.Operation {
	t.Helper()
	op := &db.Operation{UUID: uuid.NewString(), ClusterUUID: cluster, Kind: "k", Scope: scope, Status: db.OpPending, CreatedAt: now()}
	must(t, s.ChangeCluster(ctx, cluster, func(sn *db.Snapshot) error {
		fresh := *op
		sn.Operations = append(sn.Operations, &fresh)
		return nil
	}))
	return op
}

func TestTemplates(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		add := func(name, project string, public, hidden bool) *db.ClusterTemplate {
			x := &db.ClusterTemplate{UUID: uuid.NewString(), Name: name, ProjectID: project, COE: "kubernetes", Labels: db.Strings{"kube_tag": "v1"}, Public: public, Hidden: hidden, CreatedAt: now()}
			must(t, s.CreateTemplate(ctx, x))
			return x
		}
		private, public, hidden := add("private", "p1", false, false), add("public", "p2", true, false), add("hidden", "p2", true, true)
		add("foreign", "p2", false, false)
		p1 := db.Visibility{ProjectID: "p1"}
		got, err := s.Template(ctx, private.UUID, p1)
		must(t, err)
		if d := cmp.Diff(private, got); d != "" {
			t.Errorf("what was stored is not what was read:\n%s", d)
		}
		l, err := s.Templates(ctx, db.Page{}, p1)
		must(t, err)
		if len(l) != 2 {
			t.Errorf("%d templates are listed, want 2", len(l))
		}
		_, err = s.Template(ctx, "hidden", p1)
		is(t, err, db.ErrNotFound)
		_, err = s.Template(ctx, "foreign", p1)
		is(t, err, db.ErrNotFound)
		add("public", "p1", false, false)
		_, err = s.Template(ctx, "public", p1)
		is(t, err, db.ErrAmbiguous)
		if _, err = s.Template(ctx, fmt.Sprint(public.ID), p1); err != nil {
			t.Errorf("by number: %v", err)
		}
		c := &db.Cluster{UUID: uuid.NewString(), ProjectID: "p1", Name: "c", ClusterTemplateID: hidden.UUID, CreatedAt: now()}
		must(t, s.CreateCluster(ctx, c, nil, &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, Status: db.OpPending}, 5))
		if _, err = s.Template(ctx, hidden.UUID, p1); err != nil {
			t.Errorf("the template of an own cluster: %v", err)
		}
		is(t, s.DeleteTemplate(ctx, hidden.UUID), db.ErrInUse)
		must(t, s.DeleteTemplate(ctx, private.UUID))
		is(t, s.DeleteTemplate(ctx, private.UUID), db.ErrNotFound)
		public.Name = "renamed"
		must(t, s.UpdateTemplate(ctx, public))
		got, err = s.Template(ctx, public.UUID, db.Visibility{All: true})
		if err != nil || got.Name != "renamed" || got.UpdatedAt == nil {
			t.Errorf("after the update: %+v, %v", got, err)
		}
		is(t, s.UpdateTemplate(ctx, public), db.ErrChanged) // it was read before the update
		c = &db.Cluster{UUID: uuid.NewString(), ProjectID: "p1", Name: "d", ClusterTemplateID: got.UUID, CreatedAt: now()}
		must(t, s.CreateCluster(ctx, c, nil, &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, Status: db.OpPending}, 5))
		is(t, s.UpdateTemplate(ctx, got), db.ErrChanged) // it was not in use
	})
}

func TestPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		names := []string{"b", "a", "d", "c", "a"}
		for i, n := range names {
			c, _, err := newCluster(t, s, "p", n, 100)
			must(t, err)
			if i < 3 { // two have no address: null sorts last
				must(t, s.ChangeCluster(ctx, c.UUID, func(sn *db.Snapshot) error {
					v := fmt.Sprintf("https://%d", 9-i)
					sn.Cluster.APIAddress = &v
					return nil
				}))
			}
		}
		for _, tc := range []struct{ key, dir, want string }{{"id", "asc", "badca"}, {"id", "desc", "acdab"}, {"name", "asc", "aabcd"}, {"name", "desc", "dcbaa"}, {"api_address", "asc", "dabca"}, {"api_address", "desc", "badac"}} {
			t.Run(tc.key+" "+tc.dir, func(t *testing.T) {
				got, marker := "", ""
				for range 10 {
					l, err := s.Clusters(ctx, db.Page{Limit: 2, SortKey: tc.key, SortDir: tc.dir, Marker: marker}, "p")
					must(t, err)
					for _, v := range l {
						got, marker = got+v.Name, v.UUID
					}
					if len(l) < 2 {
						break
					}
				}
				if got != tc.want {
					t.Errorf("got %s, want %s", got, tc.want)
				}
			})
		}
		_, err := s.Clusters(ctx, db.Page{SortKey: "bogus"}, "p")
		is(t, err, db.ErrBadSortKey)
		_, err = s.Clusters(ctx, db.Page{Marker: uuid.NewString()}, "p")
		is(t, err, db.ErrBadMarker)
	})
}

func TestClusterViews(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, _, err := newCluster(t, s, "p", "one", 100)
		must(t, err)
		v, err := s.Cluster(ctx, "one", "p")
		must(t, err)
		if v.NodeCount != 2 || v.MasterCount != 3 || v.TemplateLabels["kube_tag"] != "v1" || len(v.NodeGroups) != 2 {
			t.Errorf("view %+v", v)
		}
		_, err = s.Cluster(ctx, c.UUID, "other")
		is(t, err, db.ErrNotFound)
		_, _, err = newCluster(t, s, "p", "one", 100)
		must(t, err)
		_, err = s.Cluster(ctx, "one", "p")
		is(t, err, db.ErrAmbiguous)
		g, err := s.NodeGroup(ctx, c.UUID, "default-worker")
		must(t, err)
		if d := cmp.Diff(db.Taints{{Key: "k", Effect: "NoSchedule"}}, g.NodeTaints); d != "" || g.Labels == nil {
			t.Errorf("taints: %s labels: %v", d, g.Labels)
		}
		clusters, nodes, err := s.Stats(ctx, "p")
		must(t, err)
		if clusters != 2 || nodes != 10 {
			t.Errorf("%d clusters, %d nodes", clusters, nodes)
		}
	})
}

func TestQuotaIsAtomic(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		made, refused := 0, 0
		for i := range 20 {
			wg.Go(func() {
				_, _, err := newCluster(t, s, "p", fmt.Sprintf("c%d", i), 5)
				mu.Lock()
				defer mu.Unlock()
				var q *db.QuotaError
				switch {
				case err == nil:
					made++
				case errors.As(err, &q) && q.Limit == 5:
					refused++
				default:
					t.Errorf("unexpected: %v", err)
				}
			})
		}
		wg.Wait()
		if made != 5 || refused != 15 {
			t.Errorf("%d made and %d refused, want 5 and 15", made, refused)
		}
		must(t, s.CreateQuota(ctx, &db.Quota{ProjectID: "p", Resource: "Cluster", HardLimit: 6, CreatedAt: now()}))
		if _, _, err := newCluster(t, s, "p", "sixth", 5); err != nil {
			t.Errorf("the project's own quota is not heeded: %v", err)
		}
	})
}

// TestNodeQuotaIsAtomic: clusters are made and grow side by side, and all of them together stay within the quota.
func TestNodeQuotaIsAtomic(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		quota := db.NodeQuota{Resource: db.QuotaBaremetal, Driver: "metal", Default: -1}
		var growing []string
		for i := range 10 {
			c, _, err := newCluster(t, s, "p", fmt.Sprintf("c%d", i), 100)
			must(t, err)
			growing = append(growing, c.UUID)
		}
		resize := func(cluster string, by int) error {
			return s.ChangeCluster(ctx, cluster, func(sn *db.Snapshot) error {
				sn.NodeGroups[1].Driver, sn.Quotas = "metal", []db.NodeQuota{quota}
				sn.NodeGroups[1].NodeCount += by
				return nil
			})
		}
		template := dbtest.Template(t, s, "p")
		create := func() error {
			c := &db.Cluster{UUID: uuid.NewString(), ProjectID: "p", Name: "n", ClusterTemplateID: template, CreatedAt: now()}
			g := &db.NodeGroup{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: "p", Driver: "metal", NodeCount: 2, CreatedAt: now()}
			return s.CreateCluster(ctx, c, []*db.NodeGroup{g}, &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, Status: db.OpPending}, 100, quota)
		}
		used := func() int {
			_, n, err := s.NodeQuota(ctx, "p", db.NodeQuota{Resource: "other", Driver: "metal", Default: 1})
			must(t, err)
			return n
		}
		for _, id := range growing {
			must(t, resize(id, 0)) // without a limit
		}
		must(t, s.CreateQuota(ctx, &db.Quota{ProjectID: "p", Resource: db.QuotaBaremetal, HardLimit: 29, CreatedAt: now()}))
		var wg sync.WaitGroup
		var admitted, refused atomic.Int32
		tell := func(err error, n int32) {
			var q *db.NodeQuotaError
			switch {
			case err == nil:
				admitted.Add(n)
			case errors.As(err, &q) && q.Limit == 29 && q.More == int(n) && q.Used+q.More > q.Limit:
				refused.Add(n)
			default:
				t.Errorf("unexpected: %v", err)
			}
		}
		for _, id := range growing {
			wg.Go(func() { tell(resize(id, 1), 1) })
			wg.Go(func() { tell(create(), 2) })
		}
		wg.Wait()
		if n := used(); n != 20+int(admitted.Load()) || n > 29 || n < 28 || admitted.Load()+refused.Load() != 30 {
			t.Errorf("%d nodes, %d admitted and %d refused; 20 were there, 29 are allowed and 30 more were asked for", n, admitted.Load(), refused.Load())
		}
		_, err := s.UpdateQuota(ctx, "p", db.QuotaBaremetal, 3, now())
		must(t, err)
		must(t, resize(growing[0], 0)) // others may go on beyond a limit that came later
		must(t, resize(growing[1], -1))
		before := used()
		rest := func(n int, resume *int) error {
			return s.ChangeCluster(ctx, growing[2], func(sn *db.Snapshot) error {
				sn.NodeGroups[1].NodeCount, sn.NodeGroups[1].ResumeCount, sn.Quotas = n, resume, []db.NodeQuota{quota}
				return nil
			})
		}
		two := 2
		must(t, rest(0, &two))
		if n := used(); n > before || n < before-1 {
			t.Errorf("%d nodes are in use, %d before a cluster was hibernated", n, before)
		}
		must(t, rest(2, nil))
	})
}

func TestChangeWritesOnlyWhatDiffers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, _, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		must(t, s.ChangeCluster(ctx, c.UUID, func(*db.Snapshot) error { return nil }))
		v, err := s.Cluster(ctx, c.UUID, "p")
		must(t, err)
		if v.UpdatedAt != nil || v.NodeGroups[0].UpdatedAt != nil {
			t.Error("a change of nothing was written")
		}
		boom := errors.New("no")
		is(t, s.ChangeCluster(ctx, c.UUID, func(sn *db.Snapshot) error { sn.Cluster.Status = "X"; return boom }), boom)
		must(t, s.ChangeCluster(ctx, c.UUID, func(sn *db.Snapshot) error {
			sn.NodeGroups[1].NodeCount = 7
			sn.Nodes = append(sn.Nodes, &db.Node{UUID: uuid.NewString(), ClusterUUID: c.UUID, NodeGroupUUID: sn.NodeGroups[1].UUID, Name: "n", State: db.NodeWanted, CreatedAt: now()})
			return nil
		}))
		v, err = s.Cluster(ctx, c.UUID, "p")
		must(t, err)
		nodes, err := s.Nodes(ctx, c.UUID)
		must(t, err)
		if v.Status == "X" || v.NodeCount != 7 || v.NodeGroups[1].UpdatedAt == nil || v.NodeGroups[0].UpdatedAt != nil || len(nodes) != 1 {
			t.Errorf("after the change: %+v, %d nodes", v, len(nodes))
		}
		is(t, s.ChangeCluster(ctx, uuid.NewString(), func(*db.Snapshot) error { return nil }), db.ErrNotFound)
	})
}

func TestParallelChangesOfOneClusterAllCount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		c, _, err := newCluster(t, s, "p", "c", 5)
		must(t, err)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := s.ChangeCluster(ctx, c.UUID, func(sn *db.Snapshot) error { sn.NodeGroups[1].NodeCount++; return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if v, err := s.Cluster(ctx, c.UUID, "p"); err != nil || v.NodeCount != 12 {
			t.Errorf("%d nodes, %v: a change was lost", v.NodeCount, err)
		}
	})
}

func TestMigrations(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		must(t, s.Check(ctx))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if applied, err := s.Upgrade(ctx); err != nil || len(applied) != 0 {
					t.Errorf("a second upgrade did %v, %v", applied, err)
				}
			})
		}
		wg.Wait()
		must(t, s.Exec(ctx, "DELETE FROM schema_migration"))
		is(t, s.Check(ctx), db.ErrSchema)
		if _, err := s.Upgrade(ctx); err != nil { // a crash after the DDL and before the mark
			t.Errorf("a half-done migration cannot be run again: %v", err)
		}
		current, latest, pending, err := s.Version(ctx)
		if err != nil || current != latest || len(pending) != 0 {
			t.Errorf("version %q of %q, %v pending, %v", current, latest, pending, err)
		}
	})
}

func TestSecretsAndServices(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		x := &db.Secret{UUID: uuid.NewString(), Name: "ca", Sealed: []byte{0, 1, 255}, CreatedAt: now()}
		must(t, s.PutSecret(ctx, x))
		is(t, s.PutSecret(ctx, x), db.ErrDuplicate)
		got, err := s.Secret(ctx, x.UUID)
		must(t, err)
		if d := cmp.Diff(x, got); d != "" {
			t.Error(d)
		}
		must(t, s.DeleteSecret(ctx, x.UUID))
		is(t, s.DeleteSecret(ctx, x.UUID), db.ErrNotFound)
		for range 3 {
			must(t, s.Heartbeat(ctx, "host", "magnum-conductor"))
		}
		l, err := s.Services(ctx)
		must(t, err)
		clock, err := s.Now(ctx)
		must(t, err)
		if len(l) != 1 || l[0].ID != 1 || l[0].ReportCount != 3 || clock.Sub(l[0].LastSeenUp).Abs() > time.Minute {
			t.Errorf("services %+v at %s", l[0], clock)
		}
	})
}

// A template is not deleted from under a cluster that is stored meanwhile.
func TestATemplateIsDeletedOrUsed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, s *db.Store) {
		for i := range 10 {
			template := dbtest.Template(t, s, "p")
			c := &db.Cluster{UUID: uuid.NewString(), ProjectID: "p", Name: fmt.Sprint("c", i), ClusterTemplateID: template, CreatedAt: now()}
			deleted := make(chan error)
			go func() { deleted <- s.DeleteTemplate(ctx, template) }()
			created := s.CreateCluster(ctx, c, nil, &db.Operation{UUID: uuid.NewString(), ClusterUUID: c.UUID, Status: db.OpPending}, 100)
			if created == nil {
				is(t, <-deleted, db.ErrInUse)
				continue
			}
			is(t, created, db.ErrNotFound)
			must(t, <-deleted)
		}
	})
}
