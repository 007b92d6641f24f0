package sim

import (
	"net/http"
	"strings"
)

func loadBalancerRoutes() []route {
	out := []route{
		{"GET", "/lbaas/loadbalancers", 200, octaviaList("load_balancer"), false},
		{"POST", "/lbaas/loadbalancers", 201, createLoadBalancer, false},
		{"GET", "/lbaas/loadbalancers/{id}", 200, octaviaShow("load_balancer"), false},
		{"PUT", "/lbaas/loadbalancers/{id}", 200, octaviaUpdate("load_balancer"), false},
		{"DELETE", "/lbaas/loadbalancers/{id}", 204, deleteLoadBalancer, false},
		{"GET", "/lbaas/loadbalancers/{id}/status", 200, showStatuses, false},
		{"GET", "/lbaas/pools/{pool}/members", 200, listMembers, false},
		{"POST", "/lbaas/pools/{pool}/members", 201, createMember, false},
		{"PUT", "/lbaas/pools/{pool}/members", 202, replaceMembers, false},
		{"GET", "/lbaas/pools/{pool}/members/{id}", 200, octaviaShow("member"), false},
		{"PUT", "/lbaas/pools/{pool}/members/{id}", 200, octaviaUpdate("member"), false},
		{"DELETE", "/lbaas/pools/{pool}/members/{id}", 204, octaviaDelete("member"), false},
		{"GET", "/lbaas/quotas/{project}", 200, showBalancerQuota, false},
		{"GET", "/quotas/{project}", 200, showBalancerQuota, false},
		{"PUT", "/lbaas/quotas/{project}", 202, setBalancerQuota, false},
		{"PUT", "/quotas/{project}", 202, setBalancerQuota, false},
		{"GET", "/lbaas/providers", 200, func(*call) (any, error) {
			return doc{"providers": []doc{{"name": "amphora", "description": "The Octavia Amphora driver."}, {"name": "octavia", "description": "Deprecated alias of the Octavia Amphora driver."}}}, nil
		}, false},
	}
	for _, k := range []struct {
		kind   string
		create func(*call) (any, error)
	}{{"listener", createListener}, {"pool", createPool}, {"health_monitor", createMonitor}} {
		path := "/lbaas/" + octaviaName(k.kind) + "s"
		out = append(out,
			route{"GET", path, 200, octaviaList(k.kind), false}, route{"POST", path, 201, k.create, false},
			route{"GET", path + "/{id}", 200, octaviaShow(k.kind), false}, route{"PUT", path + "/{id}", 200, octaviaUpdate(k.kind), false},
			route{"DELETE", path + "/{id}", 204, octaviaDelete(k.kind), false},
		)
	}
	return out
}

// octaviaName is how the API calls a kind: loadbalancer, healthmonitor.
func octaviaName(kind string) string { return strings.ReplaceAll(kind, "_", "") }

// octaviaWords is how its messages do.
func octaviaWords(kind string) string {
	return map[string]string{"load_balancer": "Load Balancer", "listener": "Listener", "pool": "Pool", "member": "Member", "health_monitor": "Health Monitor"}[kind]
}

func (q *call) octaviaGet(kind, id string) (*object, error) {
	o := q.get(kind, id)
	if o == nil {
		return nil, fail(http.StatusNotFound, "", "%s %s not found.", octaviaWords(kind), id)
	}
	if o.project != q.project() && !q.admin() {
		return nil, fail(http.StatusForbidden, "", "Policy does not allow this request to be performed.")
	}
	return o, nil
}

// octaviaBase is what all of Octavia's objects have.
func (q *call) octaviaBase(in doc, project, lb string) doc {
	at := q.plainNow()
	return doc{
		"name": in.str("name"), "description": in.str("description"), "project_id": project, "tenant_id": project, "admin_state_up": in.flag("admin_state_up", true),
		"provisioning_status": "PENDING_CREATE", "operating_status": "OFFLINE", "tags": in.strs("tags"), "created_at": at, "updated_at": nil, "_lb": lb,
	}
}

func (q *call) octaviaQuota(kind, quota, project string) error {
	if q.over(quota, project, q.count(kind, project), 1) {
		return fail(http.StatusForbidden, "", "Quota has been met for resources: %s", octaviaWords(kind))
	}
	return nil
}

func octaviaList(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		return q.list(listing{kind: kind, collection: octaviaName(kind) + "s", render: q.octaviaView, filters: map[string]func(*object, string) bool{
			"loadbalancer_id": func(o *object, value string) bool { return o.doc.str("_lb") == value },
		}})
	}
}

func octaviaShow(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		o, err := q.octaviaGet(kind, q.arg("id"))
		if err != nil {
			return nil, err
		}
		view := q.octaviaView(o)
		if view.str("provisioning_status") == "PENDING_DELETE" {
			view["tags"] = []string{} // Octavia asks for them after the rest: they are not there when the delete ends in between
		}
		return doc{octaviaName(kind): view}, nil
	}
}

func references(l []*object) []doc {
	out := []doc{}
	for _, o := range l {
		out = append(out, doc{"id": o.id})
	}
	return out
}

// octaviaView adds what is computed: relations and how things are right now.
func (q *call) octaviaView(o *object) doc {
	out := o.doc.public()
	lb := o.doc.str("_lb")
	switch o.kind {
	case "load_balancer":
		out["listeners"], out["pools"] = references(q.with("listener", "_lb", o.id)), references(q.with("pool", "_lb", o.id))
	case "listener":
		out["loadbalancers"] = []doc{{"id": lb}}
	case "pool":
		out["loadbalancers"], out["members"] = []doc{{"id": lb}}, references(q.poolMembers(o.id))
		out["listeners"] = references(q.with("listener", "default_pool_id", o.id))
		out["healthmonitor_id"] = nil
		if m := q.monitorOf(o.id); m != nil {
			out["healthmonitor_id"] = m.id
		}
	case "health_monitor":
		out["pools"] = []doc{{"id": o.doc["_pool"]}}
	}
	out["operating_status"] = q.operating(o)
	return out
}

// operating is what the health manager would have found.
func (c *Cloud) operating(o *object) string {
	if s := o.doc.str("provisioning_status"); s != "ACTIVE" && s != "PENDING_UPDATE" {
		return "OFFLINE"
	}
	if o.kind != "member" {
		return "ONLINE"
	}
	if c.monitorOf(o.doc.str("_pool")) == nil {
		return "NO_MONITOR"
	}
	lb := c.get("load_balancer", o.doc.str("_lb"))
	if vip := c.get("port", lb.doc.str("vip_port_id")); c.fabric.memberTarget(lb, vip, o) != nil {
		return "ONLINE"
	}
	return "ERROR"
}

func (c *Cloud) poolMembers(pool string) []*object { return c.with("member", "_pool", pool) }

func (c *Cloud) monitorOf(pool string) *object {
	for _, m := range c.with("health_monitor", "_pool", pool) {
		return m
	}
	return nil
}

// listenerAt is the listener that serves a port of the VIP by now, nil when there is none.
func (c *Cloud) listenerAt(lb *object, port int) *object {
	serves := func(o *object) bool {
		s := o.doc.str("provisioning_status")
		return s == "ACTIVE" || s == "PENDING_UPDATE"
	}
	if !serves(lb) || !lb.doc.flag("admin_state_up", true) {
		return nil
	}
	for _, o := range c.with("listener", "_lb", lb.id) {
		if o.doc.num("protocol_port") == port && o.doc.str("protocol") != "UDP" && serves(o) && o.doc.flag("admin_state_up", true) {
			return o
		}
	}
	return nil
}

// createLoadBalancer makes the VIP's port at once, so that a second request for an address is refused.
func createLoadBalancer(q *call) (any, error) {
	in, err := q.input("loadbalancer")
	if err != nil {
		return nil, badRequest("Invalid input for field/attribute loadbalancer. Mandatory field missing.")
	}
	project, err := q.ownerOf(in)
	if err != nil {
		return nil, err
	}
	if err := q.octaviaQuota("load_balancer", "load_balancer", project); err != nil {
		return nil, err
	}
	if p := in.str("provider"); p != "" && p != "amphora" && p != "octavia" {
		return nil, badRequest("Provider '%s' is not enabled.", p)
	}
	d := q.octaviaBase(in, project, "")
	o := q.add("load_balancer", project, d)
	if err := q.vip(o, in); err != nil {
		q.remove(o)
		return nil, err
	}
	d["provider"], d["flavor_id"], d["availability_zone"] = cmpOr(in.str("provider"), "amphora"), in["flavor_id"], in["availability_zone"]
	d["vip_qos_policy_id"], d["vip_vnic_type"], d["additional_vips"] = nil, "normal", []doc{}
	if err := q.populate(o, in); err != nil {
		q.dismantle(o)
		return nil, err
	}
	q.start(q.options.Latency.LoadBalancer, func() { q.settle(o, "ACTIVE") }, func(string) { q.settle(o, "ERROR") })
	view := q.octaviaView(o)
	if in.has("listeners") || in.has("pools") {
		q.deepen(o, view)
	}
	return doc{"loadbalancer": view}, nil
}

// vip takes the port that is asked for, or makes one.
func (q *call) vip(lb *object, in doc) error {
	var port *object
	own := in.str("vip_port_id") != ""
	if own {
		if port = q.own("port", in.str("vip_port_id")); port == nil {
			return badRequest("Port %s not found.", in.str("vip_port_id"))
		}
		if port.doc.str("device_id") != "" || port.doc.str("_lb") != "" {
			return fail(http.StatusConflict, "", "Port %s is already used by another device %s.", port.id, port.doc.str("device_id"))
		}
	} else {
		subnet, network := q.seen("subnet", in.str("vip_subnet_id")), q.seen("network", in.str("vip_network_id"))
		switch {
		case in.has("vip_subnet_id") && subnet == nil:
			return badRequest("Subnet %s not found.", in.str("vip_subnet_id"))
		case in.has("vip_network_id") && network == nil:
			return badRequest("Network %s not found.", in.str("vip_network_id"))
		case subnet == nil && network == nil:
			return badRequest("Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")
		case subnet != nil:
			network = q.get("network", subnet.doc.str("network_id"))
		}
		ip := doc{}
		if subnet != nil {
			ip["subnet_id"] = subnet.id
		}
		if a := in.str("vip_address"); a != "" {
			ip["ip_address"] = a
		}
		ask := doc{"name": "octavia-lb-" + lb.id, "device_id": "lb-" + lb.id, "device_owner": "Octavia", "security_groups": []any{}}
		if len(ip) > 0 {
			ask["fixed_ips"] = []any{ip}
		}
		if err := q.neutronQuota("port", "port", lb.project); err != nil {
			return providerError(err)
		}
		made, err := q.servicePort(network, lb.project, ask)
		if err != nil {
			return providerError(err)
		}
		port = made
	}
	ips := port.doc.docs("fixed_ips")
	if len(ips) == 0 {
		return badRequest("Port %s has no fixed IP.", port.id)
	}
	port.doc["_lb"] = lb.id
	lb.doc["vip_port_id"], lb.doc["vip_network_id"] = port.id, port.doc["network_id"]
	lb.doc["vip_subnet_id"], lb.doc["vip_address"], lb.doc["_ownPort"] = ips[0]["subnet_id"], ips[0]["ip_address"], own
	return nil
}

// providerError is how Octavia passes on what Neutron refused to its driver.
func providerError(err error) error {
	return fail(http.StatusInternalServerError, "", "Provider 'amphora' reports error: %s", err)
}

// populate makes what a request for a whole load balancer has in it.
func (q *call) populate(lb *object, in doc) error {
	byName := map[string]string{}
	for _, p := range in.docs("pools") {
		pool, err := q.newPool(lb, p)
		if err != nil {
			return err
		}
		byName[p.str("name")] = pool.id
	}
	for _, l := range in.docs("listeners") {
		ask := doc{}
		for key, value := range l {
			ask[key] = value
		}
		if p := l.sub("default_pool"); p != nil {
			id := byName[p.str("name")]
			if p.has("protocol") {
				pool, err := q.newPool(lb, p)
				if err != nil {
					return err
				}
				id = pool.id
			}
			ask["default_pool_id"] = id
		}
		if _, err := q.newListener(lb, ask); err != nil {
			return err
		}
	}
	return nil
}

// deepen shows whole objects where references usually are, as the answer to a whole load balancer does.
func (q *call) deepen(lb *object, view doc) {
	listeners, pools := []doc{}, []doc{}
	for _, l := range q.with("listener", "_lb", lb.id) {
		listeners = append(listeners, q.octaviaView(l))
	}
	for _, p := range q.with("pool", "_lb", lb.id) {
		v := q.octaviaView(p)
		members := []doc{}
		for _, m := range q.poolMembers(p.id) {
			members = append(members, q.octaviaView(m))
		}
		v["members"] = members
		if m := q.monitorOf(p.id); m != nil {
			v["healthmonitor"] = q.octaviaView(m)
		}
		pools = append(pools, v)
	}
	view["listeners"], view["pools"] = listeners, pools
}
