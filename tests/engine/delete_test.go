package engine

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

const (
	nova    = "/compute/v2.1/"
	neutron = "/networking/v2.0/"
	octavia = "/load-balancer/v2/lbaas/"
	users   = "/identity/v3/users/"
)

// TestDeleteWhateverHappened: somebody meddles with a cluster's things, and delete leaves nothing all the same.
func TestDeleteWhateverHappened(t *testing.T) {
	byHand := func(kind, path string) func(b *bed, id string) {
		return func(b *bed, id string) {
			l := b.recorded(id, kind)
			if len(l) == 0 {
				b.t.Fatalf("the ledger has no %s", kind)
			}
			b.person("admin").must(http.MethodDelete, fmt.Sprintf(path, l[len(l)-1].CloudID), nil, nil)
		}
	}
	user := func(method string, body any) func(b *bed, id string) {
		return func(b *bed, id string) {
			b.person("admin").must(method, users+b.recorded(id, drivers.KindUser)[0].CloudID, body, nil)
		}
	}
	project := func(method string, body any) func(b *bed, id string) {
		return func(b *bed, _ string) {
			b.person("admin").must(method, "/identity/v3/projects/"+b.project, body, nil)
		}
	}
	for _, tc := range []struct {
		name    string
		prepare func(b *bed, id string)
	}{
		{"a server was deleted", byHand(drivers.KindServer, nova+"servers/%s")},
		{"a port was deleted", byHand(drivers.KindPort, neutron+"ports/%s")},
		{"the load balancer was deleted", byHand(drivers.KindLoadBalancer, octavia+"loadbalancers/%s?cascade=true")},
		{"the floating IP was deleted", byHand(drivers.KindFloatingIP, neutron+"floatingips/%s")},
		{"a server group was deleted", byHand(drivers.KindServerGroup, nova+"os-server-groups/%s")},
		{"router and network were deleted", removeNetwork},
		{"the service user was deleted", user(http.MethodDelete, nil)},
		{"the service user's password was changed", user(http.MethodPatch, map[string]any{"user": map[string]any{"password": "another"}})},
		{"the service user was disabled", user(http.MethodPatch, map[string]any{"user": map[string]any{"enabled": false}})},
		{"the service user was deleted while answers were lost", func(b *bed, id string) {
			user(http.MethodDelete, nil)(b, id)
			if err := b.store.Exec(context.Background(), "UPDATE resource SET cloud_id = '' WHERE kind NOT IN ('user', 'router_interface')"); err != nil {
				b.t.Fatal(err)
			}
		}},
		{"it was asked for already", func(b *bed, id string) { b.request(id, ops.ClusterDelete, "", nil) }},
		{"the project was disabled", project(http.MethodPatch, map[string]any{"project": map[string]any{"enabled": false}})},
		{"the project was deleted", project(http.MethodDelete, nil)},
	} {
		for _, cold := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, conductor restarted: %t", tc.name, cold), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, sim.Options{Speed: 100})
				stop := b.run(b.conductor("one"))
				id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
				tc.prepare(b, id)
				if cold {
					stop()
					b.clouds = b.factory("jeroboam", "service")
					b.run(b.conductor("two"))
				}
				b.deleted(id)
			})
		}
	}
}

// removeNetwork takes everything off the network and then the network itself away.
func removeNetwork(b *bed, id string) {
	b.t.Helper()
	p := b.person("admin")
	one := func(kind string) string { return b.recorded(id, kind)[0].CloudID }
	p.must(http.MethodDelete, octavia+"loadbalancers/"+one(drivers.KindLoadBalancer)+"?cascade=true", nil, nil)
	for _, s := range b.recorded(id, drivers.KindServer) {
		p.must(http.MethodDelete, nova+"servers/"+s.CloudID, nil, nil)
	}
	p.must(http.MethodDelete, neutron+"floatingips/"+one(drivers.KindFloatingIP), nil, nil)
	for _, s := range b.recorded(id, drivers.KindPort) {
		p.must(http.MethodDelete, neutron+"ports/"+s.CloudID, nil, nil)
	}
	p.must(http.MethodPut, neutron+"routers/"+one(drivers.KindRouter)+"/remove_router_interface", map[string]any{"subnet_id": one(drivers.KindSubnet)}, nil)
	p.must(http.MethodDelete, neutron+"routers/"+one(drivers.KindRouter), nil, nil)
	testenv.Eventually(b.t, eventually, "the network to be free", func() bool {
		return p.do(http.MethodDelete, neutron+"networks/"+one(drivers.KindNetwork), nil, nil) == http.StatusNoContent
	})
}

// TestWhatIsNotOursIsLeftAlone: an id in the ledger is no licence; the object has to carry the cluster's mark.
func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	for _, tc := range []struct {
		kind, path, one string
		fields          map[string]any
	}{
		{drivers.KindNetwork, neutron + "networks", "network", nil},
		{drivers.KindRouter, neutron + "routers", "router", nil},
		{drivers.KindSecurityGroup, neutron + "security-groups", "security_group", nil},
		{drivers.KindPort, neutron + "ports", "port", nil},
		{drivers.KindServerGroup, nova + "os-server-groups", "server_group", map[string]any{"policy": "affinity"}},
		{drivers.KindLoadBalancer, octavia + "loadbalancers", "loadbalancer", nil},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{Speed: 100})
			b.run(b.conductor("one"))
			id := b.completed(order{name: "dev", masters: 1, workers: 0, loadBalancer: true})
			p := b.person("demo")
			fields := map[string]any{"name": "precious"}
			switch tc.kind {
			case drivers.KindPort:
				fields["network_id"] = p.make(neutron+"networks", "network", map[string]any{"name": "other"})
			case drivers.KindLoadBalancer:
				network := p.make(neutron+"networks", "network", map[string]any{"name": "other"})
				fields["vip_subnet_id"] = p.make(neutron+"subnets", "subnet", map[string]any{"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"})
			}
			for k, v := range tc.fields {
				fields[k] = v
			}
			foreign := p.make(tc.path, tc.one, fields)
			ours := b.recorded(id, tc.kind)[0]
			if err := b.store.Exec(context.Background(), fmt.Sprintf("UPDATE resource SET cloud_id = '%s' WHERE id = %d", foreign, ours.ID)); err != nil {
				t.Fatal(err)
			}
			b.request(id, ops.ClusterDelete, "", nil)
			v := b.reaches(id, ops.DeleteFailed)
			// A router's interface, which goes first, has the mark of its router and the id of its subnet.
			if reason := brief(v); !strings.Contains(reason, "left alone") || (tc.kind != drivers.KindRouter && !strings.Contains(reason, foreign)) || !strings.Contains(reason, ours.Name) {
				t.Errorf("the reason is %q", reason)
			}
			if status := p.do(http.MethodGet, tc.path+"/"+foreign, nil, nil); status != http.StatusOK {
				t.Errorf("the foreign %s answers HTTP %d", tc.kind, status)
			}
			if err := b.store.Exec(context.Background(), fmt.Sprintf("UPDATE resource SET cloud_id = '%s' WHERE id = %d", ours.CloudID, ours.ID)); err != nil {
				t.Fatal(err)
			}
			b.request(id, ops.ClusterDelete, "", nil)
			if v := b.settle(id); v != nil {
				t.Fatalf("after the repair: %s\n%s", brief(v), b.events(id))
			}
			if left := all(b.cloud.Resources(b.project)); strings.Contains(left, ours.Name) {
				t.Errorf("left in the cloud: %s", left)
			}
		})
	}
}

// TestDeleteInTheMiddleOfACreate: wherever the create is, it is cancelled and nothing of it stays.
func TestDeleteInTheMiddleOfACreate(t *testing.T) {
	for _, tc := range []struct{ name, kind string }{
		{"the user was made", drivers.KindUser}, {"the network is being made", drivers.KindNetwork}, {"the load balancer is being built", drivers.KindLoadBalancer},
		{"ports are made", drivers.KindPort}, {"servers are being built", drivers.KindServer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			b.run(b.conductor("one"), b.conductor("two"))
			id := b.create("dev", 3, 2, true)
			testenv.Eventually(t, eventually, "the first "+tc.kind, func() bool { return len(b.recorded(id, tc.kind)) > 0 })
			b.deleted(id)
			l, err := b.store.Operations(context.Background(), id, db.OperationFilter{})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range l {
				if want := map[string]string{string(ops.ClusterCreate): db.OpCancelled, string(ops.ClusterDelete): db.OpComplete}[o.Kind]; o.Status != want {
					t.Errorf("operation %s is %s, want %s", o.Kind, o.Status, want)
				}
			}
		})
	}
}

// TestDeleteOfAStuckServer: an unfinished server goes as well.
func TestDeleteOfAStuckServer(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	b.run(b.conductor("one"))
	id := b.create("dev", 1, 1, false)
	testenv.Eventually(t, eventually, "both servers", func() bool { return len(b.cloud.Resources(b.project)["server"]) == 2 })
	b.deleted(id)
}

// TestDeletedServers: each is asked to go once, whatever Nova shows of it on its way, and at once where it keeps what was
// deleted.
func TestDeletedServers(t *testing.T) {
	for name, keep := range map[string]bool{"shown until its row goes": false, "kept for a while": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// five looks at a server that goes, and one or two when all that is left of it is its row
			b := newBed(t, sim.Options{Speed: 10, KeepDeleted: keep, Latency: sim.Latency{ServerDelete: 6 * time.Second, ServerBuild: time.Second}})
			b.run(b.conductor("one"))
			id := b.completed(order{name: "dev", masters: 1, workers: 1})
			before := b.writes()
			b.deleted(id)
			for call, n := range b.writes() {
				if n -= before[call]; strings.Contains(call, "/servers/") {
					t.Log(n, call)
					if n != 2 {
						t.Errorf("%d × %s", n, call)
					}
				}
			}
		})
	}
}
