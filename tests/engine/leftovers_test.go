package engine

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor"
	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// hasten lets the time of steps pass faster; certificates keep to the wall's.
func hasten(t *testing.T, c *conductor.Conductor, factor int) {
	t.Helper()
	e, ok := c.Executor.(*cluster.Executor)
	if !ok {
		t.Fatal("the conductor has another executor")
	}
	start := time.Now()
	e.Runner.Clock = func() time.Time { return start.Add(time.Since(start) * time.Duration(factor)) }
}

// newest is the operation that was asked for last.
func (b *bed) newest(id string) *db.Operation {
	b.t.Helper()
	l, err := b.store.Operations(context.Background(), id, db.OperationFilter{Limit: 1})
	if err != nil || len(l) != 1 {
		b.t.Fatalf("%d operations, %v", len(l), err)
	}
	return l[0]
}

// lastEvent is the message of the last thing that happened to a cluster.
func (b *bed) lastEvent(id string) string {
	b.t.Helper()
	lines := strings.Split(strings.TrimSpace(b.events(id)), "\n")
	return lines[len(lines)-1]
}

// nothingLeft insists on the result saying so.
func (b *bed) nothingLeft(id string) {
	b.t.Helper()
	if op := b.newest(id); op.Status != db.OpComplete || len(op.Leftovers) != 0 || !strings.HasSuffix(b.lastEvent(id), "nothing left") {
		b.t.Errorf("the delete is %s, left %v, and its last word is %q", op.Status, op.Leftovers, b.lastEvent(id))
	}
}

// TestDeleteTakesWhatTheClusterMade: load balancers, floating IPs, security groups, volumes and snapshots, whoever is still
// there to do it.
func TestDeleteTakesWhatTheClusterMade(t *testing.T) {
	admin := func(method, path string) func(*bed, string, *provider) {
		return func(b *bed, id string, _ *provider) {
			path := strings.NewReplacer("PROJECT", b.project, "USER", b.recorded(id, drivers.KindUser)[0].CloudID).Replace(path)
			b.person("admin").must(method, path, nil, nil)
		}
	}
	for _, tc := range []struct {
		name    string
		prepare func(*bed, string, *provider)
		says    string // an event
	}{
		{"its controller manager does it", func(_ *bed, _ string, p *provider) { p.release() }, servicesDone},
		{"its controller manager is dead", func(*bed, string, *provider) {}, "given up: 1 Services of type LoadBalancer to go: default/web: " + cleanup},
		{"its API is gone", func(b *bed, id string, _ *provider) {
			for _, s := range b.recorded(id, drivers.KindServer) {
				b.person("admin").must(http.MethodDelete, nova+"servers/"+s.CloudID, nil, nil)
			}
			testenv.Eventually(b.t, eventually, "the end of the servers", func() bool { return len(b.cloud.Resources(b.project)["server"]) == 0 })
		}, "cannot be reached"},
		{"its user was deleted", admin(http.MethodDelete, users+"USER"), "given up"},
		{"its project was deleted", admin(http.MethodDelete, "/identity/v3/projects/PROJECT"), "given up"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, id, p := inUse(t, ops.DeleteVolumes, 60)
			p.service("web")
			volume, _ := p.volume(p.name, "pvc-1")
			p.must(http.MethodPost, nova+"servers/"+b.recorded(id, drivers.KindServer)[0].CloudID+"/os-volume_attachments", map[string]any{"volumeAttachment": map[string]any{"volumeId": volume}}, nil)
			p.make(neutron+"ports", "port", map[string]any{"name": "vip-of-a-pod", "network_id": b.recorded(id, drivers.KindNetwork)[0].CloudID})
			tc.prepare(b, id, p)
			b.deleted(id)
			b.nothingLeft(id)
			if events := b.events(id); !strings.Contains(events, tc.says) || (tc.says == servicesDone) == strings.Contains(events, "given up") {
				t.Errorf("no event says %q:\n%s", tc.says, events)
			}
		})
	}
}

const servicesDone = "Services of type LoadBalancer are gone: done"

// TestVolumesAreKept unless the label says otherwise, and named.
func TestVolumesAreKept(t *testing.T) {
	t.Parallel()
	b, id, p := inUse(t, "", 1)
	volume, snapshot := p.volume(p.name, "pvc-1")
	b.deleted(id, volume, snapshot)
	op, last := b.newest(id), b.lastEvent(id)
	if len(op.Leftovers) != 2 {
		t.Fatalf("left: %v", op.Leftovers)
	}
	for i, want := range []db.Leftover{{Kind: drivers.KindVolumeSnapshot, Name: "of-pvc-1", ID: snapshot}, {Kind: drivers.KindPersistentVolume, Name: "pvc-1", ID: volume}} {
		got := op.Leftovers[i]
		if !strings.Contains(got.Reason, "kept") || !strings.Contains(last, want.ID) {
			t.Errorf("%v is explained with %q", got, last)
		}
		if got.Reason = ""; got != want {
			t.Errorf("left %v, want %v", got, want)
		}
	}
}

// TestWhatOthersMadeIsLeftAlone: clusters of almost the same name, the same name in another project, and what is shared.
func TestWhatOthersMadeIsLeftAlone(t *testing.T) {
	t.Parallel()
	b, id, p := inUse(t, ops.DeleteVolumes, 60)
	// The service itself acts, who sees all projects.
	b.person("admin").must(http.MethodDelete, users+b.recorded(id, drivers.KindUser)[0].CloudID, nil, nil)
	elsewhere := func(p person) string {
		network := p.make(neutron+"networks", "network", map[string]any{"name": "elsewhere"})
		return p.make(neutron+"subnets", "subnet", map[string]any{"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"})
	}
	admin, subnet := b.person("admin"), elsewhere(p.person)
	balancer := func(p person, subnet, name string, tags ...string) string {
		return p.make(octavia+"loadbalancers", "loadbalancer", map[string]any{"name": name, "vip_subnet_id": subnet, "tags": tags})
	}
	mine := "kube_service_" + p.name + "_default_web"
	shared := balancer(p.person, subnet, mine, mine, "kube_service_other-b2b2b_default_web")
	group := func(p person, description string) string {
		return p.make(neutron+"security-groups", "security_group", map[string]any{"name": "lb-sg-1-default-web", "description": description})
	}
	volume, snapshot := p.volume(p.name+"2", "pvc-1")
	stay := []struct{ path, id string }{
		{octavia + "loadbalancers/", shared},
		{octavia + "loadbalancers/", balancer(p.person, subnet, "kube_service_"+p.name+"2_default_web")},
		{octavia + "loadbalancers/", balancer(admin, elsewhere(admin), mine)},
		{neutron + "security-groups/", group(p.person, "Security Group for default/web Service LoadBalancer in cluster my-"+p.name+"2")},
		{neutron + "security-groups/", group(p.person, "made for "+p.name)},
		{neutron + "security-groups/", group(admin, "Security Group for default/web Service LoadBalancer in cluster "+p.name)},
		{cinder + b.project + "/volumes/", volume}, {cinder + b.project + "/snapshots/", snapshot},
	}
	b.request(id, ops.ClusterDelete, "", nil)
	if v := b.settle(id); v != nil {
		t.Fatalf("after delete: %s\n%s", brief(v), b.events(id))
	}
	for _, x := range stay {
		if status := admin.do(http.MethodGet, x.path+x.id, nil, nil); status != http.StatusOK {
			t.Errorf("%s%s answers HTTP %d", x.path, x.id, status)
		}
	}
	if l := b.newest(id).Leftovers; len(l) != 1 || l[0].ID != shared || !strings.Contains(l[0].Reason, "kube_service_other-b2b2b_default_web") {
		t.Errorf("left: %v", l)
	}
}

// TestASweep finds what carries the cluster's mark and is in no ledger.
func TestASweep(t *testing.T) {
	t.Parallel()
	b, id, p := inUse(t, "", 1)
	mark := "jeroboam-cluster=" + id
	p.make(neutron+"networks", "network", map[string]any{"name": p.name + "-network", "description": mark})
	p.make(neutron+"security-groups", "security_group", map[string]any{"name": p.name + "-worker", "description": mark})
	p.make(neutron+"floatingips", "floatingip", map[string]any{"floating_network_id": p.public, "description": mark + " " + p.name + "-api"})
	p.make(nova+"os-server-groups", "server_group", map[string]any{"name": p.name + "-gone", "policy": "affinity"})
	b.deleted(id)
	b.nothingLeft(id)
}

// TestWhoHoldsTheNetwork is named, and waited for.
func TestWhoHoldsTheNetwork(t *testing.T) {
	t.Parallel()
	b, id, p := inUse(t, "", 1)
	port := p.make(neutron+"ports", "port", map[string]any{"name": "mine", "network_id": b.recorded(id, drivers.KindNetwork)[0].CloudID, "device_id": "a-server", "device_owner": "compute:nova"})
	b.request(id, ops.ClusterDelete, "", nil)
	testenv.Eventually(t, eventually, "an event that names the port", func() bool {
		return strings.Contains(b.events(id), "port mine ("+port+") of compute:nova a-server")
	})
	p.must(http.MethodDelete, neutron+"ports/"+port, nil, nil)
	if v := b.settle(id); v != nil {
		t.Fatalf("after delete: %s\n%s", brief(v), b.events(id))
	}
	b.empty()
	b.nothingLeft(id)
}

// TestAStuckLoadBalancer ends a delete with its name and a way out, and a forced one in spite of it.
func TestAStuckLoadBalancer(t *testing.T) {
	t.Parallel()
	b, id, p := inUse(t, "", 240)
	if err := b.cloud.Inject(sim.Rule{Service: "load-balancer", Method: "POST", Name: "kube_service", Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	name := "kube_service_" + p.name + "_default_web"
	stuck := p.make(octavia+"loadbalancers", "loadbalancer", map[string]any{"name": name, "tags": []string{name}, "vip_subnet_id": p.subnet})
	b.request(id, ops.ClusterDelete, "", nil)
	v := b.reaches(id, ops.DeleteFailed)
	for _, want := range []string{name, stuck, "PENDING_CREATE", "Octavia's database"} {
		if !strings.Contains(brief(v), want) {
			t.Errorf("the reason does not name %s: %s", want, brief(v))
		}
	}
	b.requestWith(id, ops.ClusterDelete, "", nil, ops.Delete{Force: true})
	if v := b.settle(id); v != nil {
		t.Fatalf("after a forced delete: %s\n%s", brief(v), b.events(id))
	}
	b.leftBehind(id, map[string]bool{drivers.KindServiceLoadBalancer: true, drivers.KindNetwork: true, drivers.KindSubnet: true, drivers.KindServer: false, drivers.KindUser: false})
}

// leftBehind insists on kinds being named as left, or not, in the operation and in its last event.
func (b *bed) leftBehind(id string, kinds map[string]bool) {
	b.t.Helper()
	op, last := b.newest(id), b.lastEvent(id)
	got := map[string]bool{}
	for _, x := range op.Leftovers {
		got[x.Kind] = true
		if x.Reason == "" || !strings.Contains(last, x.ID) {
			b.t.Errorf("%v is not in the last event: %s", x, last)
		}
	}
	for kind, want := range kinds {
		if got[kind] != want {
			b.t.Errorf("%s left: %t, want %t: %v\n%s", kind, got[kind], want, op.Leftovers, b.events(id))
		}
	}
}

// TestForce ends a delete that is under way and waits, whatever is broken in the cloud.
func TestForce(t *testing.T) {
	t.Parallel()
	b, id, p := inUse(t, ops.DeleteVolumes, 120)
	p.volume(p.name, "pvc-1")
	for _, r := range []sim.Rule{{Service: "network", Method: "DELETE", Action: sim.Action{Status: 503}}, {Service: "load-balancer", Action: sim.Action{Status: 500}},
		{Service: "compute", Method: "DELETE", Action: sim.Action{Status: 500}}, {Service: "block-storage", Action: sim.Action{Status: 503}}} {
		if err := b.cloud.Inject(r); err != nil {
			t.Fatal(err)
		}
	}
	b.request(id, ops.ClusterDelete, "", nil)
	testenv.Eventually(t, eventually, "the delete to be stuck", func() bool { return strings.Contains(b.events(id), "will be tried again") })
	b.requestWith(id, ops.ClusterDelete, "", nil, ops.Delete{Force: true})
	if v := b.settle(id); v != nil {
		t.Fatalf("after a forced delete: %s\n%s", brief(v), b.events(id))
	}
	b.leftBehind(id, map[string]bool{"unknown": true, drivers.KindServer: true, drivers.KindPort: true, drivers.KindLoadBalancer: true, drivers.KindNetwork: true, drivers.KindUser: false})
	l, err := b.store.Operations(context.Background(), id, db.OperationFilter{})
	if err != nil || len(l) != 3 || l[1].Status != db.OpCancelled {
		t.Errorf("operations %v, %v", l, err)
	}
}
