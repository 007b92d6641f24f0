package drivertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// Machines holds a driver of machines to its contract. Every part of the suite asks for a bed of its own.
func Machines(t *testing.T, bed func(t *testing.T) *Bed) {
	for _, part := range []struct {
		name string
		test func(*testing.T, *Bed)
	}{
		{"a host's life", life}, {"answers are lost", lost}, {"an answer is lost and the host not wanted any more", unwanted}, {"removed while it is built", busy},
		{"no room in the quota", quota}, {"no room in the cloud", capacity}, {"what is not there", missing}, {"somebody else deleted it", snatched}, {"it is somebody else's", foreign},
	} {
		t.Run(part.name, func(t *testing.T) {
			b := bed(t)
			t.Cleanup(func() { b.tidy(t) })
			part.test(t, b)
		})
	}
}

func life(t *testing.T, b *Bed) {
	b.ensureGroup(t)
	one, two := b.host("0"), b.host("1")
	for _, h := range []drivers.Host{one, two} {
		b.ensureAddress(t, h)
		if r, _ := b.Ledger.Find(drivers.KindPort, h.Name); r.ID == "" || r.Node != h.Name || r.Attrs[drivers.AttrAddress] == "" {
			t.Errorf("the address in the ledger: %+v", r)
		}
	}
	if s, err := b.Machines.Status(t.Context(), b.slice()); err != nil || len(s) != 0 {
		t.Errorf("status before there are hosts: %v, %v", s, err)
	}
	for _, h := range []drivers.Host{one, two} {
		if first := b.ensureHost(h)(t.Context(), b.slice()); first.IsDone() || first.Err() != nil {
			t.Errorf("a host is asked for: %v", first)
		}
	}
	for _, h := range []drivers.Host{one, two} {
		b.done(t, "EnsureHost", b.ensureHost(h))
	}
	s, err := b.Machines.Status(t.Context(), b.slice())
	if err != nil || len(s) != 2 {
		t.Fatalf("status: %v, %v", s, err)
	}
	for _, h := range []drivers.Host{one, two} {
		server, _ := b.Ledger.Find(b.Kind, h.Name)
		port, _ := b.Ledger.Find(drivers.KindPort, h.Name)
		if x := s[h.Name]; x.ID != server.ID || x.ID == "" || x.State == "" || len(x.Addresses) != 1 || x.Addresses[0] != port.Attrs[drivers.AttrAddress] {
			t.Errorf("status %+v, in the ledger %+v and %+v", x, server, port)
		}
	}
	b.remove(t, one)
	if s, err := b.Machines.Status(t.Context(), b.slice()); err != nil || len(s) != 1 || s[two.Name].ID == "" {
		t.Errorf("status with one host less: %v, %v", s, err)
	}
	b.remove(t, two)
	b.tidy(t)
	if left := b.Ledger.All(); hostsOf(left) != 0 {
		t.Errorf("left in the ledger: %+v", left)
	}
}

// hostsOf counts what hosts and their groups have in the ledger.
func hostsOf(l []drivers.Resource) int {
	n := 0
	for _, r := range l {
		if r.Node != "" || r.Kind == drivers.KindServerGroup {
			n++
		}
	}
	return n
}

// lost takes away the answer to each call that makes something: what was made is adopted, and nothing is made twice.
func lost(t *testing.T, b *Bed) {
	h := b.host("0")
	for _, x := range []struct {
		kind string
		step func(context.Context, *drivers.Site) drivers.Result
	}{
		{drivers.KindServerGroup, func(ctx context.Context, s *drivers.Site) drivers.Result {
			return b.Machines.EnsureGroup(ctx, s, h.NodeGroup)
		}},
		{drivers.KindPort, func(ctx context.Context, s *drivers.Site) drivers.Result { return b.Machines.EnsureAddress(ctx, s, h) }},
		{b.Kind, b.ensureHost(h)},
	} {
		if x.kind == drivers.KindServerGroup && b.Kind != drivers.KindServer {
			continue // such hosts share nothing
		}
		b.Lose()
		transient(t, x.kind, x.step(t.Context(), b.slice()))
		b.done(t, "adopting "+x.kind, x.step)
		for _, r := range b.Ledger.All() {
			if r.Kind == x.kind && (r.ID == "" || b.Objects(t, x.kind, r.Name) != 1) {
				t.Errorf("%+v, of which the cloud has %d", r, b.Objects(t, x.kind, r.Name))
			}
		}
	}
	b.remove(t, h)
}

func transient(t *testing.T, what string, r drivers.Result) {
	t.Helper()
	again := false
	r.Switch(func() {}, func(time.Duration, string) {}, func(error) {}, func(error) { again = true })
	if !again {
		t.Errorf("%s, its answer lost: %v, expected to be asked again", what, r)
	}
}

func unwanted(t *testing.T, b *Bed) {
	h := b.host("0")
	b.Lose()
	transient(t, "address", b.Machines.EnsureAddress(t.Context(), b.slice(), h))
	b.remove(t, h)
	b.ensureAddress(t, h)
	b.Lose()
	transient(t, "host", b.ensureHost(h)(t.Context(), b.slice()))
	b.remove(t, h)
}

func busy(t *testing.T, b *Bed) {
	h := b.host("0")
	b.ensureAddress(t, h)
	if r := b.ensureHost(h)(t.Context(), b.slice()); r.IsDone() || r.Err() != nil {
		t.Errorf("asked for: %v", r)
	}
	b.remove(t, h)
}

func quota(t *testing.T, b *Bed) {
	if b.Fill == nil { // nothing to be held to
		return
	}
	h := b.host("0")
	b.ensureAddress(t, h)
	b.Fill(t)
	fault(t, "a host too many", b.settled(t, "EnsureHost", b.ensureHost(h)), drivers.ClassQuota)
	if n := b.Objects(t, b.Kind, h.Name); n != 0 {
		t.Errorf("the cloud has %d hosts", n)
	}
	b.remove(t, h)
}

// capacity asks for more hosts apart from each other than there are machines.
func capacity(t *testing.T, b *Bed) {
	b.Cluster.ServerGroupPolicy = "anti-affinity"
	b.ensureGroup(t)
	var last drivers.Host
	for i := range b.Hosts + 1 {
		last = b.host(fmt.Sprint(i))
		b.ensureAddress(t, last)
		if i < b.Hosts {
			b.done(t, "EnsureHost", b.ensureHost(last))
		}
	}
	fault(t, "a host that fits nowhere", b.settled(t, "EnsureHost", b.ensureHost(last)), drivers.ClassCapacity)
	b.remove(t, last)
}

func missing(t *testing.T, b *Bed) {
	nothing := "00000000-0000-4000-8000-000000000000"
	for name, spoil := range b.Spoil {
		h := b.host(name)
		spoil(&h)
		b.ensureAddress(t, h)
		fault(t, "no such "+name, b.ensureHost(h)(t.Context(), b.slice()), drivers.ClassUser)
		b.remove(t, h)
	}
	b.remove(t, b.host("never")) // what was never asked for is gone
	fault(t, "a kind of others", b.Machines.Remove(t.Context(), b.slice(), drivers.Resource{Kind: drivers.KindUser, Name: "x", ID: nothing}), drivers.ClassInternal)
}

func snatched(t *testing.T, b *Bed) {
	h := b.host("0")
	b.ensureAddress(t, h)
	b.done(t, "EnsureHost", b.ensureHost(h))
	server, _ := b.Ledger.Find(b.Kind, h.Name)
	b.Snatch(t, server.ID)
	fault(t, "a host that somebody deleted", b.ensureHost(h)(t.Context(), b.slice()), drivers.ClassCloud)
	if s, err := b.Machines.Status(t.Context(), b.slice()); err != nil || len(s) != 1 || s[h.Name].State != drivers.HostGone {
		t.Errorf("status of a host that somebody deleted: %v, %v", s, err)
	}
	b.remove(t, h)
}

// foreign has a ledger that names what is not the cluster's: it is left alone.
func foreign(t *testing.T, b *Bed) {
	h, id := b.host("0"), b.Stranger(t)
	row := drivers.Resource{Kind: b.Kind, Name: h.Name, Node: h.Name}
	if _, err := b.Ledger.Intend(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if err := b.Ledger.Confirm(t.Context(), row.Kind, row.Name, id, nil); err != nil {
		t.Fatal(err)
	}
	before := b.Writes()
	fault(t, "a host of somebody else", b.Machines.RemoveHost(t.Context(), b.slice(), h.Name), drivers.ClassInternal)
	if n := b.Writes() - before; n != 0 {
		t.Errorf("%d changes were asked for", n)
	}
	if err := b.Ledger.Forget(t.Context(), row.Kind, row.Name); err != nil {
		t.Fatal(err)
	}
}
