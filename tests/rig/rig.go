// Package rig puts a simulated cloud, a database and any number of conductors into one process, for tests that stop
// conductors at chosen points or run many clusters. The API is left out: clusters are stored as it would have stored them.
package rig

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/jeroboam-cloud/jeroboam/conductor"
	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
	"github.com/jeroboam-cloud/jeroboam/drivers/ironic"
	"github.com/jeroboam-cloud/jeroboam/drivers/vm"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

// Options of a rig.
type Options struct {
	Sim sim.Options
	// Connection of the database; empty: SQLite in the test's folder.
	Connection string
	// Haste is how many times faster than the wall the clock of back-offs and step deadlines runs; 0 is 1.
	Haste int
	// Keys that secrets are sealed with; none: the rig makes one.
	Keys []string
}

// Rig is a cloud with a database next to it.
type Rig struct {
	Cloud      *sim.Cloud
	Connection string
	Store      *db.Store

	caller *cloud.Clients // the user who owns the clusters
	keys   []string
	haste  int
	began  time.Time
}

// New makes a rig that ends with the test.
func New(t testing.TB, o Options) *Rig {
	t.Helper()
	if o.Sim.PublicCIDR == "" {
		o.Sim.PublicCIDR = PublicCIDR(t)
	}
	c, err := sim.New(o.Sim)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if o.Connection == "" {
		o.Connection = "sqlite:///" + filepath.Join(t.TempDir(), "rig.sqlite")
	}
	if o.Keys == nil {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			t.Fatal(err)
		}
		o.Keys = []string{base64.StdEncoding.EncodeToString(key)}
	}
	r := &Rig{Cloud: c, Connection: o.Connection, keys: o.Keys, haste: max(o.Haste, 1), began: time.Now()}
	r.Store = Open(t, o.Connection)
	if _, err := r.Store.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := r.factory(t, "demo", "demo", "")
	if r.caller, err = f.Service(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// PublicCIDR is an external network for one simulator alone until the test ends: those of other tests run on the same
// loopback interface. A port on its last address keeps it ours.
func PublicCIDR(t testing.TB) string {
	t.Helper()
	const first, count = 70, 180
	for i := range count {
		octet := first + (os.Getpid()+i)%count
		claim, err := net.Listen("tcp", fmt.Sprintf("127.%d.255.254:6442", octet))
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = claim.Close() })
		return fmt.Sprintf("127.%d.0.0/16", octet)
	}
	t.Fatal("no network on loopback is free")
	return ""
}

// Open opens a database until the end of the test.
func Open(t testing.TB, connection string) *db.Store {
	t.Helper()
	s, err := db.Open(t.Context(), db.Config{Connection: connection, MaxPoolSize: 20, MaxOverflow: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return s
}

// factory of one of the simulator's users. With a gate everything goes through that.
func (r *Rig) factory(t testing.TB, user, project, gate string) *cloud.Factory {
	t.Helper()
	keystone := r.Cloud.AuthURL()
	if gate != "" {
		keystone = gate + strings.TrimPrefix(keystone, r.Cloud.URL())
	}
	f, err := cloud.NewFactory(cloud.Config{AuthURL: keystone, AuthType: "password", Username: user, Password: "secret",
		UserDomainName: "Default", ProjectName: project, ProjectDomainName: "Default", Interface: "public", Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// ConductorOptions of one conductor.
type ConductorOptions struct {
	Owner    string
	Store    *db.Store   // nil: the rig's
	Queue    queue.Queue // nil: none; the test calls ProcessOne
	Gate     string      // root of a reverse proxy that its requests to the cloud go through, which puts itself into the catalogue
	Parallel int         // steps of one operation side by side
	Workers  int
	Poll     time.Duration // longest pause between two looks at the cloud
	Verbose  bool          // its log goes to the test's
}

// Conductor makes a conductor; running it is the test's business.
func (r *Rig) Conductor(t testing.TB, o ConductorOptions) *conductor.Conductor {
	t.Helper()
	if o.Store == nil {
		o.Store = r.Store
	}
	l := zap.NewNop()
	if o.Verbose {
		l = zaptest.NewLogger(t)
	}
	clouds := r.factory(t, "jeroboam", "service", o.Gate)
	secrets, err := certmanager.NewRows(o.Store, r.keys)
	if err != nil {
		t.Fatal(err)
	}
	in := infra.New(infra.Config{UserDomain: "jeroboam", Roles: []string{"member"}}, clouds, nil)
	k := &cluster.KubeClients{}
	t.Cleanup(k.Close)
	return &conductor.Conductor{
		Config: conductor.Config{Workers: max(o.Workers, 1), Lease: time.Minute, PollInterval: o.Poll, SweepInterval: time.Second, RingAgain: 30 * time.Second},
		Host:   o.Owner, Owner: o.Owner, Store: o.Store, Queue: o.Queue, Log: l,
		Executor: &cluster.Executor{Store: o.Store, Infra: in, Machines: map[string]drivers.Machines{vm.Name: vm.New(clouds, in, nil),
			ironic.Name: ironic.New(ironic.Config{RackProperty: "rack", AvoidFor: time.Hour}, clouds, in, nil)}, Secrets: secrets,
			Kube: k, Log: l, Runner: flow.Runner{Parallel: max(o.Parallel, 1), Clock: r.now}, Now: time.Now,
			KeySize: 2048, Validity: 24 * time.Hour, PollInterval: o.Poll, DrainTimeout: 15 * time.Minute, RebootTimeout: 5 * time.Minute,
			Addons: cluster.AddonSources{AuthURL: r.Cloud.AuthURL()}, Publisher: "container-infra." + o.Owner},
	}
}

// now is the clock of back-offs and deadlines.
func (r *Rig) now() time.Time { return r.began.Add(time.Since(r.began) * time.Duration(r.haste)) }

// Ended tells whether an operation has its verdict.
func (r *Rig) Ended(t testing.TB, op *db.Operation) bool {
	t.Helper()
	o, err := r.Store.Operation(context.Background(), op.UUID)
	if err != nil {
		t.Fatal(err)
	}
	return !o.Active()
}

// Left is what the clusters' project has in the cloud, by kind.
func (r *Rig) Left() map[string][]string { return r.Cloud.Resources(r.caller.ProjectID) }
