package sim

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// nodeFieldSince has the version that brought a field of nodes.
var nodeFieldSince = map[string]int{
	"driver_internal_info": 3, "name": 5, "inspection_finished_at": 6, "inspection_started_at": 6, "clean_step": 7, "raid_config": 12,
	"target_raid_config": 12, "network_interface": 20, "resource_class": 21, "storage_interface": 33, "traits": 37,
	"rescue_interface": 38, "bios_interface": 40, "fault": 42, "deploy_step": 44, "conductor_group": 46, "automated_clean": 47,
	"protected": 48, "protected_reason": 48, "conductor": 49, "owner": 50, "description": 51, "allocation_uuid": 52,
	"retired": 61, "retired_reason": 61, "lessee": 65, "network_data": 66, "boot_mode": 75, "secure_boot": 75, "shard": 82,
	"boot_interface": 31, "console_interface": 31, "deploy_interface": 31, "inspect_interface": 31, "management_interface": 31,
	"power_interface": 31, "raid_interface": 31, "vendor_interface": 31, "states": 14, "portgroups": 24, "volume": 32,
}

// freshNode is what a new node has where nothing was said.
func freshNode() doc {
	return doc{
		"name": nil, "driver": "", "driver_info": doc{}, "driver_internal_info": doc{}, "properties": doc{}, "extra": doc{}, "instance_info": doc{},
		"instance_uuid": nil, "chassis_uuid": nil, "resource_class": nil, "provision_state": "enroll", "target_provision_state": nil,
		"power_state": nil, "target_power_state": nil, "provision_updated_at": nil, "maintenance": false, "maintenance_reason": nil,
		"fault": nil, "last_error": nil, "reservation": nil, "clean_step": doc{}, "deploy_step": doc{}, "raid_config": doc{},
		"target_raid_config": doc{}, "console_enabled": false, "inspection_started_at": nil, "inspection_finished_at": nil,
		"traits": []string{}, "conductor_group": "", "conductor": conductor, "automated_clean": nil, "protected": false,
		"protected_reason": nil, "owner": nil, "lessee": nil, "description": nil, "allocation_uuid": nil, "retired": false,
		"retired_reason": nil, "network_data": doc{}, "boot_mode": nil, "secure_boot": nil, "shard": nil, "updated_at": nil,
		"bios_interface": "no-bios", "boot_interface": "fake", "console_interface": "no-console", "deploy_interface": "fake",
		"inspect_interface": "no-inspect", "management_interface": "fake", "network_interface": "flat", "power_interface": "fake",
		"raid_interface": "no-raid", "rescue_interface": "no-rescue", "storage_interface": "noop", "vendor_interface": "no-vendor",
	}
}

func isNodeField(f string) bool {
	_, there := freshNode()[f]
	return there || f == "uuid" || f == "created_at"
}

// nodeInput are the fields that a create may have.
var nodeInput = append(slices.Clone(patchable), "uuid", "console_enabled", "boot_mode", "secure_boot")

func (c *Cloud) newNode(in doc) *object {
	d := freshNode()
	for key, value := range in {
		if value != nil {
			d[key] = value
		}
	}
	id := cmpOr(in.str("uuid"), uuid.NewString())
	d["uuid"], d["created_at"], d["conductor_group"] = id, c.metalNow(), strings.ToLower(d.str("conductor_group"))
	return c.put(&object{kind: "node", id: id, doc: d})
}

var logicalName = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

func createNode(q *call) (any, error) {
	in := q.body
	self := q.token.has("admin") || q.token.has("service") // for a project, if that is what his token is for
	if !self {
		return nil, q.mayMetal("baremetal:node:create", administersSystem, nil)
	}
	for key := range in {
		if !slices.Contains(nodeInput, key) || key == "protected" || key == "protected_reason" {
			return nil, badRequest("Schema error for node: Additional properties are not allowed ('%s' was unexpected)", key)
		}
		if err := q.since(nodeFieldSince[key]); err != nil && in[key] != nil {
			return nil, err
		}
	}
	switch {
	case !in.has("driver"):
		return nil, badRequest("Schema error for node: 'driver' is a required property")
	case in.str("driver") != hardware:
		return nil, badRequest("No valid host was found. Reason: No conductor service registered which supports driver %s for conductor group \"%s\".", in.str("driver"), in.str("conductor_group"))
	}
	if !q.token.system {
		if owner := in.str("owner"); owner != "" && owner != q.project() {
			return nil, badRequest("Cannot create a node as a project scoped admin with an owner other than your own project.")
		}
		in["owner"] = q.project()
	}
	if err := checkInterfaces(in); err != nil {
		return nil, err
	}
	if err := q.uniqueNode(nil, in); err != nil {
		return nil, err
	}
	node := q.newNode(in)
	if q.microversion() < 11 {
		node.doc["provision_state"] = "available"
	}
	return q.nodeView(node), nil
}

// uniqueNode refuses names and ids that another node has.
func (q *call) uniqueNode(self *object, d doc) error {
	name := d.str("name")
	if name != "" && (!logicalName.MatchString(name) || isUUID(name)) {
		return badRequest("Cannot create node with invalid name '%s'", name)
	}
	other := func(match func(*object) bool) bool {
		return q.first("node", func(o *object) bool { return o != self && match(o) }) != nil
	}
	switch {
	case name != "" && other(func(o *object) bool { return o.name() == name }):
		return fail(http.StatusConflict, "", "A node with name %s already exists.", name)
	case d.str("uuid") != "" && other(func(o *object) bool { return o.id == d.str("uuid") }):
		return fail(http.StatusConflict, "", "A node with UUID %s already exists.", d.str("uuid"))
	case d.str("instance_uuid") != "" && other(func(o *object) bool { return o.doc.str("instance_uuid") == d.str("instance_uuid") }):
		return fail(http.StatusConflict, "", "Instance %s is already associated with a node, it cannot be associated with this other node %s", d.str("instance_uuid"), d.str("uuid"))
	}
	return nil
}

const redacted = "******"

// nodeView is what the caller sees of a node in the version that he asked for.
func (q *call) nodeView(o *object) doc {
	out := o.doc.public()
	if !q.holds(readsSystem, o.doc.str("owner"), "") && (q.project() == "" || o.doc.str("owner") != q.project()) {
		out["last_error"] = "** Value Redacted - Requires baremetal:node:get:last_error permission. **"
		out["reservation"] = "** Redacted - requires baremetal:node:get:reservation permission. **"
		out["driver_internal_info"] = doc{"content": "** Redacted - Requires baremetal:node:get:driver_internal_info permission. **"}
		out["driver_info"] = doc{"content": "** Redacted - requires baremetal:node:get:driver_info permission. **"}
	}
	instance := maps.Clone(o.doc.sub("instance_info"))
	for _, key := range []string{"configdrive", "image_url"} {
		if instance.has(key) {
			instance[key] = redacted
		}
	}
	out["instance_info"] = instance
	out["links"] = q.metalLinks("nodes", o.id)
	for _, part := range []string{"ports", "states", "portgroups", "volume"} {
		out[part] = q.metalLinks("nodes", o.id+"/"+part)
	}
	version := q.microversion()
	for key, minor := range nodeFieldSince {
		if version < minor {
			delete(out, key)
		}
	}
	if version < 2 && out["provision_state"] == "available" {
		out["provision_state"] = nil
	}
	return out
}

func listNodes(detail bool) func(*call) (any, error) {
	return func(q *call) (any, error) {
		project, err := q.allNodes(q.query.Get("project"))
		if err != nil {
			return nil, err
		}
		own := func(key string) func(*object, string) bool {
			return func(o *object, value string) bool { return equals(o.doc[key], value) }
		}
		flag := func(key string) func(*object, string) bool {
			return func(o *object, value string) bool { return o.doc.flag(key, false) == isTrue(value) }
		}
		filters := map[string]func(*object, string) bool{
			"maintenance": flag("maintenance"), "retired": flag("retired"),
			"associated": func(o *object, value string) bool { return o.doc.has("instance_uuid") == isTrue(value) },
			"sharded":    func(o *object, value string) bool { return o.doc.has("shard") == isTrue(value) },
			"shard": func(o *object, value string) bool {
				return slices.Contains(strings.Split(value, ","), o.doc.str("shard"))
			},
			"description_contains": func(o *object, value string) bool { return strings.Contains(o.doc.str("description"), value) },
			"project":              func(*object, string) bool { return true }, // below
		}
		for _, key := range []string{"instance_uuid", "provision_state", "driver", "resource_class", "fault", "conductor_group", "conductor", "owner", "lessee", "chassis_uuid"} {
			filters[key] = own(key)
		}
		if state := q.query.Get("provision_state"); state != "" && !isNodeState(state) {
			return nil, badRequest("Provision state \"%s\" is not valid", state)
		}
		return q.listMetal(metalListing{
			kind: "node", collection: "nodes", render: q.nodeView, match: filters,
			plain: []string{"instance_uuid", "maintenance", "power_state", "provision_state", "uuid", "name"},
			since: map[string]int{"provision_state": 9, "driver": 16, "resource_class": 21, "fault": 42, "conductor_group": 46, "conductor": 49, "owner": 50, "description_contains": 51, "lessee": 65, "shard": 82, "sharded": 82},
			sees: func(o *object) bool {
				return project == "" || o.doc.str("owner") == project || o.doc.str("lessee") == project
			},
		}, detail)
	}
}

func showNode(q *call) (any, error) {
	node, err := q.node("baremetal:node:get", readsNode)
	if err != nil {
		return nil, err
	}
	var fields []string
	if asked := q.query.Get("fields"); asked != "" {
		fields = strings.Split(asked, ",")
		if err := q.validFields("node", fields); err != nil {
			return nil, err
		}
	}
	return only(q.nodeView(node), fields), nil
}

func deleteNode(q *call) (any, error) {
	node, err := q.node("baremetal:node:delete", administersSystem)
	if err != nil {
		return nil, err
	}
	state, maintenance := node.doc.str("provision_state"), node.doc.flag("maintenance", false)
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	switch {
	case !maintenance && node.doc.has("instance_uuid"):
		return nil, fail(http.StatusConflict, "", "Node %s is associated with instance %s.", node.id, node.doc.str("instance_uuid"))
	case node.doc.flag("protected", false):
		return nil, protectedNode(node)
	case !maintenance && !slices.Contains([]string{"manageable", "enroll", "adopt failed", "available"}, state):
		return nil, fail(http.StatusConflict, "", "Can not delete node \"%s\" while it is in provision state \"%s\". Valid provision states to perform deletion are: \"('manageable', 'enroll', 'adopt failed', 'available')\", or set the node into maintenance mode", node.id, state)
	}
	for _, k := range []nicKind{metalPorts, metalPortgroups} {
		for _, nic := range q.with(k.kind, "node_uuid", node.id) {
			q.remove(nic)
		}
	}
	if a := q.get("allocation", node.doc.str("allocation_uuid")); a != nil {
		q.remove(a)
	}
	q.powerOff(node, func() { q.forget(node.id) })
	q.remove(node)
	return nil, nil
}

func protectedNode(node *object) error {
	return fail(http.StatusForbidden, "", "Node %s is protected and cannot be undeployed, rebuilt or deleted", node.id)
}

func setMaintenance(on bool) func(*call) (any, error) {
	return func(q *call) (any, error) {
		node, err := q.node(map[bool]string{true: "baremetal:node:set_maintenance", false: "baremetal:node:clear_maintenance"}[on], runsNode)
		if err != nil {
			return nil, err
		}
		if err := q.lockable(node); err != nil {
			return nil, err
		}
		node.doc["maintenance"], node.doc["maintenance_reason"] = on, nil
		if on && q.body.has("reason") {
			node.doc["maintenance_reason"] = q.body["reason"]
		}
		if !on {
			node.doc["fault"] = nil
		}
		node.doc["updated_at"] = q.metalNow()
		return nil, nil
	}
}
