package sim

import "net/http"

// metalRight is who may do something in Ironic, beside administrators: the legacy policies, and the new ones by scope
// and by who owns or leases a node. SecureRBAC has only the new ones count.
type metalRight int

const (
	readsSystem       metalRight = iota // a reader of the whole system, or a service
	readsNode                           // and readers in the owner's or lessee's project
	usesNode                            // members in those
	runsNode                            // the owner's members, and the lessee's managers
	ownsNode                            // the owner's members
	managesNode                         // the owner's managers
	worksOnSystem                       // a member of the whole system
	administersSystem                   // its administrator
	administersWhole                    // its administrator by a token for the system, whatever the policies' form
)

// holds tells whether the caller has a right over what belongs to owner and lessee. Role service counts for the system, and
// for a project that owns the node; in the services' own project it is nothing special unless Ironic is configured so.
func (q *call) holds(right metalRight, owner, lessee string) bool {
	t := q.token
	administrator := t.has("admin") && (t.system || !q.options.SecureRBAC)
	member := administrator || t.has("member") && t.system
	mine := t.projectID != "" && owner == t.projectID
	leased := t.projectID != "" && lessee == t.projectID
	service := member || t.has("service") && (t.system || mine)
	switch right {
	case readsSystem:
		return member || (t.has("reader") || t.has("service")) && t.system
	case readsNode:
		return service || t.has("reader") && (t.system || mine || leased)
	case usesNode:
		return member || t.has("service") && t.system || t.has("member") && (mine || leased)
	case runsNode:
		return service || t.has("member") && mine || t.has("manager") && leased
	case ownsNode:
		return service || t.has("member") && mine
	case managesNode:
		return service || t.has("manager") && mine
	case worksOnSystem:
		return member
	case administersWhole:
		return t.has("admin") && t.system
	}
	return administrator
}

// forSystem refuses what only a token for the whole system is good for. Ironic of this age has no words for the wrong scope.
func (q *call) forSystem(rule string) error {
	if q.options.SecureRBAC && !q.token.system {
		return fail(http.StatusInternalServerError, "", "%q requires a scope of ['system'], request was made with project scope.", rule)
	}
	return q.mayMetal(rule, readsSystem, nil)
}

// mayMetal refuses what the caller has no right to. node is nil for what is about no node.
func (q *call) mayMetal(rule string, right metalRight, node *object) error {
	owner, lessee := "", ""
	if node != nil {
		owner, lessee = node.doc.str("owner"), node.doc.str("lessee")
	}
	if q.holds(right, owner, lessee) {
		return nil
	}
	return fail(http.StatusForbidden, "", "Access was denied to the following resource: %s", rule)
}

// node finds the node of the path, which the caller sees and has a right over. What he does not see is not there.
func (q *call) node(rule string, right metalRight) (*object, error) {
	ident := q.arg("node")
	node := q.nodeBy(ident)
	if node == nil || q.mayMetal("baremetal:node:get", readsNode, node) != nil {
		return nil, nodeMissing(ident)
	}
	return node, q.mayMetal(rule, right, node)
}

// nodeBy finds a node by name or id.
func (c *Cloud) nodeBy(ident string) *object {
	if isUUID(ident) {
		return c.get("node", ident)
	}
	return c.first("node", func(o *object) bool { return ident != "" && o.name() == ident })
}

func nodeMissing(ident string) error {
	return fail(http.StatusNotFound, "", "Node %s could not be found.", ident)
}

// allNodes tells whether a list has everything, or which project's nodes.
func (q *call) allNodes(project string) (string, error) {
	switch {
	case q.holds(readsSystem, "", ""):
		return project, nil
	case q.token.projectID == "" || project != "" && project != q.token.projectID, !q.token.has("reader") && !q.token.has("service"):
		return "", fail(http.StatusForbidden, "", "Access was denied to the following resource: baremetal:node:list_all")
	}
	return q.token.projectID, nil
}
