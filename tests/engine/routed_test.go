package engine

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// TestRoutedPods: the router knows the way to every node's pods, and to no others'.
func TestRoutedPods(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 2, loadBalancer: true, cluster: func(s *ops.ClusterSpec) { s.PodNetworkMode = ops.PodsRouted }})
	b.routed(id, 3)
	before := b.writes()
	for _, count := range []int{3, 1} {
		b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = count })
		b.reaches(id, ops.UpdateComplete)
		b.routed(id, count+1)
	}
	if n := b.writes()["network PUT /routers/{id}/add_extraroutes"] - before["network PUT /routers/{id}/add_extraroutes"]; n != 1 {
		t.Errorf("one node more took %d requests for routes", n)
	}
	b.deleted(id)
}

// TestRoutesArePutBack: a route that somebody deletes, and the right of a port to send for its pods, are there again after the
// next comparison, and told of; a whole cluster costs nothing.
func TestRoutesArePutBack(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 1, loadBalancer: true, cluster: func(s *ops.ClusterSpec) { s.PodNetworkMode = ops.PodsRouted }})
	b.look(w)
	b.quiet(id, "a comparison of a whole cluster", func() { b.drift(w) })
	n, _ := b.owner()
	router, port := b.recorded(id, drivers.KindRouter)[0].CloudID, b.recorded(id, drivers.KindPort)[0].CloudID
	for _, tc := range []struct {
		name, says string
		take       func() error
	}{
		{"a route", "has lost the route to the pods of", func() error {
			l, err := n.Routes(t.Context(), router)
			if err != nil {
				return err
			}
			return n.RemoveRoutes(t.Context(), router, l[:1])
		}},
		{"the addresses of a port", "does not let its pods send any more", func() error { return n.AllowAddresses(t.Context(), port, []string{}) }},
	} {
		if err := tc.take(); err != nil {
			t.Fatal(err)
		}
		b.calm(id)
		b.drift(w)
		b.reaches(id, ops.UpdateComplete)
		if n := b.told(id, "drift", tc.says); n != 1 {
			t.Errorf("%s: the loss was told %d times\n%s", tc.name, n, b.events(id))
		}
		b.routed(id, 2)
		b.quiet(id, "the comparison after "+tc.name, func() { b.drift(w) })
	}
	if n := len(b.operations(id, ops.ClusterRepair)); n != 2 {
		t.Errorf("%d repairs for 2 losses", n)
	}
	b.deleted(id)
}

// TestRoutesRunOut: what Neutron does not take is the user's to know.
func TestRoutesRunOut(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1, cluster: func(s *ops.ClusterSpec) { s.PodNetworkMode = ops.PodsRouted }})
	admin := b.person("admin")
	router := b.recorded(id, drivers.KindRouter)[0].CloudID
	var more []map[string]string
	for i := range 28 {
		more = append(more, map[string]string{"destination": fmt.Sprintf("192.168.%d.0/24", i), "nexthop": "10.0.0.250"})
	}
	admin.must(http.MethodPut, "/networking/v2.0/routers/"+router+"/add_extraroutes", map[string]any{"router": map[string]any{"routes": more}}, nil)
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 2 })
	v := b.reaches(id, ops.UpdateFailed)
	if !strings.Contains(brief(v), "max_routes") {
		t.Errorf("the reason is: %s", brief(v))
	}
}

// routed holds the router of a cluster and the ports of its nodes to the nodes' own word.
func (b *bed) routed(id string, count int) {
	b.t.Helper()
	admin := b.person("admin")
	var router struct {
		Router struct{ Routes []map[string]string }
	}
	admin.must(http.MethodGet, "/networking/v2.0/routers/"+b.recorded(id, drivers.KindRouter)[0].CloudID, nil, &router)
	have := map[string]string{}
	for _, r := range router.Router.Routes {
		have[r["destination"]] = r["nexthop"]
	}
	nodes := b.kubeNodes(b.view(id), b.rows())
	if len(nodes) != count || len(have) != count {
		b.t.Errorf("%d nodes and %d routes, wanted %d", len(nodes), len(have), count)
	}
	for _, port := range b.recorded(id, drivers.KindPort) {
		n := nodes[port.Name]
		if n.PodCIDR == "" || have[n.PodCIDR] != n.InternalIPs[0] {
			b.t.Errorf("pods of %s have %q, which is routed to %q", n.Name, n.PodCIDR, have[n.PodCIDR])
		}
		var out struct {
			Port struct {
				Pairs []struct {
					IP string `json:"ip_address"`
				} `json:"allowed_address_pairs"`
			}
		}
		admin.must(http.MethodGet, "/networking/v2.0/ports/"+port.CloudID, nil, &out)
		if len(out.Port.Pairs) != 1 || out.Port.Pairs[0].IP != n.PodCIDR {
			b.t.Errorf("the port of %s may send as %v", n.Name, out.Port.Pairs)
		}
	}
}
