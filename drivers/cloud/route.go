package cloud

import (
	"context"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/extraroutes"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// Route is one that a router has beside those of its interfaces.
type Route struct{ CIDR, Via string }

// Routes lists a router's.
func (n *Network) Routes(ctx context.Context, routerID string) ([]Route, error) {
	x, err := routers.Get(ctx, n.c, routerID).Extract()
	if err != nil {
		return nil, wrap(network, err, "reading the routes of router %s", routerID)
	}
	return mapSlice(x.Routes, func(r routers.Route) Route { return Route{r.DestinationCIDR, r.NextHop} }), nil
}

// AddRoute adds one to those that a router has, whatever others do to them meanwhile. One that is there is no error.
func (n *Network) AddRoute(ctx context.Context, routerID string, r Route) error {
	_, err := extraroutes.Add(ctx, n.c, routerID, extraroutes.Opts{Routes: &[]routers.Route{{DestinationCIDR: r.CIDR, NextHop: r.Via}}}).Extract()
	return wrap(network, err, "adding a route to router %s", routerID)
}

// RemoveRoutes takes some of a router's away. Those that are not there are no error.
func (n *Network) RemoveRoutes(ctx context.Context, routerID string, l []Route) error {
	list := mapSlice(l, func(r Route) routers.Route { return routers.Route{DestinationCIDR: r.CIDR, NextHop: r.Via} })
	_, err := extraroutes.Remove(ctx, n.c, routerID, extraroutes.Opts{Routes: &list}).Extract()
	return wrap(network, err, "removing routes of router %s", routerID)
}

// AllowAddresses makes the addresses that a port may send from, beside its own, exactly these.
func (n *Network) AllowAddresses(ctx context.Context, portID string, cidrs []string) error {
	pairs := mapSlice(cidrs, func(c string) ports.AddressPair { return ports.AddressPair{IPAddress: c} })
	_, err := ports.Update(ctx, n.c, portID, ports.UpdateOpts{AllowedAddressPairs: &pairs}).Extract()
	return wrap(network, err, "allowing addresses of port %s", portID)
}
