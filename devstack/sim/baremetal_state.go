package sim

import (
	"net/http"
	"slices"
	"time"
)

// Where a node can be taken from which state. What the conductor does by itself is not here.
var nodeActions = map[string][]string{
	"enroll":         {"manage"},
	"manageable":     {"provide", "clean", "inspect", "adopt"},
	"available":      {"active", "manage"},
	"wait call-back": {"deleted"},
	"active":         {"rebuild", "deleted", "rescue"},
	"deploy failed":  {"active", "rebuild", "deleted"},
	"clean wait":     {"abort"},
	"clean failed":   {"manage"},
	"adopt failed":   {"manage", "adopt"},
	"error":          {"rebuild", "deleted"},
}

// isNodeState tells whether a node can be in a state.
func isNodeState(s string) bool {
	return nodeActions[s] != nil || slices.Contains([]string{
		"verifying", "deploying", "deleting", "cleaning", "adopting", "inspecting", "inspect wait", "inspect failed", "rescue", "rescuing",
		"rescue wait", "rescue failed", "unrescuing", "unrescue failed",
	}, s)
}

// verbSince has the version that brought an action.
var verbSince = map[string]int{"manage": 4, "provide": 4, "inspect": 6, "abort": 13, "clean": 15, "adopt": 17, "rescue": 38, "unrescue": 38, "deploy": 73, "undeploy": 73}

// setProvision is PUT /nodes/{node}/states/provision.
func setProvision(q *call) (any, error) {
	node, err := q.node("baremetal:node:set_provision_state", runsNode)
	if err != nil {
		return nil, err
	}
	target := q.body.str("target")
	if target == "" {
		return nil, badRequest("Missing mandatory parameter: target")
	}
	if err := q.since(verbSince[target]); err != nil {
		return nil, err
	}
	verb := cmpOr(map[string]string{"deploy": "active", "undeploy": "deleted"}[target], target)
	if err := q.actionable(node, target, verb); err != nil {
		return nil, err
	}
	drive, err := q.readDrive(node, verb)
	if err != nil {
		return nil, err
	}
	if err := q.checkSteps(verb); err != nil {
		return nil, err
	}
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	switch verb {
	case "active", "rebuild":
		return nil, q.deploy(node, drive, verb == "rebuild")
	case "deleted":
		return nil, q.undeploy(node)
	case "provide":
		return nil, q.provide(node)
	case "manage":
		q.manage(node)
	case "clean":
		q.occupy(node, "cleaning", "manageable")
		q.clean(node, "manageable")
	case "abort":
		q.turn(node)
		node.doc["last_error"], node.doc["clean_step"] = "By request, the clean operation was aborted", doc{}
		q.settleNode(node, "clean failed", node.doc["target_provision_state"])
	case "adopt":
		q.occupy(node, "adopting", "active")
		q.start(q.options.Latency.NodePower, func() { q.settleNode(node, "active", nil) }, func(message string) {
			node.doc["last_error"] = message
			q.settleNode(node, "adopt failed", "active")
		})
	default:
		return nil, badRequest("Driver %s does not support %s (disabled or not implemented).", hardware, verb)
	}
	return nil, nil
}

// actionable checks that the state lets the node be taken there, in Ironic's order.
func (q *call) actionable(node *object, target, verb string) error {
	if (verb == "active" || verb == "rebuild") && node.doc.flag("maintenance", false) {
		return badRequest("The provisioning operation can't be performed on node %s because it's in maintenance mode.", node.id)
	}
	if slices.Contains(nodeActions[node.doc.str("provision_state")], verb) {
		return nil
	}
	if node.doc.has("reservation") {
		return nodeLocked(node)
	}
	return badRequest("The requested action \"%s\" can not be performed on node \"%s\" while it is in state \"%s\".", target, node.id, node.doc.str("provision_state"))
}

// checkSteps looks at the steps that come with a request.
func (q *call) checkSteps(verb string) error {
	deploys := verb == "active" || verb == "rebuild"
	if steps := q.body.list("deploy_steps"); len(steps) > 0 {
		if err := q.since(69); err != nil {
			return err
		}
		if !deploys {
			return badRequest("\"deploy_steps\" is only valid when setting target provision state to active or rebuild")
		}
		for _, s := range q.body.docs("deploy_steps") {
			for _, key := range []string{"interface", "step", "args", "priority"} {
				if !s.has(key) {
					return badRequest("Invalid deploy_steps: '%s' is a required property", key)
				}
			}
		}
	}
	steps := q.body.docs("clean_steps")
	switch {
	case verb == "clean" && len(steps) == 0:
		return badRequest("\"clean_steps\" is required when setting target provision state to clean")
	case verb != "clean" && len(steps) > 0:
		return badRequest("\"clean_steps\" is only valid when setting target provision state to clean")
	}
	return nil
}

func nodeLocked(node *object) error {
	return fail(http.StatusConflict, "", "Node %s is locked by host %s, please retry after the current operation is completed.", node.id, node.doc.str("reservation"))
}

var conductorFull = fail(http.StatusServiceUnavailable, "", "Requested action cannot be performed due to lack of free conductor workers.")

// lockable tells whether the conductor can take the node's lock. It waits a few seconds for that; here nobody waits.
func (q *call) lockable(node *object) error {
	if node.doc.has("reservation") {
		return nodeLocked(node)
	}
	return nil
}

// free tells whether the conductor has a worker left for a node.
func (c *Cloud) free() error {
	if c.options.ConductorWorkers == 0 {
		return nil
	}
	busy := c.find("node", func(o *object) bool { return o.doc.has("reservation") })
	if len(busy) >= c.options.ConductorWorkers {
		return conductorFull
	}
	return nil
}

// occupy takes a node's lock and the node to a state in which the conductor works on it.
func (c *Cloud) occupy(node *object, state, target string) {
	c.turn(node)
	node.doc["last_error"] = nil
	c.goTo(node, state, target)
	node.doc["reservation"] = conductor
}

// settleNode is the end of that: the lock is free again.
func (c *Cloud) settleNode(node *object, state string, target any) {
	c.goTo(node, state, target)
	node.doc["reservation"] = nil
}

func (c *Cloud) goTo(node *object, state string, target any) {
	node.doc["provision_state"], node.doc["target_provision_state"] = state, target
	node.doc["provision_updated_at"], node.doc["updated_at"] = c.metalNow(), c.metalNow()
}

// turn begins something new with a node: what was scheduled before does not happen any more.
func (c *Cloud) turn(node *object) { node.doc["_turn"] = node.doc.num("_turn") + 1 }

// then goes on with a node after a while, unless something else was begun in between.
func (c *Cloud) then(node *object, d time.Duration, next func()) {
	turn := node.doc.num("_turn")
	c.after(d, func() {
		if c.alive(node) && node.doc.num("_turn") == turn {
			next()
		}
	})
}

// wait is what starts at a node and ends after a while: done, failed if that was injected, or by the conductor's patience
// if it is stuck.
func (q *call) wait(node *object, d time.Duration, done func(), failed func(message string)) {
	fault, stuck := q.action.Fault, q.action.Stuck
	if stuck {
		d = q.options.Latency.NodeTimeout
	}
	q.then(node, d, func() {
		switch {
		case stuck:
			failed("Timeout reached while waiting for callback for node " + node.id)
		case fault != "":
			failed(fault)
		default:
			done()
		}
	})
}

// manage verifies a new node; one that is known is just taken out of the pool.
func (q *call) manage(node *object) {
	if node.doc.str("provision_state") != "enroll" {
		q.turn(node)
		q.settleNode(node, "manageable", nil)
		return
	}
	q.occupy(node, "verifying", "manageable")
	q.wait(node, q.options.Latency.NodePower, func() {
		if !node.doc.has("power_state") {
			node.doc["power_state"] = "power off"
		}
		q.settleNode(node, "manageable", nil)
	}, func(message string) {
		node.doc["last_error"] = "Failed to get power state for node " + node.id + ". Error: " + message
		q.settleNode(node, "enroll", nil)
	})
}

func (q *call) provide(node *object) error {
	if node.doc.flag("maintenance", false) {
		return badRequest("The providing operation can't be performed on node %s because it's in maintenance mode.", node.id)
	}
	if node.doc.flag("retired", false) {
		return badRequest("The providing operation can't be performed on node %s because it is retired.", node.id)
	}
	if err := q.free(); err != nil {
		return err
	}
	q.occupy(node, "cleaning", "available")
	q.clean(node, "available")
	return nil
}

// clean erases a node that is in «cleaning», and ends in the target: one that is retired stays out of the pool. Without
// automated cleaning Ironic looks at nothing, not at that either.
func (q *call) clean(node *object, target string) {
	if target == "available" && !node.doc.flag("automated_clean", true) {
		q.settleNode(node, "available", nil)
		return
	}
	failed := func(message string) {
		node.doc["maintenance"], node.doc["fault"], node.doc["clean_step"] = true, "clean failure", doc{}
		node.doc["last_error"] = message
		if !node.doc.has("maintenance_reason") {
			node.doc["maintenance_reason"] = message
		}
		q.settleNode(node, "clean failed", target)
	}
	if target == "available" && node.doc.flag("maintenance", false) {
		node.doc["last_error"] = "Cleaning a node in maintenance mode is not allowed"
		q.settleNode(node, "clean failed", target)
		return
	}
	latency := q.options.Latency
	q.then(node, latency.Port, func() {
		node.doc["power_state"] = "power on"
		node.doc["clean_step"] = doc{"step": "erase_devices_metadata", "interface": "deploy", "priority": 99, "abortable": true, "argsinfo": nil, "requires_ramdisk": true}
		q.settleNode(node, "clean wait", target)
		q.wait(node, latency.NodeClean, func() {
			node.doc["clean_step"], node.doc["power_state"] = doc{}, "power off"
			if node.doc.flag("retired", false) {
				target = "manageable"
			}
			q.settleNode(node, target, nil)
		}, failed)
	})
}
