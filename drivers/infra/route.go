package infra

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// EnsureRoute lets a node's port send in the name of its pods, and then routes what is for them to the node. Routes and
// addresses belong to objects that the ledger has, and are neither recorded nor made twice.
func (i *Infrastructure) EnsureRoute(ctx context.Context, s *drivers.Site, node, pods string) drivers.Result {
	port, router, ok := routed(s, node)
	if !ok {
		return drivers.Failed(drivers.ClassInternal, "node %s has no port, or the cluster no router", node)
	}
	n, err := i.network(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	p, err := n.Port(ctx, port.ID)
	if err != nil {
		return Verdict(err)
	}
	if !slices.Contains(p.Allowed, pods) {
		if err := n.AllowAddresses(ctx, port.ID, append(slices.Clone(p.Allowed), pods)); err != nil {
			return Verdict(err)
		}
	}
	route := cloud.Route{CIDR: pods, Via: port.Attrs[drivers.AttrAddress]}
	have, err := i.routes(ctx, s, n, router.ID)
	if err != nil || slices.Contains(have, route) {
		return Verdict(err)
	}
	err = n.AddRoute(ctx, router.ID, route)
	if err != nil && strings.Contains(err.Error(), "exceeds the maximum") {
		return drivers.Failed(drivers.ClassQuota, "%w: with pod_network_mode=routed a cluster has at most as many nodes as Neutron's max_routes allows a router", err)
	}
	return Verdict(err)
}

// LostRoutes looks for the routes of nodes, and for the addresses that their ports may send from.
func (i *Infrastructure) LostRoutes(ctx context.Context, s *drivers.Site, pods map[string]string) ([]drivers.Drift, error) {
	n, err := i.network(ctx, s)
	if err != nil {
		return nil, err
	}
	there, err := n.FindPorts(ctx, "", s.Cluster.Tag())
	if err != nil {
		return nil, err
	}
	var found []drivers.Drift
	for _, node := range slices.Sorted(maps.Keys(pods)) {
		port, router, ok := routed(s, node)
		if !ok {
			continue
		}
		have, err := i.routes(ctx, s, n, router.ID)
		if err != nil && !cloud.IsNotFound(err) { // a router that is gone is told of as such
			return nil, err
		}
		if err == nil && !slices.Contains(have, cloud.Route{CIDR: pods[node], Via: port.Attrs[drivers.AttrAddress]}) {
			found = append(found, drivers.Drift{Kind: router.Kind, Name: router.Name, What: "has lost the route to the pods of " + node})
		}
		if slices.ContainsFunc(there, func(p cloud.Port) bool { return p.ID == port.ID && !slices.Contains(p.Allowed, pods[node]) }) {
			found = append(found, drivers.Drift{Kind: port.Kind, Name: port.Name, What: "does not let its pods send any more"})
		}
	}
	return found, nil
}

// RemoveRoute takes away whatever is routed to a node.
func (i *Infrastructure) RemoveRoute(ctx context.Context, s *drivers.Site, node string) drivers.Result {
	port, router, ok := routed(s, node)
	if !ok {
		return drivers.Done()
	}
	n, err := i.network(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	have, err := i.routes(ctx, s, n, router.ID)
	if cloud.IsNotFound(err) {
		return drivers.Done()
	}
	if err != nil {
		return Verdict(err)
	}
	doomed := slices.DeleteFunc(slices.Clone(have), func(r cloud.Route) bool { return r.Via != port.Attrs[drivers.AttrAddress] })
	if len(doomed) == 0 {
		return drivers.Done()
	}
	if err := n.RemoveRoutes(ctx, router.ID, doomed); err != nil && !cloud.IsNotFound(err) {
		return Verdict(err)
	}
	return drivers.Done()
}

// routed finds a node's port and the cluster's router in the ledger.
func routed(s *drivers.Site, node string) (port, router drivers.Resource, ok bool) {
	port, _ = s.Ledger.Find(drivers.KindPort, node)
	router, _ = s.Ledger.Find(drivers.KindRouter, name(s, "router"))
	return port, router, port.ID != "" && router.ID != "" && port.Attrs[drivers.AttrAddress] != ""
}

// routes of the router, read once per slice.
func (i *Infrastructure) routes(ctx context.Context, s *drivers.Site, n *cloud.Network, routerID string) ([]cloud.Route, error) {
	return drivers.Once(s.Memo, "routes", func() ([]cloud.Route, error) { return n.Routes(ctx, routerID) })
}
