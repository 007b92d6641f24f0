package engine

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// the project's own view of the cloud, as whoever breaks the cluster has it.
func (b *bed) owner() (*cloud.Network, *cloud.LoadBalancer) {
	b.t.Helper()
	c, err := b.factory("demo", "demo").Service(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	n, err := c.Network()
	if err != nil {
		b.t.Fatal(err)
	}
	o, err := c.LoadBalancer()
	if err != nil {
		b.t.Fatal(err)
	}
	return n, o
}

// TestWhatIsTakenAwayIsPutBack: each piece that somebody deletes is made anew and told of; the pass after that writes
// nothing. Addresses stay what they were, since certificates and clients know them.
func TestWhatIsTakenAwayIsPutBack(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
	b.look(w)
	b.quiet(id, "a comparison of a whole cluster", func() { b.drift(w) })
	n, o := b.owner()
	demo := b.person("demo")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	one := func(kind string) string { return b.recorded(id, kind)[0].CloudID }
	address := func(kind string) string { return b.recorded(id, kind)[0].Attrs[drivers.AttrAddress] }
	group := func(name string) string {
		for _, r := range b.recorded(id, drivers.KindSecurityGroup) {
			if strings.HasSuffix(r.Name, name) {
				return r.CloudID
			}
		}
		t.Fatalf("there is no security group %s", name)
		return ""
	}
	balancer := func() cloud.LoadBalancerInfo {
		x, err := o.Get(t.Context(), one(drivers.KindLoadBalancer))
		must(err)
		return x
	}
	ports := func(change func(cloud.Port)) {
		all, err := n.FindPorts(t.Context(), "", "jeroboam-cluster="+id)
		must(err)
		for _, p := range all {
			change(p)
		}
	}
	for _, tc := range []struct {
		name, says string
		take       func()
		keeps      func() string // what is the same afterwards
	}{
		{"a rule of a security group", "has lost 1 of its rules", func() {
			var l struct {
				Rules []struct {
					ID  string `json:"id"`
					Max int    `json:"port_range_max"`
				} `json:"security_group_rules"`
			}
			demo.must(http.MethodGet, "/networking/v2.0/security-group-rules?security_group_id="+group("worker"), nil, &l)
			for _, r := range l.Rules {
				if r.Max == 32767 {
					demo.must(http.MethodDelete, "/networking/v2.0/security-group-rules/"+r.ID, nil, nil)
					return
				}
			}
			t.Fatal("there is no such rule")
		}, func() string { return group("worker") }},
		{"the group of a port", "has lost its security group", func() {
			ports(func(p cloud.Port) {
				if strings.Contains(p.Name, "worker") {
					must(n.SetPortGroups(t.Context(), p.ID, []string{}))
				}
			})
		}, nil},
		{"a security group", "worker is gone", func() {
			ports(func(p cloud.Port) { must(n.SetPortGroups(t.Context(), p.ID, []string{})) })
			must(n.DeleteSecurityGroup(t.Context(), group("worker")))
		}, nil},
		{"the router's gateway", "has lost its gateway", func() {
			must(n.DeleteFloatingIP(t.Context(), one(drivers.KindFloatingIP))) // which holds it
			demo.must(http.MethodPut, "/networking/v2.0/routers/"+one(drivers.KindRouter), map[string]any{"router": map[string]any{"external_gateway_info": map[string]any{}}}, nil)
		}, func() string { return one(drivers.KindRouter) + address(drivers.KindFloatingIP) }},
		{"a floating IP", "api is gone", func() { must(n.DeleteFloatingIP(t.Context(), one(drivers.KindFloatingIP))) }, func() string { return address(drivers.KindFloatingIP) }},
		{"a floating IP's port", "was taken from its port", func() {
			demo.must(http.MethodPut, "/networking/v2.0/floatingips/"+one(drivers.KindFloatingIP), map[string]any{"floatingip": map[string]any{"port_id": nil}}, nil)
		}, func() string { return one(drivers.KindFloatingIP) }},
		{"a member", "has lost its member", func() { must(o.SetMembers(t.Context(), balancer().PoolIDs[0], nil, 6443)) }, nil},
		{"a listener", "has lost its listener", func() {
			demo.must(http.MethodDelete, "/load-balancer/v2/lbaas/listeners/"+balancer().ListenerIDs[0], nil, nil)
		}, nil},
		{"a pool", "has lost its pool", func() {
			demo.must(http.MethodDelete, "/load-balancer/v2/lbaas/pools/"+balancer().PoolIDs[0], nil, nil)
		}, nil},
		{"the load balancer", "load_balancer dev-x2x2x-api is gone", func() { must(o.Delete(t.Context(), one(drivers.KindLoadBalancer))) }, func() string { return address(drivers.KindLoadBalancer) + address(drivers.KindFloatingIP) }},
	} {
		kept := ""
		if tc.keeps != nil {
			kept = tc.keeps()
		}
		before := b.told(id, "drift", tc.says)
		tc.take()
		b.calm(id)
		b.drift(w)
		b.reaches(id, ops.UpdateComplete)
		if n := b.told(id, "drift", tc.says); n != before+1 {
			t.Errorf("%s: the loss was told %d times\n%s", tc.name, n-before, b.events(id))
		}
		if tc.keeps != nil && tc.keeps() != kept {
			t.Errorf("%s: %s became %s", tc.name, kept, tc.keeps())
		}
		testenv.Eventually(t, eventually, "the cluster to be healthy after "+tc.name, func() bool {
			b.look(w)
			status, _ := b.health(id)
			return status == "HEALTHY"
		})
		b.quiet(id, "the comparison after "+tc.name, func() { b.drift(w) })
	}
	if n := len(b.operations(id, ops.ClusterRepair)); n != 10 {
		t.Errorf("%d repairs for 10 losses", n)
	}
	b.deleted(id)
}

// TestAServiceUserThatIsGoneIsReplaced by one of the next generation; one that was disabled is somebody's will.
func TestAServiceUserThatIsGoneIsReplaced(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 1})
	admin, user := b.person("admin"), b.recorded(id, drivers.KindUser)[0].CloudID
	enabled := func(yes bool) {
		admin.must(http.MethodPatch, users+user, map[string]any{"user": map[string]any{"enabled": yes}}, nil)
	}
	enabled(false)
	for range 3 { // a token that is still known is found out first
		b.drift(w)
	}
	if n := len(b.operations(id, ops.ClusterRotateCredential)) + len(b.operations(id, ops.ClusterRepair)); n != 0 {
		t.Errorf("a user that was disabled begins %d operations\n%s", n, b.events(id))
	}
	enabled(true)
	admin.must(http.MethodDelete, users+user, nil, nil)
	testenv.Eventually(t, eventually, "the loss to be seen", func() bool {
		b.drift(w)
		return len(b.operations(id, ops.ClusterRotateCredential)) > 0
	})
	b.reaches(id, ops.UpdateComplete)
	if now := b.recorded(id, drivers.KindUser); len(now) != 1 || now[0].CloudID == user {
		t.Errorf("users %+v", now)
	}
	if n := b.told(id, "drift", "is gone"); n != 1 {
		t.Errorf("the loss was told %d times\n%s", n, b.events(id))
	}
	b.quiet(id, "the comparison after it", func() { b.drift(w) })
	b.deleted(id)
}

// TestAServerGroupThatIsGoneIsMadeAnew when hosts are made the next time.
func TestAServerGroupThatIsGoneIsMadeAnew(t *testing.T) {
	t.Parallel()
	b, _, _, id := watched(t, order{name: "dev", masters: 1, workers: 1})
	for _, g := range b.recorded(id, drivers.KindServerGroup) {
		b.person("demo").must(http.MethodDelete, nova+"os-server-groups/"+g.CloudID, nil, nil)
	}
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 2 })
	b.reaches(id, ops.UpdateComplete)
	if n := len(b.cloud.Resources(b.project)["server_group"]); n != 1 {
		t.Errorf("%d server groups, want that of the workers", n)
	}
	b.deleted(id)
}
