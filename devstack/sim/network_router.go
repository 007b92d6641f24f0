package sim

import (
	"net/http"
	"net/netip"
	"slices"
)

func createRouter(q *call, in doc, project string) (*object, error) {
	o := q.add("router", project, q.fresh(in, project, doc{
		"admin_state_up": in.flag("admin_state_up", true), "status": "ACTIVE", "external_gateway_info": nil, "routes": []doc{},
		"availability_zone_hints": []string{}, "availability_zones": []string{"nova"}, "distributed": false, "ha": false, "flavor_id": nil,
	}))
	if err := q.setGateway(o, in); err != nil {
		q.remove(o)
		return nil, err
	}
	return o, nil
}

// gatewayPort is the router's port on an external network, nil when it has none.
func (c *Cloud) gatewayPort(router *object) *object {
	return c.get("port", router.doc.str("_gateway"))
}

// setGateway does what external_gateway_info asks for.
func (q *call) setGateway(router *object, in doc) error {
	if _, asked := in["external_gateway_info"]; !asked {
		return nil
	}
	info := in.sub("external_gateway_info")
	old := q.gatewayPort(router)
	if old != nil && old.doc.str("network_id") == info.str("network_id") {
		return nil
	}
	if old != nil && q.floatingThrough(router, "") != nil {
		return fail(http.StatusConflict, "RouterExternalGatewayInUseByFloatingIp", "Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.", router.id, old.doc.str("network_id"))
	}
	var port *object
	if info.str("network_id") != "" {
		network := q.seen("network", info.str("network_id"))
		if network == nil {
			return notThere("Network", info.str("network_id"))
		}
		if !network.doc.flag("router:external", false) {
			return fail(http.StatusBadRequest, "BadRequest", "Bad router request: Network %s is not an external network.", network.id)
		}
		var err error
		if port, err = q.servicePort(network, "", doc{"device_id": router.id, "device_owner": "network:router_gateway"}); err != nil {
			return err
		}
	}
	if old != nil {
		q.removePort(old)
	}
	router.doc["external_gateway_info"], router.doc["_gateway"] = nil, ""
	if port != nil {
		router.doc["_gateway"] = port.id
		router.doc["external_gateway_info"] = doc{"network_id": info.str("network_id"), "enable_snat": info.flag("enable_snat", true), "external_fixed_ips": port.doc["fixed_ips"]}
	}
	return nil
}

// servicePort makes a port that Neutron or another service owns.
func (q *call) servicePort(network *object, project string, in doc) (*object, error) {
	as := *q
	as.token = &token{roles: []string{"admin"}, projectID: project}
	if !in.has("security_groups") {
		in["security_groups"] = []any{}
	}
	in["network_id"] = network.id
	port, err := createPort(&as, in, project)
	if err != nil {
		return nil, err
	}
	port.doc["status"] = "ACTIVE"
	return port, nil
}

func updateRouter(q *call, o *object, in doc) error {
	if err := q.setGateway(o, in); err != nil {
		return err
	}
	if _, asked := in["routes"]; asked {
		if err := q.setRoutes(o, in.docs("routes")); err != nil {
			return err
		}
	}
	assignFields(o, in, "admin_state_up")
	return nil
}

// interfaces lists the ports that a router has in subnets.
func (c *Cloud) interfaces(router *object) []*object {
	var out []*object
	for _, id := range router.doc.strs("_interfaces") {
		if p := c.get("port", id); p != nil && p.doc.str("device_id") == router.id {
			out = append(out, p)
		}
	}
	return out
}

func deleteRouter(q *call, o *object) error {
	if len(q.interfaces(o)) > 0 {
		return fail(http.StatusConflict, "RouterInUse", "Router %s still has ports", o.id)
	}
	if p := q.gatewayPort(o); p != nil {
		q.removePort(p)
	}
	q.remove(o)
	return nil
}

func (q *call) router() (*object, error) {
	if o := q.own("router", q.arg("id")); o != nil {
		return o, nil
	}
	return nil, notThere("Router", q.arg("id"))
}

func addInterface(q *call) (any, error) {
	router, err := q.router()
	if err != nil {
		return nil, err
	}
	var port *object
	if id := q.body.str("port_id"); id != "" {
		if port = q.own("port", id); port == nil {
			return nil, notThere("Port", id)
		}
		if port.doc.str("device_id") != "" {
			return nil, fail(http.StatusConflict, "PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.", id, port.doc.str("network_id"), port.doc.str("device_id"))
		}
		if subnetOf(port) == "" {
			return nil, fail(http.StatusBadRequest, "BadRequest", "Bad router request: Router port must have at least one fixed IP.")
		}
		q.bindPort(port, router.id, "network:router_interface")
		port.doc["status"] = "ACTIVE"
	} else if port, err = q.interfaceOn(router, q.body.str("subnet_id")); err != nil {
		return nil, err
	}
	router.doc["_interfaces"] = append(router.doc.strs("_interfaces"), port.id)
	return interfaceView(router, port), nil
}

func interfaceView(router, port *object) doc {
	subnet := subnetOf(port)
	return doc{
		"id": router.id, "tenant_id": router.project, "project_id": router.project, "port_id": port.id,
		"network_id": port.doc.str("network_id"), "subnet_id": subnet, "subnet_ids": []string{subnet},
	}
}

// interfaceOn makes the port of a router in a subnet, at its gateway address.
func (q *call) interfaceOn(router *object, subnetID string) (*object, error) {
	subnet := q.seen("subnet", subnetID)
	if subnet == nil {
		return nil, notThere("Subnet", subnetID)
	}
	if subnet.doc.str("gateway_ip") == "" {
		return nil, fail(http.StatusBadRequest, "BadRequest", "Bad router request: Subnet for router interface must have a gateway IP.")
	}
	for _, p := range q.interfaces(router) {
		other := q.get("subnet", subnetOf(p))
		if other == nil {
			continue
		}
		if other.id == subnet.id {
			return nil, fail(http.StatusBadRequest, "BadRequest", "Bad router request: Router already has a port on subnet %s.", subnet.id)
		}
		if cidrOf(other).Overlaps(cidrOf(subnet)) {
			return nil, fail(http.StatusBadRequest, "BadRequest", "Bad router request: Cidr %s of subnet %s overlaps with cidr %s of subnet %s.", cidrOf(subnet), subnet.id, cidrOf(other), other.id)
		}
	}
	if gateway, err := netip.ParseAddr(subnet.doc.str("gateway_ip")); err == nil && q.addresses[subnet.id][gateway] != "" {
		return nil, fail(http.StatusConflict, "IpAddressInUse", "Unable to complete operation for network %s. The IP address %s is in use.", subnet.doc.str("network_id"), gateway)
	}
	if err := q.neutronQuota("port", "port", router.project); err != nil {
		return nil, err
	}
	return q.servicePort(q.get("network", subnet.doc.str("network_id")), router.project, doc{
		"device_id": router.id, "device_owner": "network:router_interface",
		"fixed_ips": []any{doc{"subnet_id": subnet.id, "ip_address": subnet.doc.str("gateway_ip")}},
	})
}

func removeInterface(q *call) (any, error) {
	router, err := q.router()
	if err != nil {
		return nil, err
	}
	for _, p := range q.interfaces(router) {
		subnet := subnetOf(p)
		if p.id != q.body.str("port_id") && subnet != q.body.str("subnet_id") {
			continue
		}
		if q.floatingThrough(router, subnet) != nil {
			return nil, fail(http.StatusConflict, "RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", subnet, router.id)
		}
		if q.routedThrough(router, subnet) {
			return nil, fail(http.StatusConflict, "RouterInterfaceInUseByRoute", "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more routes.", subnet, router.id)
		}
		view := interfaceView(router, p)
		q.removePort(p)
		router.doc["_interfaces"] = slices.DeleteFunc(router.doc.strs("_interfaces"), func(id string) bool { return id == p.id })
		return view, nil
	}
	return nil, fail(http.StatusNotFound, "RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", router.id, q.body.str("subnet_id"))
}
