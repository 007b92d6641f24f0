// Package drivertest holds drivers to their contract: one suite for every implementation of drivers.Machines, on a
// simulated cloud and on a real one.
package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// Bed is a cluster with a network and security groups, and as yet no host. Each has a project of its own.
type Bed struct {
	Machines drivers.Machines
	Cluster  drivers.Cluster
	Ledger   *Ledger
	Host     drivers.Host // with a flavor and an image that fit; a test fills in who it is
	Kind     string       // of the ledger's record of a host
	// Credential of the cluster's user; zero: whoever the driver's factory is acts for the cluster
	Credential drivers.Credential
	// Spoil makes hosts that cannot be, each in a way of its own: what is asked for is not there.
	Spoil    map[string]func(*drivers.Host)
	Patience time.Duration

	// Writes counts the changes that the cloud was asked for.
	Writes func() int
	// Lose lets the answer to the next change get lost: the cloud makes it, and nobody hears.
	Lose func()
	// Objects counts what the cloud has of a kind under a name.
	Objects func(t *testing.T, kind, name string) int
	// Fill leaves no room for another host in the project's quota; nil: the cloud has no quota of such hosts.
	Fill func(t *testing.T)
	// Snatch takes a host away behind our back, and returns when it is gone.
	Snatch func(t *testing.T, id string)
	// Stranger makes a host that does not belong to the cluster, and gives its id.
	Stranger func(t *testing.T) string
	// Hosts is how many machines the cloud has to keep hosts apart on.
	Hosts int
}

// slice is a new look at everything, as the next slice of an operation has it, maybe in another process.
func (b *Bed) slice() *drivers.Site {
	return &drivers.Site{Cluster: b.Cluster, Credential: b.Credential, Ledger: b.Ledger, Memo: &drivers.Memo{}}
}

// host of a node group; of one group unless it is of the control plane.
func (b *Bed) host(name string) drivers.Host {
	h := b.Host
	h.Name, h.NodeGroup = b.Cluster.Prefix+"-"+name, "workers"
	return h
}

// interval between two slices.
const interval = 200 * time.Millisecond

// settled repeats a step, each time in a new slice, until it is not told to wait any more.
func (b *Bed) settled(t *testing.T, what string, step func(context.Context, *drivers.Site) drivers.Result) drivers.Result {
	t.Helper()
	deadline, tick := time.NewTimer(b.Patience), time.NewTicker(interval)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		r := step(context.Background(), b.slice()) // also when the test is over, to tidy up
		waits := false
		r.Switch(func() {}, func(time.Duration, string) { waits = true }, func(error) {}, func(error) { waits = true })
		if !waits {
			return r
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: after %v it still is: %v", what, b.Patience, r)
		}
	}
}

// done repeats a step until it is done, and then once more: that MUST change nothing.
func (b *Bed) done(t *testing.T, what string, step func(context.Context, *drivers.Site) drivers.Result) {
	t.Helper()
	if r := b.settled(t, what, step); !r.IsDone() {
		t.Fatalf("%s: %v", what, r)
	}
	before, rows := b.Writes(), len(b.Ledger.All())
	if r := step(t.Context(), b.slice()); !r.IsDone() {
		t.Errorf("%s, when it is done: %v", what, r)
	}
	if n := b.Writes() - before; n != 0 || len(b.Ledger.All()) != rows {
		t.Errorf("%s, when it is done, made %d changes in the cloud and the ledger %d rows from %d", what, n, len(b.Ledger.All()), rows)
	}
}

func (b *Bed) ensureGroup(t *testing.T) {
	t.Helper()
	b.done(t, "EnsureGroup", func(ctx context.Context, s *drivers.Site) drivers.Result {
		return b.Machines.EnsureGroup(ctx, s, "workers")
	})
}

func (b *Bed) ensureAddress(t *testing.T, h drivers.Host) {
	t.Helper()
	b.done(t, "EnsureAddress", func(ctx context.Context, s *drivers.Site) drivers.Result { return b.Machines.EnsureAddress(ctx, s, h) })
}

func (b *Bed) ensureHost(h drivers.Host) func(context.Context, *drivers.Site) drivers.Result {
	return func(ctx context.Context, s *drivers.Site) drivers.Result {
		return b.Machines.EnsureHost(ctx, s, h, func(context.Context) ([]byte, error) { return []byte("#cloud-config\n{}\n"), nil })
	}
}

// remove takes a host away, when the test ends at the latest.
func (b *Bed) remove(t *testing.T, h drivers.Host) {
	t.Helper()
	b.done(t, "RemoveHost", func(ctx context.Context, s *drivers.Site) drivers.Result {
		return b.Machines.RemoveHost(ctx, s, h.Name)
	})
	for _, r := range b.Ledger.All() {
		if r.Node == h.Name {
			t.Errorf("the host is gone, and the ledger still has %+v", r)
		}
	}
	for _, kind := range []string{b.Kind, drivers.KindPort} {
		if n := b.Objects(t, kind, h.Name); n != 0 {
			t.Errorf("the host is gone, and the cloud still has %d of kind %s", n, kind)
		}
	}
}

// tidy takes away whatever the ledger holds of hosts and their groups, whatever became of the test.
func (b *Bed) tidy(t *testing.T) {
	for _, r := range b.Ledger.All() {
		if r.Node == "" && r.Kind != drivers.KindServerGroup {
			continue
		}
		if res := b.settled(t, "removing "+r.Kind, func(ctx context.Context, s *drivers.Site) drivers.Result { return b.Machines.Remove(ctx, s, r) }); !res.IsDone() {
			t.Errorf("removing %s %s: %v", r.Kind, r.Name, res)
		}
	}
}

// fault is why a step failed; it has to be final, and of this class.
func fault(t *testing.T, what string, r drivers.Result, want drivers.Class) {
	t.Helper()
	final := false
	r.Switch(func() {}, func(time.Duration, string) {}, func(error) { final = true }, func(error) {})
	if !final || drivers.ClassOf(r.Err()) != want {
		t.Errorf("%s: %v, class %q, expected a failure of class %q", what, r, drivers.ClassOf(r.Err()), want)
	}
}
