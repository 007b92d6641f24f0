package sim

import (
	"net/http"
	"strings"
)

// parts lists everything below a load balancer.
func (c *Cloud) parts(lb *object) []*object {
	var out []*object
	for _, kind := range []string{"listener", "pool", "member", "health_monitor"} {
		out = append(out, c.with(kind, "_lb", lb.id)...)
	}
	return out
}

// settle ends what is pending in a load balancer: parts that were to be deleted go, the others become ACTIVE. With
// another status than ACTIVE that is the load balancer's.
func (c *Cloud) settle(lb *object, status string) {
	if !c.alive(lb) || lb.doc.str("provisioning_status") == "PENDING_DELETE" {
		return
	}
	for _, o := range c.parts(lb) {
		switch o.doc.str("provisioning_status") {
		case "PENDING_DELETE":
			c.remove(o)
		case "PENDING_CREATE", "PENDING_UPDATE":
			o.doc["provisioning_status"] = status
		}
	}
	lb.doc["provisioning_status"] = status
	c.vipChanged(lb)
}

func (c *Cloud) vipChanged(lb *object) {
	if p := c.get("port", lb.doc.str("vip_port_id")); p != nil {
		c.fabric.portChanged(p)
	}
}

// dismantle removes a load balancer with all of it.
func (c *Cloud) dismantle(lb *object) {
	for _, o := range c.parts(lb) {
		c.remove(o)
	}
	c.remove(lb)
	port := c.get("port", lb.doc.str("vip_port_id"))
	if port == nil {
		return
	}
	if lb.doc.flag("_ownPort", false) {
		delete(port.doc, "_lb")
		c.fabric.portChanged(port)
		return
	}
	c.removePort(port)
}

// mutable refuses changes while another one is under way, or after one went wrong.
func (q *call) mutable(lb *object) error {
	if lb.doc.str("provisioning_status") != "ACTIVE" {
		return fail(http.StatusConflict, "", "Load Balancer %s is immutable and cannot be updated.", lb.id)
	}
	return nil
}

// change starts a change of one part; parts above it are pending meanwhile.
func (q *call) change(lb *object, status string, parts ...*object) {
	lb.doc["provisioning_status"] = "PENDING_UPDATE"
	for _, o := range parts {
		o.doc["provisioning_status"], o.doc["updated_at"] = status, q.plainNow()
		if pool := q.get("pool", o.doc.str("_pool")); pool != nil && pool.doc.str("provisioning_status") == "ACTIVE" {
			pool.doc["provisioning_status"] = "PENDING_UPDATE"
		}
	}
	q.start(q.options.Latency.LoadBalancerChange, func() { q.settle(lb, "ACTIVE") }, func(string) {
		for _, o := range parts {
			o.doc["provisioning_status"] = "ERROR"
		}
		q.settle(lb, "ACTIVE")
	})
}

func deleteLoadBalancer(q *call) (any, error) {
	o, err := q.octaviaGet("load_balancer", q.arg("id"))
	if err != nil {
		return nil, err
	}
	if s := o.doc.str("provisioning_status"); strings.HasPrefix(s, "PENDING_") {
		return nil, fail(http.StatusConflict, "", "Invalid state %s of loadbalancer resource %s", s, o.id)
	}
	if !equals(true, q.query.Get("cascade")) && len(q.parts(o)) > 0 {
		return nil, badRequest("Validation failure: Cannot delete Load Balancer %s - it has children", o.id)
	}
	for _, part := range append(q.parts(o), o) {
		part.doc["provisioning_status"] = "PENDING_DELETE"
	}
	q.vipChanged(o)
	q.start(q.options.Latency.LoadBalancer, func() {
		if q.alive(o) {
			q.dismantle(o)
		}
	}, func(string) {
		for _, part := range append(q.parts(o), o) {
			part.doc["provisioning_status"] = "ERROR"
		}
	})
	return nil, nil
}

// showStatuses is the tree of a load balancer.
func showStatuses(q *call) (any, error) {
	lb, err := q.octaviaGet("load_balancer", q.arg("id"))
	if err != nil {
		return nil, err
	}
	node := func(o *object) doc {
		return doc{"id": o.id, "name": o.name(), "provisioning_status": o.doc["provisioning_status"], "operating_status": q.operating(o)}
	}
	pool := func(p *object) doc {
		out := node(p)
		members := []doc{}
		for _, m := range q.poolMembers(p.id) {
			n := node(m)
			n["address"], n["protocol_port"] = m.doc["address"], m.doc["protocol_port"]
			members = append(members, n)
		}
		out["members"] = members
		if m := q.monitorOf(p.id); m != nil {
			out["healthmonitor"] = node(m)
		}
		return out
	}
	tree := node(lb)
	listeners, pools := []doc{}, []doc{}
	for _, l := range q.with("listener", "_lb", lb.id) {
		n := node(l)
		n["pools"] = []doc{}
		if p := q.get("pool", l.doc.str("default_pool_id")); p != nil {
			n["pools"] = []doc{pool(p)}
		}
		listeners = append(listeners, n)
	}
	for _, p := range q.with("pool", "_lb", lb.id) {
		pools = append(pools, pool(p))
	}
	tree["listeners"], tree["pools"] = listeners, pools
	return doc{"statuses": doc{"loadbalancer": tree}}, nil
}
