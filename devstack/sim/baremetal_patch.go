package sim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// patchable are the fields of a node that a patch may change.
var patchable = []string{
	"automated_clean", "bios_interface", "boot_interface", "chassis_uuid", "conductor_group", "console_interface", "deploy_interface",
	"description", "driver", "driver_info", "extra", "inspect_interface", "instance_info", "instance_uuid", "lessee", "maintenance",
	"management_interface", "name", "network_data", "network_interface", "owner", "power_interface", "properties", "protected",
	"protected_reason", "raid_interface", "rescue_interface", "resource_class", "retired", "retired_reason", "shard",
	"storage_interface", "vendor_interface",
}

// patchOp is one of a JSON patch.
type patchOp struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

var patchPath = regexp.MustCompile(`^(/[\w-]+)+$`)

// readPatch reads the body as Ironic does: three operations, on some fields only.
func (q *call) readPatch(allowed []string) ([]patchOp, error) {
	var ops []patchOp
	if err := json.Unmarshal(q.raw, &ops); err != nil {
		return nil, badRequest("Schema error for patch: %s is not of type 'array'", q.raw)
	}
	for _, op := range ops {
		root := strings.SplitN(op.Path, "/", 3)
		switch {
		case !slices.Contains([]string{"add", "replace", "remove"}, op.Op):
			return nil, badRequest("Schema error for patch: '%s' is not one of ['add', 'replace', 'remove']", op.Op)
		case !patchPath.MatchString(op.Path):
			return nil, badRequest("Schema error for patch: '%s' does not match '^(/[\\\\w-]+)+$'", op.Path)
		case !slices.Contains(allowed, root[1]):
			return nil, badRequest("Cannot patch %s. Only the following can be updated: %s", op.Path, strings.Join(allowed, ", "))
		case op.Op != "remove" && op.Value == nil:
			return nil, badRequest("Couldn't apply patch '%v'. Reason: The operation does not contain a 'value' member", op)
		}
	}
	return ops, nil
}

// patched applies a patch to what an object has in the fields that may change, one operation after the other.
func patched(o *object, ops []patchOp, allowed []string, defaults doc) (doc, error) {
	before := doc{}
	for _, key := range allowed {
		before[key] = o.doc[key]
	}
	raw, err := json.Marshal(before)
	if err != nil {
		return nil, err
	}
	for _, op := range ops {
		one, err := json.Marshal([]patchOp{op})
		if err != nil {
			return nil, err
		}
		p, err := jsonpatch.DecodePatch(one)
		if err == nil {
			raw, err = p.Apply(raw)
		}
		if err != nil {
			return nil, badRequest("Couldn't apply patch '%s'. Reason: %s", one, err)
		}
	}
	var after doc
	if err := json.Unmarshal(raw, &after); err != nil {
		return nil, err
	}
	for _, key := range allowed {
		if after[key] == nil {
			after[key] = defaults[key]
		}
	}
	return after, nil
}

// patchRule is who may change the fields whose paths begin so. The first that fits counts.
var patchRules = []struct {
	prefix, rule string
	right        metalRight
}{
	{"/instance_info", "update_instance_info", runsNode}, {"/extra", "update_extra", usesNode},
	{"/automated_clean", "disable_cleaning", administersSystem}, {"/driver_info", "update:driver_info", ownsNode},
	{"/properties", "update:properties", ownsNode}, {"/chassis_uuid", "update:chassis_uuid", administersSystem},
	{"/instance_uuid", "update:instance_uuid", ownsNode}, {"/lessee", "update:lessee", ownsNode},
	{"/owner", "update:owner", worksOnSystem}, {"/driver", "update:driver_interfaces", managesNode},
	{"/network_data", "update:network_data", ownsNode}, {"/conductor_group", "update:conductor_group", worksOnSystem},
	{"/name", "update:name", ownsNode}, {"/retired", "update:retired", ownsNode}, {"/shard", "update:shard", administersWhole},
}

func (q *call) mayPatch(node *object, ops []patchOp) error {
	if len(ops) == 0 {
		return q.mayMetal("baremetal:node:update", usesNode, node)
	}
	for _, op := range ops {
		rule, right := "update", usesNode
		if strings.HasSuffix(op.Path, "_interface") {
			rule, right = "update:driver_interfaces", managesNode
		}
		for _, r := range patchRules {
			if strings.HasPrefix(op.Path, r.prefix) && (r.prefix != "/automated_clean" || string(op.Value) == "false") {
				rule, right = r.rule, r.right
				break
			}
		}
		if err := q.mayMetal("baremetal:node:"+rule, right, node); err != nil {
			return err
		}
	}
	return nil
}

// changeableIn are the states on the way to another one in which a node may be changed all the same.
var changeableIn = []string{"deploy failed", "inspecting", "inspect failed", "inspect wait", "clean failed", "error", "verifying", "adopt failed"}

func patchNode(q *call) (any, error) {
	ops, err := q.readPatch(append(slices.Clone(patchable), "traits"))
	if err != nil {
		return nil, err
	}
	for _, op := range ops {
		root := strings.SplitN(op.Path, "/", 3)[1]
		if err := q.since(nodeFieldSince[root]); err != nil && op.Op != "remove" {
			return nil, err
		}
		if root == "traits" {
			return nil, badRequest("Cannot update node traits via node patch. Node traits should be updated via the node traits API.")
		}
	}
	node, err := q.node("baremetal:node:get", readsNode)
	if err != nil {
		return nil, err
	}
	if err := q.mayPatch(node, ops); err != nil {
		return nil, err
	}
	forget := len(ops) == 1 && ops[0].Op == "remove" && ops[0].Path == "/instance_uuid" && node.doc.flag("maintenance", false)
	if !forget && node.doc.has("target_provision_state") && !slices.Contains(changeableIn, node.doc.str("provision_state")) {
		return nil, fail(http.StatusConflict, "", "Node %s can not be updated while a state transition is in progress.", q.arg("node"))
	}
	after, err := patched(node, ops, patchable, freshNode())
	if err != nil {
		return nil, err
	}
	if err := q.checkPatched(node, after); err != nil {
		return nil, err
	}
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	q.applyNode(node, after)
	return q.nodeView(node), nil
}

// checkPatched refuses what a node must not become.
func (q *call) checkPatched(node *object, after doc) error {
	for _, key := range []string{"maintenance", "protected", "retired", "automated_clean"} {
		if s, is := after[key].(string); is {
			if err := checkFlag(key, s); err != nil {
				return err
			}
			after[key] = isTrue(s)
		}
	}
	for _, key := range []string{"driver_info", "extra", "instance_info", "properties", "network_data"} {
		if asDoc(after[key]) == nil {
			return badRequest("Schema error for patch: '%v' is not of type 'object', 'null'", after[key])
		}
	}
	for _, key := range []string{"description", "lessee", "name", "owner", "resource_class", "retired_reason", "conductor_group", "instance_uuid"} {
		if _, is := after[key].(string); after.has(key) && !is {
			return badRequest("Schema error for patch: %v is not of type 'string', 'null'", after[key])
		}
	}
	if after.str("driver") == "" {
		return badRequest("Schema error for patch: 'driver' is a required property")
	}
	if data := after.sub("network_data"); len(data) > 0 && !data.has("links") {
		return badRequest("Invalid network_data: 'links' is a required property ")
	}
	if id := after.str("instance_uuid"); id != "" && !isUUID(id) {
		return badRequest("Expected UUID for instance_uuid: %s", id)
	}
	if err := checkInterfaces(after); err != nil {
		return err
	}
	if err := q.uniqueNode(node, doc{"name": after["name"], "instance_uuid": after["instance_uuid"]}); err != nil {
		return err
	}
	for _, check := range []func(*object, doc) error{checkFlags, q.checkOwner, checkActive, checkInstance} {
		if err := check(node, after); err != nil {
			return err
		}
	}
	return nil
}

// checkFlags is about nodes that are protected or retired.
func checkFlags(node *object, after doc) error {
	state := node.doc.str("provision_state")
	became := func(key string) bool { return after.flag(key, false) && !node.doc.flag(key, false) }
	switch {
	case became("protected") && state != "active":
		return fail(http.StatusConflict, "", "Node %s can only be made protected in provision states 'active' or 'rescue', the current state is '%s'", node.id, state)
	case after.has("protected_reason") && !after.flag("protected", false) && !node.doc.flag("protected", false):
		return badRequest("The protected_reason field can only be set when protected is True")
	case became("retired") && state == "available":
		return fail(http.StatusConflict, "", "Node %s can not have 'retired' set in provision state 'available', the current state is '%s'", node.id, state)
	case after.has("retired_reason") && !after.flag("retired", false) && !node.doc.flag("retired", false):
		return badRequest("The retired_reason field can only be set when retired is True")
	}
	return nil
}

func (q *call) checkOwner(node *object, after doc) error {
	if after.str("owner") == node.doc.str("owner") {
		return nil
	}
	if node.doc.str("provision_state") == "active" && !q.holds(administersSystem, "", "") {
		return fail(http.StatusConflict, "", "Cannot update owner of node \"%s\" while it is in state \"active\".", node.id)
	}
	if a := q.get("allocation", node.doc.str("allocation_uuid")); a != nil && a.doc.has("owner") {
		return fail(http.StatusConflict, "", "Cannot update owner of node \"%s\" while it is allocated to an allocation with an  owner.", node.id)
	}
	return nil
}

// atRest are the states in which everything about a node may be changed.
var atRest = []string{"enroll", "inspecting", "inspect wait", "manageable", "available"}

// checkActive keeps what an instance was made with.
func checkActive(node *object, after doc) error {
	free := slices.Contains(atRest, node.doc.str("provision_state"))
	for _, key := range patchable {
		if !strings.HasSuffix(key, "_interface") || after.str(key) == node.doc.str(key) {
			continue
		}
		if !free && !node.doc.flag("maintenance", false) {
			return fail(http.StatusConflict, "", "Node %s can not have %s updated unless it is in one of allowed (%s) states or in maintenance mode.", node.id, key, strings.Join(atRest, ", "))
		}
	}
	if after.str("resource_class") != node.doc.str("resource_class") && node.doc.has("resource_class") && !free {
		return fail(http.StatusConflict, "", "Node %s can not have resource_class updated unless it is in one of allowed (%s) states.", node.id, strings.Join(atRest, ", "))
	}
	return nil
}

// checkInstance lets nobody take a node that another one has.
func checkInstance(node *object, after doc) error {
	old, now := node.doc.str("instance_uuid"), after.str("instance_uuid")
	switch {
	case old == now:
		return nil
	case old != "" && now != "":
		return fail(http.StatusConflict, "", "Node %s is associated with instance %s.", node.id, old)
	case now == "" && node.doc.has("allocation_uuid") && !node.doc.flag("maintenance", false) && !slices.Contains(atRest, node.doc.str("provision_state")):
		return fail(http.StatusConflict, "", "Node %s with an allocation can not have instance_uuid removed unless it is in one of allowed (%s) states or in maintenance mode.", node.id, strings.Join(atRest, ", "))
	}
	return nil
}

func (c *Cloud) applyNode(node *object, after doc) {
	if node.doc.flag("maintenance", false) && !after.flag("maintenance", false) {
		node.doc["maintenance_reason"], node.doc["fault"] = nil, nil
	}
	for _, key := range []string{"protected", "retired"} {
		if !after.flag(key, false) {
			after[key+"_reason"] = nil
		}
	}
	if a := c.get("allocation", node.doc.str("allocation_uuid")); a != nil && !after.has("instance_uuid") {
		c.freeNode(a)
	}
	after["conductor_group"] = strings.ToLower(after.str("conductor_group"))
	for key, value := range after {
		node.doc[key] = value
	}
	node.doc["updated_at"] = c.metalNow()
}
