package sim

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxRoutes is how many extra routes a router has at most, which is Neutron's default.
const maxRoutes = 30

// addRoutes adds extra routes to those that a router has; those that are there stay.
func addRoutes(q *call) (any, error) {
	return q.changeRoutes(func(have, in []doc) []doc {
		for _, r := range in {
			if !slices.ContainsFunc(have, func(x doc) bool { return sameRoute(x, r) }) {
				have = append(have, r)
			}
		}
		return have
	})
}

// removeRoutes takes extra routes away; those that are not there are no matter.
func removeRoutes(q *call) (any, error) {
	return q.changeRoutes(func(have, in []doc) []doc {
		return slices.DeleteFunc(have, func(x doc) bool { return slices.ContainsFunc(in, func(r doc) bool { return sameRoute(x, r) }) })
	})
}

func sameRoute(a, b doc) bool {
	return a.str("destination") == b.str("destination") && a.str("nexthop") == b.str("nexthop")
}

func (q *call) changeRoutes(change func(have, in []doc) []doc) (any, error) {
	router, err := q.router()
	if err != nil {
		return nil, err
	}
	in, err := q.input("router")
	if err != nil {
		return nil, err
	}
	if err := q.setRoutes(router, change(slices.Clone(router.doc.docs("routes")), in.docs("routes"))); err != nil {
		return nil, err
	}
	return doc{"router": router.doc.public()}, nil
}

// setRoutes checks extra routes as Neutron does.
func (q *call) setRoutes(router *object, routes []doc) error {
	if len(routes) > maxRoutes {
		return fail(http.StatusBadRequest, "RoutesExhausted", "Unable to complete operation for %s. The number of routes exceeds the maximum %d.", router.id, maxRoutes)
	}
	for _, r := range routes {
		via, err := netip.ParseAddr(r.str("nexthop"))
		_, err2 := netip.ParsePrefix(r.str("destination"))
		if err != nil || err2 != nil {
			return fail(http.StatusBadRequest, "HTTPBadRequest", "Invalid input for routes. Reason: Invalid data format for hostroute: '%v'.", r)
		}
		if !slices.ContainsFunc(q.interfaces(router), func(p *object) bool {
			subnet := q.get("subnet", subnetOf(p))
			return subnet != nil && cidrOf(subnet).Contains(via)
		}) {
			return fail(http.StatusBadRequest, "InvalidRoutes", "Invalid format for routes: %v, the nexthop is not connected with router", r)
		}
	}
	if routes == nil {
		routes = []doc{}
	}
	router.doc["routes"] = routes
	return nil
}

// routedThrough finds an extra route that needs the router's interface in a subnet.
func (q *call) routedThrough(router *object, subnetID string) bool {
	subnet := q.get("subnet", subnetID)
	return subnet != nil && slices.ContainsFunc(router.doc.docs("routes"), func(r doc) bool {
		via, err := netip.ParseAddr(strings.TrimSpace(r.str("nexthop")))
		return err == nil && cidrOf(subnet).Contains(via)
	})
}
