package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// TestALostAnswer: the request took effect and nobody heard of it. There is one object of each name all the same.
func TestALostAnswer(t *testing.T) {
	for _, tc := range []struct{ service, method, path string }{
		{"identity", "POST", "/auth/tokens$"}, {"identity", "POST", "/users$"}, {"identity", "PUT", "/roles/"},
		{"network", "POST", "/networks$"}, {"network", "POST", "/subnets$"}, {"network", "POST", "/routers$"}, {"network", "PUT", "/add_router_interface$"},
		{"network", "POST", "/security-groups$"}, {"network", "POST", "/security-group-rules$"}, {"network", "POST", "/ports$"}, {"network", "POST", "/floatingips$"},
		{"network", "PUT", "/tags/"}, {"compute", "POST", "/os-server-groups$"}, {"compute", "POST", "/servers$"},
		{"load-balancer", "POST", "/loadbalancers$"}, {"load-balancer", "PUT", "/members$"},
	} {
		for _, lose := range []string{sim.LoseDrop, sim.LoseTimeout} {
			t.Run(fmt.Sprintf("%s %s %s, %s", tc.service, tc.method, strings.Trim(tc.path, "/$"), lose), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, sim.Options{Speed: 100})
				b.network("public") // the test itself has logged in
				if err := b.cloud.Inject(sim.Rule{Service: tc.service, Method: tc.method, PathRegexp: tc.path, Times: 1, Action: sim.Action{Lose: lose}}); err != nil {
					t.Fatal(err)
				}
				b.run(b.conductor("one"))
				id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
				b.oneOfEach()
				b.deleted(id)
			})
		}
	}
}

// oneOfEach insists that no two objects of a kind have the same name.
func (b *bed) oneOfEach() {
	b.t.Helper()
	for kind, l := range b.cloud.Resources(b.project) {
		seen := map[string]bool{}
		for _, x := range l {
			if _, name, ok := strings.Cut(x, " "); ok && seen[name] {
				b.t.Errorf("two of kind %s are called %s", kind, name)
			} else {
				seen[name] = ok
			}
		}
	}
	for kind, want := range map[string]int{"server": 2, "load_balancer": 1, "loadbalancer": 1, "floatingip": 1, "network": 1, "router": 1} {
		if n := len(b.cloud.Resources(b.project)[kind]); n > want {
			b.t.Errorf("%d of kind %s, want %d", n, kind, want)
		}
	}
}

// TestAStorm: services that refuse for a while only cost time.
func TestAStorm(t *testing.T) {
	for _, status := range []int{409, 429, 500, 502, 503} {
		for _, service := range []string{"identity", "network", "compute", "load-balancer"} {
			t.Run(fmt.Sprintf("%s answers %d", service, status), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, sim.Options{Speed: 100})
				path := map[string]string{"identity": "/(users|roles|domains)", // a login that is refused is refused for good
					"network": "/(subnets|routers|ports|security-groups|floatingips)"}[service] // networks the test itself looks up
				if err := b.cloud.Inject(sim.Rule{Service: service, PathRegexp: path, Nth: 2, Times: 4, Action: sim.Action{Status: status}}); err != nil {
					t.Fatal(err)
				}
				c := b.conductor("one")
				hurry(t, c, 5)
				b.run(c)
				id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
				b.oneOfEach()
				b.deleted(id)
			})
		}
	}
}

// TestALoadBalancerThatIsNeverBuilt: the deadline of its step ends the create, in words that say what was waited for.
func TestALoadBalancerThatIsNeverBuilt(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	if err := b.cloud.Inject(sim.Rule{Service: "load-balancer", Method: "POST", PathRegexp: "/loadbalancers$", Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	c := b.conductor("one")
	hurry(t, c, 240) // half an hour is over in seconds
	b.run(c)
	id := b.create("dev", 1, 1, true)
	v := b.reaches(id, ops.CreateFailed)
	if reason := brief(v); !strings.Contains(reason, "load balancer") || !strings.Contains(reason, "PENDING_CREATE") {
		t.Errorf("the reason is %q", reason)
	}
}
