// Package etcd holds the calls to the etcd of a cluster to what etcd does: one suite against real members and against those
// of the simulator. Where they differ, the simulator is what is wrong.
package etcd

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// Two real members may leave a connection between them behind when both end at a time.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"))
}

// bed is a cluster with a member of etcd on each node.
type bed interface {
	access() (kube.Access, kube.EtcdAccess)
	stop(node string) // as if its power was cut
	start(node string)
}

// patience covers what etcd itself waits for: members are let go once all were connected for 5 s.
const patience = 90 * time.Second

func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	defer func() {
		if t.Failed() {
			t.Logf("in the end: %v", err)
		}
	}()
	testenv.Eventually(t, patience, "etcd", func() bool { err = f(); return err == nil })
}

// testSuite holds the calls to what etcd does, and a simulated etcd to what a real one does.
func testSuite(t *testing.T, newBed func(t *testing.T, nodes ...string) bed) {
	const m0, m1, m2 = "demo-master-0", "demo-master-1", "demo-master-2"
	three := []string{m0, m1, m2}
	up := func(t *testing.T, nodes ...string) *scene {
		t.Helper()
		e := &scene{t: t, bed: newBed(t, nodes...)}
		access, etcd := e.bed.access()
		e.client, e.etcd = connect(t, access), etcd
		e.healthy(nodes...)
		return e
	}
	t.Run("members", func(t *testing.T) {
		t.Parallel() // it waits, most of the time
		e := up(t, three...)
		for _, m := range e.members() {
			if !slices.Contains(three, m.Name) || !m.Started || m.Learner || m.ID == 0 || len(m.PeerURLs) != 1 {
				t.Errorf("member %+v", m)
			}
		}
		e.unhealthy([]string{m0, m1}, "the member of "+m2+" is none of the cluster's control planes")
		e.unhealthy(append(three, "demo-master-3"), "demo-master-3 has no member")
		e.strangers()
	})
	t.Run("removal", func(t *testing.T) {
		t.Parallel() // it waits, most of the time
		e := up(t, three...)
		follower := e.find(func(m kube.EtcdMember) bool { return !m.Leader }).Name
		e.remove(follower)
		e.remove(follower)
		rest := slices.DeleteFunc(slices.Clone(three), func(n string) bool { return n == follower })
		e.healthy(rest...)
		leader := e.find(func(m kube.EtcdMember) bool { return m.Leader }).Name
		e.remove(leader)
		last := slices.DeleteFunc(rest, func(n string) bool { return n == leader })
		e.healthy(last...)
		e.refuses(last[0])
		e.remove("never-was-there")
		e.healthy(last...)
	})
	t.Run("dead follower", func(t *testing.T) {
		t.Parallel() // it waits, most of the time
		e := up(t, three...)
		e.death(e.find(func(m kube.EtcdMember) bool { return !m.Leader }).Name, three)
	})
	t.Run("dead leader", func(t *testing.T) {
		t.Parallel() // it waits, most of the time
		e := up(t, three...)
		e.death(e.find(func(m kube.EtcdMember) bool { return m.Leader }).Name, three)
	})
	t.Run("no quorum", func(t *testing.T) {
		t.Parallel() // it waits, most of the time
		e := up(t, three...)
		e.bed.stop(m0)
		e.bed.stop(m1)
		eventually(t, func() error {
			err := e.client.EtcdHealthy(t.Context(), e.etcd, three)
			var unhealthy *kube.EtcdUnhealthyError
			if err == nil || errors.As(err, &unhealthy) || !kube.Transient(err) {
				return errors.New("it is not without a quorum: " + textOf(err))
			}
			return nil
		})
		if err := e.client.RemoveEtcdMember(t.Context(), e.etcd, m0); !kube.Transient(err) {
			t.Errorf("removal without a quorum: %v", err)
		}
		e.bed.start(m1)
		eventually(t, func() error {
			_, err := e.client.EtcdMembers(t.Context(), e.etcd)
			return err
		})
		e.remove(m0)
		e.healthy(m1, m2)
	})
}

type scene struct {
	t      *testing.T
	bed    bed
	client *kube.Client
	etcd   kube.EtcdAccess
}

func textOf(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

func (e *scene) members() []kube.EtcdMember {
	e.t.Helper()
	members, err := e.client.EtcdMembers(e.t.Context(), e.etcd)
	if err != nil {
		e.t.Fatal(err)
	}
	return members
}

func (e *scene) find(what func(kube.EtcdMember) bool) kube.EtcdMember {
	e.t.Helper()
	members := e.members()
	i := slices.IndexFunc(members, what)
	if i < 0 {
		e.t.Fatalf("none of %+v", members)
	}
	return members[i]
}

func (e *scene) healthy(nodes ...string) {
	e.t.Helper()
	eventually(e.t, func() error { return e.client.EtcdHealthy(e.t.Context(), e.etcd, nodes) })
	if leaders := slices.DeleteFunc(e.members(), func(m kube.EtcdMember) bool { return !m.Leader }); len(leaders) != 1 {
		e.t.Errorf("leaders are %+v", leaders)
	}
}

func (e *scene) unhealthy(want []string, problem string) {
	e.t.Helper()
	err := e.client.EtcdHealthy(e.t.Context(), e.etcd, want)
	var unhealthy *kube.EtcdUnhealthyError
	if !errors.As(err, &unhealthy) || len(unhealthy.Problems) != 1 || !strings.Contains(err.Error(), problem) {
		e.t.Errorf("not %q: %v", problem, err)
	}
}

// remove takes a member out, and its host with it: etcd 3.7 ends itself when it is removed, with a panic if somebody asks
// it how it is in that moment. Before, it wants to see all members connected for a while.
func (e *scene) remove(node string) {
	e.t.Helper()
	eventually(e.t, func() error { return e.client.RemoveEtcdMember(e.t.Context(), e.etcd, node) })
	e.bed.stop(node)
	if left := e.members(); slices.ContainsFunc(left, func(m kube.EtcdMember) bool { return m.Name == node }) {
		e.t.Errorf("%s is still among %+v", node, left)
	}
}

func (e *scene) refuses(node string) {
	e.t.Helper()
	before := len(e.members())
	var quorum *kube.EtcdQuorumError
	if err := e.client.RemoveEtcdMember(e.t.Context(), e.etcd, node); !errors.As(err, &quorum) || !kube.Transient(err) {
		e.t.Errorf("removal of %s: %v", node, err)
	}
	if after := len(e.members()); after != before {
		e.t.Errorf("of %d members %d are left", before, after)
	}
}

// death kills one of three: those that live cannot be spared then, the dead one can.
func (e *scene) death(dead string, all []string) {
	e.t.Helper()
	e.bed.stop(dead)
	living := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == dead })
	eventually(e.t, func() error { // another one leads
		members, err := e.client.EtcdMembers(e.t.Context(), e.etcd)
		if err == nil && !slices.ContainsFunc(members, func(m kube.EtcdMember) bool { return m.Leader && m.Healthy }) {
			err = errors.New("nobody leads")
		}
		return err
	})
	for _, m := range e.members() {
		if m.Healthy != (m.Name != dead) || m.Healthy != (m.Reason == "") || !m.Started {
			e.t.Errorf("member %+v", m)
		}
	}
	e.unhealthy(all, "the member of "+dead+" is not healthy: ")
	for _, node := range living {
		e.refuses(node)
	}
	e.remove(dead)
	e.healthy(living...)
}

// strangers are those whose certificate is of another authority, or who expect another one.
func (e *scene) strangers() {
	e.t.Helper()
	other := newAuthority(e.t)
	unknown, trusting := other.access(e.t), e.etcd
	unknown.CA, trusting.CA = e.etcd.CA, other.Certificate
	for name, access := range map[string]kube.EtcdAccess{"unknown": unknown, "trusting": trusting} {
		_, err := e.client.EtcdMembers(e.t.Context(), access)
		if !errors.Is(err, kube.ErrEtcdUnavailable) || !strings.Contains(err.Error(), "tls: ") {
			e.t.Errorf("%s: %v", name, err)
		}
	}
}
