package sim

import (
	"encoding/json"
	"net/http"
	"net/netip"
)

func (q *call) poolByID() (pool, lb *object, err error) {
	if pool, err = q.octaviaGet("pool", q.arg("pool")); err != nil {
		return nil, nil, err
	}
	return pool, q.get("load_balancer", pool.doc.str("_lb")), nil
}

func listMembers(q *call) (any, error) {
	pool, _, err := q.poolByID()
	if err != nil {
		return nil, err
	}
	return q.list(listing{kind: "member", collection: "members", render: q.octaviaView, sees: func(o *object) bool { return o.doc.str("_pool") == pool.id }})
}

func createMember(q *call) (any, error) {
	in, err := q.input("member")
	if err != nil {
		return nil, err
	}
	pool, lb, err := q.poolByID()
	if err != nil {
		return nil, err
	}
	if err := q.mutable(lb); err != nil {
		return nil, err
	}
	o, err := q.newMember(lb, pool, in)
	if err != nil {
		return nil, err
	}
	q.change(lb, "PENDING_CREATE", o)
	return doc{"member": q.octaviaView(o)}, nil
}

func (q *call) newMember(lb, pool *object, in doc) (*object, error) {
	address, err := netip.ParseAddr(in.str("address"))
	port := in.num("protocol_port")
	if err != nil || port < 1 || port > 65535 {
		return nil, badRequest("Invalid input for field/attribute address, protocol_port. Value: '%s', '%v'.", in.str("address"), in["protocol_port"])
	}
	if id := in.str("subnet_id"); id != "" && q.seen("subnet", id) == nil {
		return nil, badRequest("Subnet %s not found.", id)
	}
	for _, m := range q.poolMembers(pool.id) {
		if m.doc.str("address") == address.String() && m.doc.num("protocol_port") == port {
			return nil, fail(http.StatusConflict, "", "Another member on this pool is already using ip %s on protocol_port %d", address, port)
		}
	}
	if err := q.octaviaQuota("member", "member", lb.project); err != nil {
		return nil, err
	}
	d := q.octaviaBase(in, lb.project, lb.id)
	for key, value := range in.pick(doc{"weight": 1, "subnet_id": nil, "backup": false, "monitor_address": nil, "monitor_port": nil}) {
		d[key] = value
	}
	d["address"], d["protocol_port"], d["_pool"] = address.String(), port, pool.id
	return q.add("member", lb.project, d), nil
}

// replaceMembers makes the members of a pool those of the request: new ones are made, others deleted.
func replaceMembers(q *call) (any, error) {
	pool, lb, err := q.poolByID()
	if err != nil {
		return nil, err
	}
	if err := q.mutable(lb); err != nil {
		return nil, err
	}
	var body struct {
		Members []doc `json:"members"`
	}
	if err := json.Unmarshal(q.raw, &body); err != nil || body.Members == nil {
		return nil, badRequest("Invalid input for field/attribute members. Mandatory field missing.")
	}
	key := func(d doc) string { return d.str("address") + "|" + text(d.num("protocol_port")) }
	old := map[string]*object{}
	for _, m := range q.poolMembers(pool.id) {
		old[key(m.doc)] = m
	}
	var made []*object
	before := q.seq
	for _, in := range body.Members {
		if m := old[key(in)]; m != nil {
			delete(old, key(in))
			updateMember(m, in)
			continue
		}
		m, err := q.newMember(lb, pool, in)
		if err != nil {
			q.undo(lb, before)
			return nil, err
		}
		made = append(made, m)
	}
	if !equals(true, q.query.Get("additive_only")) {
		for _, m := range old {
			m.doc["provisioning_status"] = "PENDING_DELETE"
		}
	}
	q.change(lb, "PENDING_CREATE", made...)
	return nil, nil
}

func updateMember(m *object, in doc) {
	for _, key := range []string{"name", "weight", "admin_state_up", "backup", "monitor_address", "monitor_port", "tags"} {
		if in.has(key) {
			m.doc[key] = in[key]
		}
	}
}
