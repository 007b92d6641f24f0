package sim

import (
	"net/http"
)

// balancerOf finds the load balancer that a request is to change.
func (q *call) balancerOf(id string) (*object, error) {
	lb, err := q.octaviaGet("load_balancer", id)
	if err != nil {
		return nil, err
	}
	return lb, q.mutable(lb)
}

// undo removes what a refused request has made so far.
func (q *call) undo(lb *object, before uint64) {
	for _, o := range q.parts(lb) {
		if o.seq > before {
			q.remove(o)
		}
	}
}

func createListener(q *call) (any, error) {
	in, err := q.input("listener")
	if err != nil {
		return nil, err
	}
	lb, err := q.balancerOf(in.str("loadbalancer_id"))
	if err != nil {
		return nil, err
	}
	before := q.seq
	if p := in.sub("default_pool"); p != nil {
		pool, err := q.newPool(lb, p)
		if err != nil {
			q.undo(lb, before)
			return nil, err
		}
		in["default_pool_id"] = pool.id
	}
	o, err := q.newListener(lb, in)
	if err != nil {
		q.undo(lb, before)
		return nil, err
	}
	q.change(lb, "PENDING_CREATE", o)
	return doc{"listener": q.octaviaView(o)}, nil
}

func (q *call) newListener(lb *object, in doc) (*object, error) {
	port, protocol := in.num("protocol_port"), in.str("protocol")
	switch {
	case port < 1 || port > 65535:
		return nil, badRequest("Invalid input for field/attribute protocol_port. Value: '%v'. Value should be between 1 and 65535", in["protocol_port"])
	case protocol == "":
		return nil, badRequest("Invalid input for field/attribute protocol. Mandatory field missing.")
	case in.str("default_pool_id") != "" && q.get("pool", in.str("default_pool_id")) == nil:
		return nil, fail(http.StatusNotFound, "", "Pool %s not found.", in.str("default_pool_id"))
	}
	for _, l := range q.with("listener", "_lb", lb.id) {
		if l.doc.num("protocol_port") == port && (l.doc.str("protocol") == "UDP") == (protocol == "UDP") {
			return nil, fail(http.StatusConflict, "", "Another Listener on this Load Balancer is already using protocol %s and protocol_port %d", protocol, port)
		}
	}
	if err := q.octaviaQuota("listener", "listener", lb.project); err != nil {
		return nil, err
	}
	d := q.octaviaBase(in, lb.project, lb.id)
	more := in.pick(doc{"protocol": "", "default_pool_id": nil, "connection_limit": -1, "allowed_cidrs": nil, "insert_headers": doc{}, "default_tls_container_ref": nil, "sni_container_refs": []string{},
		"timeout_client_data": 50000, "timeout_member_connect": 5000, "timeout_member_data": 50000, "timeout_tcp_inspect": 0})
	for key, value := range more {
		d[key] = value
	}
	d["protocol_port"], d["l7policies"] = port, []doc{}
	return q.add("listener", lb.project, d), nil
}

func createPool(q *call) (any, error) {
	in, err := q.input("pool")
	if err != nil {
		return nil, err
	}
	id := in.str("loadbalancer_id")
	var listener *object
	if l := in.str("listener_id"); l != "" {
		if listener, err = q.octaviaGet("listener", l); err != nil { // Octavia 11 does not expect that
			return nil, fail(http.StatusInternalServerError, "", "'NoneType' object has no attribute 'load_balancer_id'")
		}
		id = listener.doc.str("_lb")
		if listener.doc.str("default_pool_id") != "" {
			return nil, fail(http.StatusConflict, "", "Listener %s already has a default pool.", l)
		}
	}
	lb, err := q.balancerOf(id)
	if err != nil {
		return nil, err
	}
	before := q.seq
	o, err := q.newPool(lb, in)
	if err != nil {
		q.undo(lb, before)
		return nil, err
	}
	if listener != nil {
		listener.doc["default_pool_id"] = o.id
	}
	q.change(lb, "PENDING_CREATE", o)
	return doc{"pool": q.octaviaView(o)}, nil
}

// newPool makes a pool with the members and the monitor that the request has in it.
func (q *call) newPool(lb *object, in doc) (*object, error) {
	if in.str("protocol") == "" || in.str("lb_algorithm") == "" {
		return nil, badRequest("Invalid input for field/attribute protocol, lb_algorithm. Mandatory field missing.")
	}
	if err := q.octaviaQuota("pool", "pool", lb.project); err != nil {
		return nil, err
	}
	d := q.octaviaBase(in, lb.project, lb.id)
	d["protocol"], d["lb_algorithm"], d["session_persistence"] = in["protocol"], in["lb_algorithm"], in["session_persistence"]
	d["tls_enabled"] = in.flag("tls_enabled", false)
	pool := q.add("pool", lb.project, d)
	for _, m := range in.docs("members") {
		if _, err := q.newMember(lb, pool, m); err != nil {
			return nil, err
		}
	}
	if m := in.sub("healthmonitor"); m != nil {
		if _, err := q.newMonitor(lb, pool, m); err != nil {
			return nil, err
		}
	}
	return pool, nil
}

func createMonitor(q *call) (any, error) {
	in, err := q.input("healthmonitor")
	if err != nil {
		return nil, err
	}
	pool, err := q.octaviaGet("pool", in.str("pool_id"))
	if err != nil {
		return nil, err
	}
	lb := q.get("load_balancer", pool.doc.str("_lb"))
	if err := q.mutable(lb); err != nil {
		return nil, err
	}
	o, err := q.newMonitor(lb, pool, in)
	if err != nil {
		return nil, err
	}
	q.change(lb, "PENDING_CREATE", o)
	return doc{"healthmonitor": q.octaviaView(o)}, nil
}

func (q *call) newMonitor(lb, pool *object, in doc) (*object, error) {
	switch {
	case q.monitorOf(pool.id) != nil:
		return nil, fail(http.StatusConflict, "", "This pool already has a health monitor")
	case in.str("type") == "" || in.num("delay") <= 0 || in.num("timeout") <= 0 || in.num("max_retries") <= 0:
		return nil, badRequest("Invalid input for field/attribute type, delay, timeout, max_retries. Mandatory field missing.")
	case in.num("delay") < in.num("timeout"):
		return nil, badRequest("Validation failure: Health monitor's delay must be greater than or equal to timeout.")
	}
	if err := q.octaviaQuota("health_monitor", "health_monitor", lb.project); err != nil {
		return nil, err
	}
	d := q.octaviaBase(in, lb.project, lb.id)
	for key, value := range in.pick(doc{"type": "", "delay": 0, "timeout": 0, "max_retries": 0, "max_retries_down": 3, "http_method": nil, "url_path": nil, "expected_codes": nil, "domain_name": nil, "http_version": nil}) {
		d[key] = value
	}
	d["_pool"] = pool.id
	return q.add("health_monitor", lb.project, d), nil
}

// octaviaUpdate is PUT on any of Octavia's objects.
func octaviaUpdate(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		in, err := q.input(octaviaName(kind))
		if err != nil {
			return nil, err
		}
		o, err := q.octaviaGet(kind, q.arg("id"))
		if err != nil {
			return nil, err
		}
		lb := o
		if kind != "load_balancer" {
			lb = q.get("load_balancer", o.doc.str("_lb"))
		}
		if err := q.mutable(lb); err != nil {
			return nil, err
		}
		for key, value := range in {
			switch key {
			case "id", "project_id", "provisioning_status", "operating_status", "vip_address", "protocol", "protocol_port", "address":
				return nil, badRequest("Unknown attribute: Attribute: '%s'", key)
			}
			if _, there := o.doc[key]; there {
				o.doc[key] = value
			}
		}
		q.change(lb, "PENDING_UPDATE", o)
		return doc{octaviaName(kind): q.octaviaView(o)}, nil
	}
}

// octaviaDelete deletes a part of a load balancer.
func octaviaDelete(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		o, err := q.octaviaGet(kind, q.arg("id"))
		if err != nil {
			return nil, err
		}
		lb := q.get("load_balancer", o.doc.str("_lb"))
		if err := q.mutable(lb); err != nil {
			return nil, err
		}
		gone := []*object{o}
		if kind == "pool" {
			gone = append(gone, q.poolMembers(o.id)...)
			if m := q.monitorOf(o.id); m != nil {
				gone = append(gone, m)
			}
			for _, l := range q.with("listener", "default_pool_id", o.id) {
				l.doc["default_pool_id"] = nil
			}
		}
		q.change(lb, "PENDING_DELETE", gone...)
		q.vipChanged(lb)
		return nil, nil
	}
}

var balancerQuotas = []string{"load_balancer", "listener", "pool", "member", "health_monitor"}

func showBalancerQuota(q *call) (any, error) {
	project := q.arg("project")
	if project != q.project() && !q.admin() {
		return nil, fail(http.StatusForbidden, "", "Policy does not allow this request to be performed.")
	}
	out := doc{}
	for _, name := range balancerQuotas {
		out[name] = q.quota(project, name)
		out[octaviaName(name)] = q.quota(project, name)
	}
	return doc{"quota": out}, nil
}

func setBalancerQuota(q *call) (any, error) {
	in, err := q.input("quota")
	if err != nil {
		return nil, err
	}
	if !q.admin() {
		return nil, fail(http.StatusForbidden, "", "Policy does not allow this request to be performed.")
	}
	if in.has("loadbalancer") {
		in["load_balancer"] = in["loadbalancer"]
	}
	if in.has("healthmonitor") {
		in["health_monitor"] = in["healthmonitor"]
	}
	q.setQuotas(q.arg("project"), in)
	return showBalancerQuota(q)
}
