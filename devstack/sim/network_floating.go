package sim

import (
	"net/http"
	"net/netip"

	"github.com/google/uuid"
)

func createFloatingIP(q *call, in doc, project string) (*object, error) {
	network := q.seen("network", in.str("floating_network_id"))
	if network == nil {
		return nil, notThere("Network", in.str("floating_network_id"))
	}
	if !network.doc.flag("router:external", false) {
		return nil, fail(http.StatusBadRequest, "BadRequest", "Bad floatingip request: Network %s is not a valid external network.", network.id)
	}
	var wanted netip.Addr
	if s := in.str("floating_ip_address"); s != "" {
		if !q.admin() {
			return nil, fail(http.StatusForbidden, "PolicyNotAuthorized", "(rule:create_floatingip and rule:create_floatingip:floating_ip_address) is disallowed by policy")
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fail(http.StatusBadRequest, "HTTPBadRequest", "Invalid input for floating_ip_address. Reason: '%s' is not a valid IP address.", s)
		}
		wanted = a
	}
	subnets := q.subnetsOf(network.id)
	if len(subnets) == 0 {
		return nil, fail(http.StatusConflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", network.id)
	}
	o := &object{kind: "floatingip", id: uuid.NewString(), project: project}
	o.doc = q.fresh(in, project, doc{
		"id": o.id, "floating_network_id": network.id, "status": "DOWN", "port_id": nil, "fixed_ip_address": nil, "router_id": nil, "port_details": nil,
	})
	delete(o.doc, "name") // floating IPs have none
	if err := q.associate(o, in); err != nil {
		return nil, err
	}
	address, err := q.take(subnets[0], wanted, o.id)
	if err != nil {
		return nil, err
	}
	o.doc["floating_ip_address"], o.doc["_subnet"] = address.String(), subnets[0].id
	q.put(o)
	q.fabric.refresh(address)
	return o, nil
}

// associate points a floating IP to the port that a request names.
func (q *call) associate(o *object, in doc) error {
	id := in.str("port_id")
	if id == "" {
		return nil
	}
	port := q.own("port", id)
	if port == nil {
		return notThere("Port", id)
	}
	ips := port.doc.docs("fixed_ips")
	if len(ips) == 0 {
		return fail(http.StatusBadRequest, "BadRequest", "Bad floatingip request: Cannot add floating IP to port %s that has no fixed IPv4 addresses.", id)
	}
	ip := ips[0]
	for _, other := range q.with("floatingip", "port_id", id) {
		if other != o {
			return fail(http.StatusConflict, "FloatingIPPortAlreadyAssociated", "Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
				o.doc.str("floating_ip_address"), o.id, id, ip.str("ip_address"), o.doc.str("floating_network_id"))
		}
	}
	router := q.routerBetween(ip.str("subnet_id"), o.doc.str("floating_network_id"))
	if router == nil {
		return fail(http.StatusNotFound, "ExternalGatewayForFloatingIPNotFound", "External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.",
			o.doc.str("floating_network_id"), ip.str("subnet_id"), id)
	}
	o.doc["port_id"], o.doc["fixed_ip_address"], o.doc["router_id"], o.doc["status"] = id, ip.str("ip_address"), router.id, "ACTIVE"
	return nil
}

// routerBetween finds the router that has an interface in the subnet and its gateway on the network.
func (c *Cloud) routerBetween(subnetID, networkID string) *object {
	subnet := c.get("subnet", subnetID)
	if subnet == nil {
		return nil
	}
	for _, p := range c.with("port", "network_id", subnet.doc.str("network_id")) {
		if p.doc.str("device_owner") != "network:router_interface" || subnetOf(p) != subnetID {
			continue
		}
		router := c.get("router", p.doc.str("device_id"))
		if gateway := c.gatewayPort(router); gateway != nil && gateway.doc.str("network_id") == networkID {
			return router
		}
	}
	return nil
}

// floatingThrough finds a floating IP that needs the router, for a port in the subnet if that is given.
func (c *Cloud) floatingThrough(router *object, subnetID string) *object {
	return c.first("floatingip", func(o *object) bool {
		if o.doc.str("router_id") != router.id {
			return false
		}
		port := c.get("port", o.doc.str("port_id"))
		return subnetID == "" || port != nil && subnetOf(port) == subnetID
	})
}

func updateFloatingIP(q *call, o *object, in doc) error {
	if _, asked := in["port_id"]; asked {
		if in.str("port_id") == "" {
			q.dissociate(o)
		} else if err := q.associate(o, in); err != nil {
			return err
		}
	}
	if d, there := in["description"]; there {
		o.doc["description"] = d
	}
	q.fabric.refreshText(o.doc.str("floating_ip_address"))
	return nil
}

func (c *Cloud) dissociate(o *object) {
	o.doc["port_id"], o.doc["fixed_ip_address"], o.doc["router_id"], o.doc["status"] = nil, nil, nil, "DOWN"
	c.fabric.refreshText(o.doc.str("floating_ip_address"))
}

func deleteFloatingIP(q *call, o *object) error {
	q.remove(o)
	q.fabric.refreshText(o.doc.str("floating_ip_address"))
	q.giveBack(o.doc.str("_subnet"), o.doc.str("floating_ip_address"))
	return nil
}
