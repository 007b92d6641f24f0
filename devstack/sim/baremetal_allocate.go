package sim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// allocate looks for a node.
func (c *Cloud) allocate(a *object) {
	if !c.alive(a) {
		return
	}
	nodes := c.suitable(a)
	if len(nodes) == 0 {
		why := fmt.Sprintf("no available nodes match the resource class %s", a.doc.str("resource_class"))
		if len(a.doc.strs("candidate_nodes")) > 0 {
			why = fmt.Sprintf("none of the requested nodes are available and match the resource class %s", a.doc.str("resource_class"))
		}
		c.failAllocation(a, why)
		return
	}
	nodes = slices.DeleteFunc(nodes, func(n *object) bool { return !hasTraits(n, a) })
	if len(nodes) == 0 {
		c.failAllocation(a, "no suitable nodes have the requested traits "+strings.Join(a.doc.strs("traits"), ", "))
		return
	}
	rand.Shuffle(len(nodes), func(i, k int) { nodes[i], nodes[k] = nodes[k], nodes[i] })
	if i := slices.IndexFunc(nodes, func(n *object) bool { return n.name() == a.name() }); i > 0 {
		nodes[0], nodes[i] = nodes[i], nodes[0]
	}
	i := slices.IndexFunc(nodes, func(n *object) bool { return !n.doc.has("reservation") })
	if i < 0 {
		c.failAllocation(a, fmt.Sprintf("could not reserve any of %d suitable nodes", len(nodes)))
		return
	}
	c.giveNode(a, nodes[i])
}

// suitable are the nodes that are free, and of the resource class.
func (c *Cloud) suitable(a *object) []*object {
	candidates, owner := a.doc.strs("candidate_nodes"), a.doc.str("owner")
	return c.find("node", func(n *object) bool {
		return n.doc.str("resource_class") == a.doc.str("resource_class") && n.doc.str("provision_state") == "available" &&
			!n.doc.has("instance_uuid") && n.doc.has("power_state") && !n.doc.flag("maintenance", false) &&
			(len(candidates) == 0 || slices.Contains(candidates, n.id)) &&
			(owner == "" || n.doc.str("owner") == owner || n.doc.str("lessee") == owner)
	})
}

func hasTraits(node, a *object) bool {
	return !slices.ContainsFunc(a.doc.strs("traits"), func(t string) bool { return !slices.Contains(node.doc.strs("traits"), t) })
}

func (c *Cloud) giveNode(a, node *object) {
	a.doc["node_uuid"], a.doc["state"], a.doc["updated_at"] = node.id, "active", c.metalNow()
	node.doc["instance_uuid"], node.doc["allocation_uuid"], node.doc["updated_at"] = a.id, a.id, c.metalNow()
	node.doc.sub("instance_info")["traits"] = a.doc.strs("traits")
}

func (c *Cloud) failAllocation(a *object, why string) {
	if c.alive(a) {
		a.doc["state"], a.doc["updated_at"] = "error", c.metalNow()
		a.doc["last_error"] = fmt.Sprintf("Failed to process allocation %s: %s.", a.id, why)
	}
}

// backfill writes an allocation down for a node that has an instance already.
func (q *call) backfill(a, node *object) (any, error) {
	var errs []string
	if s := node.doc.str("provision_state"); s != "active" {
		errs = append(errs, fmt.Sprintf("Node must be in the \"active\" state, but the current state is \"%s\"", s))
	}
	if have, want := node.doc.str("resource_class"), a.doc.str("resource_class"); have != want {
		errs = append(errs, fmt.Sprintf("Resource class %s does not match the requested resource class %s", have, want))
	}
	if !hasTraits(node, a) {
		errs = append(errs, "List of traits does not match the requested traits")
	}
	if c := a.doc.strs("candidate_nodes"); len(c) > 0 && !slices.Contains(c, node.id) {
		errs = append(errs, "Candidate nodes must be empty or contain the target node")
	}
	if len(errs) > 0 {
		q.failAllocation(a, fmt.Sprintf("Cannot backfill an allocation for node %s: %s", node.id, strings.Join(errs, "; ")))
		return nil, fail(http.StatusInternalServerError, "", "%s", a.doc.str("last_error"))
	}
	if has := node.doc.str("instance_uuid"); has != "" && has != a.id {
		q.failAllocation(a, "the node has another instance")
		return nil, fail(http.StatusConflict, "", "Node %s is associated with instance %s.", node.id, has)
	}
	q.giveNode(a, node)
	return q.allocationView(a), nil
}
