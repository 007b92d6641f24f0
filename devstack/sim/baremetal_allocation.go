package sim

import (
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// allocationsThere refuses versions that have no allocations.
func (q *call) allocationsThere() error {
	if q.microversion() >= 52 {
		return nil
	}
	status := http.StatusMethodNotAllowed
	if q.r.Method == http.MethodGet {
		status = http.StatusNotFound
	}
	return fail(status, "", "The API version does not allow allocations")
}

func allocationMissing(ident string) error {
	return fail(http.StatusNotFound, "", "Allocation %s could not be found.", ident)
}

// ownsAllocation tells whether the caller has a role over an allocation, as a part of the system or in its owner's project.
func (q *call) ownsAllocation(a *object, role string, system metalRight) bool {
	owner := a.doc.str("owner")
	return q.holds(system, "", "") || owner != "" && owner == q.token.projectID && q.token.has(role)
}

// allocation finds the one of the path.
func (q *call) allocation(rule string) (*object, error) {
	if err := q.allocationsThere(); err != nil {
		return nil, err
	}
	ident := q.arg("allocation")
	a := q.get("allocation", ident)
	if a == nil {
		a = q.first("allocation", func(o *object) bool { return o.name() == ident })
	}
	if a == nil || !q.ownsAllocation(a, "reader", readsSystem) {
		return nil, allocationMissing(ident)
	}
	if rule != "get" && !q.ownsAllocation(a, "member", worksOnSystem) {
		return nil, fail(http.StatusForbidden, "", "Access was denied to the following resource: baremetal:allocation:%s", rule)
	}
	return a, nil
}

func (q *call) allocationView(o *object) doc {
	out := o.doc.public()
	out["links"] = q.metalLinks("allocations", o.id)
	if q.microversion() < 60 {
		delete(out, "owner")
	}
	return out
}

func listAllocations(q *call) (any, error) {
	if err := q.allocationsThere(); err != nil {
		return nil, err
	}
	project := ""
	if !q.holds(readsSystem, "", "") {
		project = q.token.projectID
		if owner := q.query.Get("owner"); project == "" || owner != "" && owner != project {
			return nil, fail(http.StatusForbidden, "", "Access was denied to the following resource: baremetal:allocation:list_all")
		}
	}
	var node *object
	if ident := q.query.Get("node"); ident != "" {
		if node = q.nodeBy(ident); node == nil || q.mayMetal("baremetal:node:get", readsNode, node) != nil {
			return nil, badRequest("Node %s could not be found.", ident)
		}
	}
	own := func(key string) func(*object, string) bool {
		return func(o *object, value string) bool { return o.doc.str(key) == value }
	}
	return q.listMetal(metalListing{
		kind: "allocation", collection: "allocations", render: q.allocationView, since: map[string]int{"owner": 60},
		match: map[string]func(*object, string) bool{"node": func(o *object, _ string) bool { return o.doc.str("node_uuid") == node.id }, "resource_class": own("resource_class"), "state": own("state"), "owner": own("owner")},
		sees:  func(o *object) bool { return project == "" || o.doc.str("owner") == project },
	}, false)
}

func showAllocation(q *call) (any, error) {
	a, err := q.allocation("get")
	if err != nil {
		return nil, err
	}
	return q.allocationView(a), nil
}

// createAllocation writes down that a node is wanted; which one is found out afterwards.
func createAllocation(q *call) (any, error) {
	if err := q.allocationsThere(); err != nil {
		return nil, err
	}
	in := q.body
	for key := range in {
		if !slices.Contains([]string{"candidate_nodes", "extra", "name", "node", "owner", "resource_class", "traits", "uuid"}, key) {
			return nil, badRequest("Schema error for allocation: Additional properties are not allowed ('%s' was unexpected)", key)
		}
	}
	if err := checkTraits("allocation", in.strs("traits")); err != nil {
		return nil, err
	}
	owner, err := q.allocationOwner(in)
	if err != nil {
		return nil, err
	}
	node, class, err := q.backfilled(in)
	if err != nil {
		return nil, err
	}
	candidates, err := q.candidates(in)
	if err != nil {
		return nil, err
	}
	id := in.str("uuid")
	if node != nil && id == "" {
		id = node.doc.str("instance_uuid")
	}
	if err := q.uniqueAllocation(in.str("name"), id); err != nil {
		return nil, err
	}
	id = cmpOr(id, uuid.NewString())
	extra := in.sub("extra")
	if extra == nil {
		extra = doc{}
	}
	a := q.put(&object{kind: "allocation", id: id, project: owner, doc: doc{
		"uuid": id, "name": in["name"], "node_uuid": nil, "state": "allocating", "last_error": nil, "resource_class": class, "extra": extra,
		"traits": in.strs("traits"), "candidate_nodes": candidates, "owner": orNull(owner), "created_at": q.metalNow(), "updated_at": nil,
	}})
	if node != nil {
		return q.backfill(a, node)
	}
	q.start(q.options.Latency.Allocation, func() { q.allocate(a) }, func(message string) { q.failAllocation(a, message) })
	return q.allocationView(a), nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// allocationOwner is whose the allocation becomes, and thereby whose nodes it may come to. Members ask for their own
// project's, and under the legacy policies for anybody's.
func (q *call) allocationOwner(in doc) (string, error) {
	owner := in.str("owner")
	if owner != "" {
		if err := q.since(60); err != nil {
			return "", err
		}
	}
	system := q.holds(worksOnSystem, "", "")
	switch {
	case !system && !q.token.has("member"):
		return "", fail(http.StatusForbidden, "", "Access was denied to the following resource: baremetal:allocation:create_restricted")
	case owner == "" && (!system || q.options.SecureRBAC && !q.token.system):
		return q.project(), nil
	case owner != "" && owner != q.project() && !system && q.options.SecureRBAC:
		return "", fail(http.StatusForbidden, "", "Cannot create allocation with an owner Project ID value %s not matching the requestor Project ID %s. Policy baremetal:allocation:create_restricted is required for this capability.", owner, q.project())
	}
	return owner, nil
}

// backfilled finds the node that an allocation is to be written down for after the fact, and the resource class.
func (q *call) backfilled(in doc) (*object, string, error) {
	class := in.str("resource_class")
	if ident := in.str("node"); ident != "" {
		if q.microversion() < 58 {
			return nil, "", badRequest("Cannot set node when creating an allocation in this API version")
		}
		node := q.nodeBy(ident)
		if node == nil || q.mayMetal("baremetal:node:get", readsNode, node) != nil {
			return nil, "", badRequest("Node %s could not be found.", ident)
		}
		return node, cmpOr(class, node.doc.str("resource_class")), nil
	}
	if class == "" {
		return nil, "", badRequest("The resource_class field is mandatory when not backfilling")
	}
	return nil, class, nil
}

// candidates are the ids of the nodes that are asked for.
func (q *call) candidates(in doc) ([]string, error) {
	out := []string{}
	for _, ident := range in.strs("candidate_nodes") {
		node := q.nodeBy(ident)
		if node == nil || q.mayMetal("baremetal:node:get", readsNode, node) != nil {
			return nil, badRequest("Nodes cannot be found: %s", ident)
		}
		out = append(out, node.id)
	}
	return out, nil
}

func (q *call) uniqueAllocation(name, id string) error {
	switch {
	case name != "" && (!logicalName.MatchString(name) || isUUID(name)):
		return badRequest("Cannot create allocation with invalid name '%s'", name)
	case id != "" && !isUUID(id):
		return badRequest("Expected UUID for uuid: %s", id)
	case name != "" && q.first("allocation", func(o *object) bool { return o.name() == name }) != nil:
		return fail(http.StatusConflict, "", "An allocation with name %s already exists.", name)
	case id != "" && q.get("allocation", id) != nil:
		return fail(http.StatusConflict, "", "An allocation with UUID %s already exists.", id)
	}
	return nil
}

// freeNode removes an allocation, and the instance from its node.
func (c *Cloud) freeNode(a *object) {
	c.remove(a)
	if node := c.get("node", a.doc.str("node_uuid")); node != nil {
		node.doc["instance_uuid"], node.doc["allocation_uuid"] = nil, nil
	}
}

func patchAllocation(q *call) (any, error) {
	if q.microversion() < 57 {
		return nil, fail(http.StatusMethodNotAllowed, "", "The API version does not allow updating allocations")
	}
	fields := []string{"name", "extra"}
	a, err := q.allocation("update")
	if err != nil {
		return nil, err
	}
	ops, err := q.readPatch(fields)
	if err != nil {
		return nil, err
	}
	after, err := patched(a, ops, fields, doc{"extra": doc{}})
	if err != nil {
		return nil, err
	}
	if after.str("name") != a.name() {
		if err := q.uniqueAllocation(after.str("name"), ""); err != nil {
			return nil, err
		}
	}
	a.doc["name"], a.doc["extra"], a.doc["updated_at"] = after["name"], after["extra"], q.metalNow()
	return q.allocationView(a), nil
}

func deleteAllocation(q *call) (any, error) {
	a, err := q.allocation("delete")
	if err != nil {
		return nil, err
	}
	return nil, q.deallocate(a)
}

// deallocate gives the node back, unless it is in use.
func (q *call) deallocate(a *object) error {
	if node := q.get("node", a.doc.str("node_uuid")); node != nil {
		if err := q.lockable(node); err != nil {
			return err
		}
		state := node.doc.str("provision_state")
		changing := node.doc.has("target_provision_state") && !slices.Contains(changeableIn, state)
		if (changing || state == "active") && !node.doc.flag("maintenance", false) {
			return fail(http.StatusConflict, "", "Cannot remove allocation %s for node %s, because the node is in state %s where updates are not allowed (and maintenance mode is off)", a.id, node.id, state)
		}
	}
	q.freeNode(a)
	return nil
}

// nodeAllocation is the allocation of the node of the path.
func (q *call) nodeAllocation() (*object, error) {
	if q.microversion() < 52 {
		return nil, fail(http.StatusNotFound, "", "The API version does not allow allocations")
	}
	node, err := q.node("baremetal:node:get", readsNode)
	if err != nil {
		return nil, err
	}
	if a := q.get("allocation", node.doc.str("allocation_uuid")); a != nil {
		return a, nil
	}
	return nil, fail(http.StatusNotFound, "", "Allocation for node %s was not found", q.arg("node"))
}

func showNodeAllocation(q *call) (any, error) {
	a, err := q.nodeAllocation()
	if err != nil {
		return nil, err
	}
	return q.allocationView(a), nil
}

func deleteNodeAllocation(q *call) (any, error) {
	a, err := q.nodeAllocation()
	if err != nil {
		return nil, err
	}
	if !q.ownsAllocation(a, "member", worksOnSystem) {
		return nil, fail(http.StatusForbidden, "", "Access was denied to the following resource: baremetal:allocation:delete")
	}
	return nil, q.deallocate(a)
}
