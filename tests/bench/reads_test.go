package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const (
	connections = 16
	few         = 20   // clusters of one project: a list as people have it
	many        = 1000 // and of another: the greatest page
	rate        = 200  // requests in a second, of all connections together, where the load is an ordinary one
	high        = 500  // and where it is what a large cloud has at its busiest
)

// BenchmarkReads asks the API over 16 connections, and beside it a bare handler, which runs the same SQL, encodes the same
// JSON and does nothing else. x-bare is how many times the median of the one is that of the other.
func BenchmarkReads(b *testing.B) {
	s := stack.Start(b, stack.Options{Speed: 1, Conductors: -1})
	store := rig.Open(b, s.Database)
	one := seed(b, store, s.One.ProjectID, few)
	seed(b, store, s.Two.ProjectID, many)
	for _, tc := range []struct {
		name        string
		who         *stack.Tenant
		path        string
		bare        func(context.Context) (any, error)
		connections int
		pause       time.Duration // of each connection after each request
	}{
		{name: "list-20", who: s.One, path: "/v1/clusters", bare: list(store, s.One, wire.NewClusterSummary), connections: connections},
		{name: "list-20-in-detail", who: s.One, path: "/v1/clusters/detail", bare: list(store, s.One, detailed), connections: connections},
		{name: "list-20-at-200-per-second", who: s.One, path: "/v1/clusters", bare: list(store, s.One, wire.NewClusterSummary), connections: connections, pause: connections * time.Second / rate},
		{name: "list-20-at-500-per-second", who: s.One, path: "/v1/clusters", bare: list(store, s.One, wire.NewClusterSummary), connections: connections, pause: connections * time.Second / high},
		{name: "list-1000", who: s.Two, path: "/v1/clusters", bare: list(store, s.Two, wire.NewClusterSummary), connections: 1},
		{name: "show", who: s.One, path: "/v1/clusters/" + one, bare: func(ctx context.Context) (any, error) {
			v, err := store.Cluster(ctx, one, s.One.ProjectID)
			return detailed(v, s.URL, minor), err
		}, connections: connections},
	} {
		var base time.Duration
		b.Run(tc.name+"/bare", func(b *testing.B) {
			h := httptest.NewServer(handler(tc.bare))
			defer h.Close()
			base = load(b, tc.connections, tc.pause, reader(h.URL, ""))
		})
		b.Run(tc.name+"/api", func(b *testing.B) {
			if median := load(b, tc.connections, tc.pause, reader(s.URL+tc.path, tc.who.Token())); base > 0 {
				b.ReportMetric(float64(median)/float64(base), "x-bare")
			}
		})
	}
}

const minor = 14

func detailed(v *db.ClusterView, base string, minor int) wire.Cluster {
	return wire.NewCluster(v, base, minor, false)
}

// list is what a list of clusters cannot do without.
func list[T any](store *db.Store, x *stack.Tenant, view func(*db.ClusterView, string, int) T) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) {
		l, err := store.Clusters(ctx, db.Page{Limit: many, SortKey: "id", SortDir: "asc"}, x.ProjectID)
		out := make([]T, 0, len(l))
		for _, v := range l {
			out = append(out, view(v, "http://127.0.0.1:9511", minor))
		}
		return map[string]any{"clusters": out}, err
	}
}

func handler(do func(context.Context) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		doc, err := do(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(doc)
	})
}

// load runs something over several connections, each pausing after it, and gives the median of the time that it took.
func load(b *testing.B, connections int, pause time.Duration, once func() error) time.Duration {
	b.Helper()
	if err := once(); err != nil { // the token is validated here, and kept
		b.Fatal(err)
	}
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	b.ResetTimer()
	for c := range connections {
		wg.Go(func() {
			var own []time.Duration
			due := time.Now().Add(pause * time.Duration(c) / time.Duration(connections)) // not all of them at once
			for range (b.N + c) / connections {
				<-time.After(time.Until(due))
				due = due.Add(pause)
				started := time.Now()
				if err := once(); err != nil {
					b.Error(err)
					return
				}
				own = append(own, time.Since(started))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
		})
	}
	wg.Wait()
	b.StopTimer()
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	at := func(share int) time.Duration { return took[min(len(took)*share/100, len(took)-1)] }
	b.ReportMetric(float64(at(50))/1e6, "p50-ms")
	b.ReportMetric(float64(at(99))/1e6, "p99-ms")
	return at(50)
}

// reader gets an address over connections that stay.
func reader(address, token string) func() error {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	return func() error {
		r, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		r.Header.Set("X-Auth-Token", token)
		r.Header.Set("OpenStack-API-Version", stack.Latest)
		a, err := client.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = a.Body.Close() }()
		if _, err = io.Copy(io.Discard, a.Body); err == nil && a.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: HTTP %d", address, a.StatusCode)
		}
		return err
	}
}

// seed makes clusters as they are after a create, and gives the UUID of the last.
func seed(b *testing.B, store *db.Store, project string, n int) string {
	b.Helper()
	now, last := time.Now().UTC(), ""
	text := func(s string) *string { return &s }
	template := &db.ClusterTemplate{UUID: uuid.NewString(), Name: "k8s", ProjectID: project, UserID: "u", COE: "kubernetes", ImageID: rig.ImageName, NetworkDriver: "calico",
		ServerType: "vm", Labels: db.Strings{"availability_zone": "nova", "boot_volume_size": "20"}, CreatedAt: now}
	if err := store.CreateTemplate(b.Context(), template); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		c := &db.Cluster{UUID: uuid.NewString(), ProjectID: project, UserID: "u", Name: fmt.Sprintf("cluster-%d", i), ClusterTemplateID: template.UUID, StackID: fmt.Sprintf("cluster-%d-x", i),
			Keypair: text("key"), FlavorID: text(rig.Flavor), MasterFlavorID: text(rig.Flavor), Labels: template.Labels, Status: ops.CreateComplete,
			APIAddress: text("https://203.0.113.7:6443"), COEVersion: text("v1.37.2"), FixedNetwork: text("net"), CreatedAt: now, UpdatedAt: &now}
		groups := []*db.NodeGroup{group(c, "default-master", db.RoleMaster, 3), group(c, "default-worker", db.RoleWorker, 5)}
		op, err := ops.New(uuid.NewString(), ops.ClusterCreate, c, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		op.Status, op.CreatedAt = db.OpComplete, now
		if err := store.CreateCluster(b.Context(), c, groups, op, n+1); err != nil {
			b.Fatal(err)
		}
		last = c.UUID
	}
	return last
}

func group(c *db.Cluster, name, role string, nodes int) *db.NodeGroup {
	g := &db.NodeGroup{UUID: uuid.NewString(), ClusterUUID: c.UUID, ProjectID: c.ProjectID, Name: name, Role: role, NodeCount: nodes, IsDefault: true, FlavorID: rig.Flavor,
		ImageID: rig.ImageName, Labels: c.Labels, Status: ops.CreateComplete, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
	for i := range nodes {
		g.NodeAddresses = append(g.NodeAddresses, fmt.Sprintf("10.0.0.%d", i+10))
	}
	return g
}
