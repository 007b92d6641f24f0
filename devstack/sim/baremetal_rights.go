package sim

import "net/http"

// metalRight is who may do something in Ironic, beside administrators: the legacy policies, and the new ones by scope
// and by who owns or leases a node. SecureRBAC has only the new ones count.
type metalRight int

const (
	readsSystem       metalRight = iota // a reader of the whole system, or the service
	readsNode                           // and readers in the owner's or lessee's project
	usesNode                            // members in those
	runsNode                            // the owner's members, and the lessee's managers
	ownsNode                            // the owner's members
	managesNode                         // the owner's managers
	worksOnSystem                       // a member of the whole system, or the service
	administersSystem                   // its administrator
	administersWhole                    // its administrator by a token for the system, whatever the policies' form
)

// holds tells whether the caller has a right over what belongs to owner and lessee.
func (q *call) holds(right metalRight, owner, lessee string) bool {
	t := q.token
	administrator := t.has("admin") && (t.system || !q.options.SecureRBAC)
	service := t.has("service") && (t.system || t.projectID == q.serviceProject())
	member := administrator || service || t.has("member") && t.system
	mine := t.projectID != "" && owner == t.projectID
	leased := t.projectID != "" && lessee == t.projectID
	switch right {
	case readsSystem:
		return member || t.has("reader") && t.system
	case readsNode:
		return member || t.has("reader") && (t.system || mine || leased)
	case usesNode:
		return member || t.has("member") && (mine || leased)
	case runsNode:
		return member || t.has("member") && mine || t.has("manager") && leased
	case ownsNode:
		return member || t.has("member") && mine
	case managesNode:
		return member || t.has("manager") && mine
	case worksOnSystem:
		return member
	case administersWhole:
		return t.has("admin") && t.system
	}
	return administrator
}

// serviceProject is the project whose users with role service are services.
func (c *Cloud) serviceProject() string {
	if p := c.first("project", func(o *object) bool { return o.name() == "service" && o.doc.str("domain_id") == "default" }); p != nil {
		return p.id
	}
	return ""
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
