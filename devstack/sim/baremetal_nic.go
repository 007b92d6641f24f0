package sim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// nicKind is a network card of a node, or a bond of several.
type nicKind struct {
	kind, path, class string
	plain             []string // fields of a list without detail
	fields            []string // what a client may set
	defaults          doc
	since             int
}

var metalPorts = nicKind{
	kind: "baremetal_port", path: "ports", class: "Port", plain: []string{"uuid", "address"},
	fields:   []string{"address", "extra", "is_smartnic", "local_link_connection", "node_uuid", "physical_network", "portgroup_uuid", "pxe_enabled"},
	defaults: doc{"address": nil, "extra": doc{}, "is_smartnic": false, "local_link_connection": doc{}, "physical_network": nil, "portgroup_uuid": nil, "pxe_enabled": true},
}

var metalPortgroups = nicKind{
	kind: "baremetal_portgroup", path: "portgroups", class: "Portgroup", plain: []string{"uuid", "address", "name"}, since: 23,
	fields:   []string{"address", "extra", "mode", "name", "node_uuid", "properties", "standalone_ports_supported"},
	defaults: doc{"address": nil, "extra": doc{}, "mode": "active-backup", "name": nil, "properties": doc{}, "standalone_ports_supported": true},
}

var macAddress = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)

// newNIC makes one; in is what a client said.
func (c *Cloud) newNIC(k nicKind, node *object, in doc) *object {
	d := in.pick(k.defaults)
	id := cmpOr(in.str("uuid"), uuid.NewString())
	d["uuid"], d["node_uuid"], d["internal_info"], d["created_at"], d["updated_at"] = id, node.id, doc{}, c.metalNow(), nil
	if a := d.str("address"); a != "" {
		d["address"] = strings.ToLower(a)
	}
	return c.put(&object{kind: k.kind, id: id, doc: d})
}

func (k nicKind) missing(ident string) error {
	return fail(http.StatusNotFound, "", "%s %s could not be found.", k.class, ident)
}

// there refuses versions that do not have the collection.
func (k nicKind) there(q *call) error {
	if q.microversion() < k.since {
		return fail(http.StatusNotFound, "", "The resource could not be found.")
	}
	return nil
}

// find is the one of the path, with a right over its node.
func (k nicKind) find(q *call, verb string, right metalRight) (*object, error) {
	if err := k.there(q); err != nil {
		return nil, err
	}
	ident := q.arg("id")
	if k.kind == metalPorts.kind && !isUUID(ident) {
		return nil, badRequest("Expected UUID for port_uuid: %s", ident)
	}
	o := q.get(k.kind, ident)
	if o == nil && k.kind == metalPortgroups.kind {
		o = q.first(k.kind, func(x *object) bool { return x.name() == ident })
	}
	if o == nil {
		return nil, k.missing(ident)
	}
	node := q.get("node", o.doc.str("node_uuid"))
	rule := "baremetal:" + strings.ToLower(k.class) + ":"
	if q.mayMetal(rule+"get", readsNode, node) != nil {
		return nil, k.missing(ident)
	}
	return o, q.mayMetal(rule+verb, right, node)
}

func (k nicKind) view(q *call, o *object) doc {
	out := o.doc.public()
	out["links"] = q.metalLinks(k.path, o.id)
	if k.kind == metalPortgroups.kind {
		out["ports"] = q.metalLinks(k.path, o.id+"/ports")
		return out
	}
	version := q.microversion()
	for key, minor := range map[string]int{"internal_info": 18, "pxe_enabled": 19, "local_link_connection": 19, "portgroup_uuid": 24, "physical_network": 34, "is_smartnic": 53} {
		if version < minor {
			delete(out, key)
		}
	}
	return out
}

func (k nicKind) list(detail bool) func(*call) (any, error) {
	return func(q *call) (any, error) {
		if err := k.there(q); err != nil {
			return nil, err
		}
		project, err := q.allNodes("")
		if err != nil {
			return nil, err
		}
		var node *object
		if q.arg("node") != "" {
			if node, err = q.node("baremetal:port:list", readsNode); err != nil {
				return nil, err
			}
		}
		if ident := cmpOr(q.query.Get("node"), q.query.Get("node_uuid")); ident != "" {
			if node = q.nodeBy(ident); node == nil {
				return nil, nodeMissing(ident)
			}
		}
		group := cmpOr(q.arg("portgroup"), q.query.Get("portgroup"))
		if g := q.first(metalPortgroups.kind, func(o *object) bool { return group != "" && o.name() == group }); g != nil {
			group = g.id
		}
		any := func(*object, string) bool { return true }
		return q.listMetal(metalListing{
			kind: k.kind, collection: k.path, plain: k.plain, render: func(o *object) doc { return k.view(q, o) },
			match: map[string]func(*object, string) bool{"node": any, "node_uuid": any, "portgroup": any, "address": func(o *object, value string) bool { return strings.EqualFold(o.doc.str("address"), value) }},
			sees: func(o *object) bool {
				of := q.get("node", o.doc.str("node_uuid"))
				return (node == nil || of == node) && (group == "" || o.doc.str("portgroup_uuid") == group) &&
					(project == "" || of.doc.str("owner") == project || of.doc.str("lessee") == project)
			},
		}, detail)
	}
}

func (k nicKind) create(q *call) (any, error) {
	if err := k.there(q); err != nil {
		return nil, err
	}
	in := q.body
	node := q.get("node", in.str("node_uuid"))
	if err := q.mayMetal("baremetal:"+strings.ToLower(k.class)+":create", managesNode, node); err != nil {
		return nil, err
	}
	if err := k.check(q, nil, in); err != nil {
		return nil, err
	}
	if node == nil {
		return nil, badRequest("Node %s could not be found.", in.str("node_uuid"))
	}
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	return k.view(q, q.newNIC(k, node, in)), nil
}

// check refuses what a card or bond must not be.
func (k nicKind) check(q *call, self *object, in doc) error {
	for key := range in {
		if !slices.Contains(k.fields, key) && key != "uuid" {
			return badRequest("Schema error for %s: Additional properties are not allowed ('%s' was unexpected)", strings.ToLower(k.class), key)
		}
	}
	mac := strings.ToLower(in.str("address"))
	switch {
	case mac == "" && k.kind == metalPorts.kind:
		return badRequest("Schema error for port: 'address' is a required property")
	case mac != "" && !macAddress.MatchString(mac):
		return badRequest("Expected valid MAC address for address: %s", mac)
	case mac != "" && q.first(k.kind, func(o *object) bool { return o != self && o.doc.str("address") == mac }) != nil:
		return fail(http.StatusConflict, "", "A %s with MAC address %s already exists.", strings.ToLower(k.class), mac)
	}
	group := q.get(metalPortgroups.kind, in.str("portgroup_uuid"))
	switch {
	case in.has("portgroup_uuid") && group == nil:
		return badRequest("Portgroup %s could not be found.", in.str("portgroup_uuid"))
	case group != nil && group.doc.str("node_uuid") != in.str("node_uuid"):
		return badRequest("Port can not be added to a portgroup belonging to a different node.")
	}
	if name := in.str("name"); name != "" && q.first(k.kind, func(o *object) bool { return o != self && o.name() == name }) != nil {
		return fail(http.StatusConflict, "", "A portgroup with name %s already exists.", name)
	}
	return nil
}

func (k nicKind) show(q *call) (any, error) {
	o, err := k.find(q, "get", readsNode)
	if err != nil {
		return nil, err
	}
	return k.view(q, o), nil
}

func (k nicKind) patch(q *call) (any, error) {
	ops, err := q.readPatch(k.fields)
	if err != nil {
		return nil, err
	}
	o, err := k.find(q, "update", managesNode)
	if err != nil {
		return nil, err
	}
	after, err := patched(o, ops, k.fields, k.defaults)
	if err != nil {
		return nil, err
	}
	if err := k.check(q, o, after); err != nil {
		return nil, err
	}
	node := q.get("node", o.doc.str("node_uuid"))
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	if vifOf(o) != "" && node.doc.str("provision_state") == "active" && !node.doc.flag("maintenance", false) {
		return nil, fail(http.StatusConflict, "", "Cannot update the %s %s of an active node while a VIF is attached.", strings.ToLower(k.class), o.id)
	}
	for key, value := range after {
		o.doc[key] = value
	}
	o.doc["updated_at"] = q.metalNow()
	return k.view(q, o), nil
}

func (k nicKind) remove(q *call) (any, error) {
	o, err := k.find(q, "delete", managesNode)
	if err != nil {
		return nil, err
	}
	node := q.get("node", o.doc.str("node_uuid"))
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	if vif := vifOf(o); vif != "" && !node.doc.flag("maintenance", false) {
		return nil, fail(http.StatusConflict, "", "Cannot delete the port %s as it is bound to VIF %s for tenant use.", o.id, vif)
	}
	if k.kind == metalPortgroups.kind && len(q.with(metalPorts.kind, "portgroup_uuid", o.id)) > 0 {
		return nil, badRequest("Cannot complete the requested action because portgroup %s contains ports.", o.id)
	}
	q.Cloud.remove(o)
	return nil, nil
}
