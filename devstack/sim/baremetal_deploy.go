package sim

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// deploy puts an image on a node: the conductor prepares it, waits for the ramdisk that writes it, and boots it.
func (q *call) deploy(node *object, drive doc, rebuild bool) error {
	if rebuild && node.doc.flag("protected", false) {
		return protectedNode(node)
	}
	instance := node.doc.sub("instance_info")
	if rebuild {
		forgetParts(instance)
	}
	if reason := q.undeployable(node); reason != "" {
		return badRequest("Failed to deploy instance: Failed to validate deploy or power info for node %s: %s", node.id, reason)
	}
	if err := q.free(); err != nil {
		return err
	}
	if project := instance.str("project_id"); q.options.AutomaticLessee && !rebuild && project != "" && !node.doc.has("lessee") {
		node.doc["lessee"], node.doc["_automaticLessee"] = project, true
	}
	if drive != nil {
		node.doc["_drive"] = drive
		instance["configdrive"] = q.body["configdrive"]
	}
	q.occupy(node, "deploying", "active")
	node.doc["deploy_step"] = doc{"step": "deploy", "interface": "deploy", "priority": 100, "argsinfo": nil}
	if node.doc.str("deploy_interface") == ramdiskDeploy {
		q.bootParts(node)
		return nil
	}
	latency := q.options.Latency
	q.then(node, latency.Port, func() {
		q.powerOff(node, func() {
			q.forget(node.id)
			node.doc["power_state"] = "power on" // with the ramdisk
			q.settleNode(node, "wait call-back", "active")
			q.wait(node, latency.NodeDeploy, func() { q.deployed(node) }, func(message string) {
				node.doc["last_error"], node.doc["deploy_step"] = message, doc{}
				q.settleNode(node, "deploy failed", "active")
			})
		})
	})
	return nil
}

// deployed plugs the node into its networks and boots what is on its disk.
func (q *call) deployed(node *object) {
	node.doc["reservation"] = conductor
	q.goTo(node, "deploying", "active")
	q.then(node, q.options.Latency.Port, func() {
		node.doc["deploy_step"] = doc{}
		for _, nic := range q.nicsOf(node) {
			q.bindVIF(node, nic)
		}
		q.settleNode(node, "active", nil)
		q.bootNode(node)
	})
}

// undeployable says what keeps an image from being deployed, "" for nothing.
func (q *call) undeployable(node *object) string {
	if node.doc.str("deploy_interface") == ramdiskDeploy {
		if reason := ramdiskUndeployable(node); reason != "" {
			return reason
		}
		return traitsMissing(node)
	}
	instance := node.doc.sub("instance_info")
	source := instance.str("image_source")
	if source == "" {
		return fmt.Sprintf("Cannot validate image information for node %s because one or more parameters are missing from its instance_info. Missing are: ['image_source']", node.id)
	}
	if u, err := url.Parse(source); err == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "file") {
		if !instance.has("image_checksum") && !(instance.has("image_os_hash_algo") && instance.has("image_os_hash_value")) {
			return "image_source's image_checksum, or image_os_hash_algo and image_os_hash_value must be provided in instance_info when image_source is an HTTP(s) or file URL"
		}
	} else if image := q.get("image", strings.TrimPrefix(source, "glance://")); image == nil || image.doc.str("status") != "active" {
		return fmt.Sprintf("Validation of image href %s failed, reason: Image %s could not be found.", source, source)
	}
	return traitsMissing(node)
}

// traitsMissing says which traits an instance is to have that its node has not.
func traitsMissing(node *object) string {
	for _, t := range node.doc.sub("instance_info").strs("traits") {
		if !slices.Contains(node.doc.strs("traits"), t) {
			return fmt.Sprintf("Cannot specify instance traits that are not also set on the node. Node %s is missing traits %s", node.id, t)
		}
	}
	return ""
}

// undeploy takes an instance off its node: its networks, its lessee and its allocation go with it, and the node is cleaned.
func (q *call) undeploy(node *object) error {
	if node.doc.flag("protected", false) {
		return protectedNode(node)
	}
	if err := q.free(); err != nil {
		return err
	}
	q.occupy(node, "deleting", "available")
	if q.action.Step == StepTearDown {
		q.failTearDown(node)
		return nil
	}
	q.then(node, q.options.Latency.NodePower, func() {
		q.powerOff(node, func() {
			q.forget(node.id)
			node.doc["power_state"] = "power off"
			q.tearDown(node)
			q.goTo(node, "cleaning", "available")
			q.clean(node, "available")
		})
	})
	return nil
}

// failTearDown ends in «error». Ironic forgets the instance all the same; unless its conductor died on the way, and the next
// one finds what it cannot go on with.
func (q *call) failTearDown(node *object) {
	q.wait(node, q.options.Latency.NodePower, nil, func(message string) {
		if q.action.Stuck {
			node.doc["last_error"] = "The deleting state can't be resumed by conductor " + conductor + ". Moving to fail state."
		} else {
			node.doc["last_error"] = "Failed to tear down: " + message
			q.tearDown(node)
		}
		q.settleNode(node, "error", nil)
	})
}

func (c *Cloud) tearDown(node *object) {
	for _, nic := range c.nicsOf(node) {
		c.unplug(nic, true)
	}
	if node.doc.flag("_automaticLessee", false) {
		node.doc["lessee"] = nil
	}
	if a := c.get("allocation", node.doc.str("allocation_uuid")); a != nil {
		c.freeNode(a)
	}
	node.doc["instance_info"], node.doc["instance_uuid"], node.doc["allocation_uuid"] = doc{}, nil, nil
	node.doc["deploy_step"] = doc{}
	delete(node.doc, "_drive")
	delete(node.doc, "_automaticLessee")
}

// validateNode says of each interface of the driver whether it could do its part.
func validateNode(q *call) (any, error) {
	node, err := q.node("baremetal:node:validate", runsNode)
	if err != nil {
		return nil, err
	}
	ok := doc{"result": true}
	out := doc{"boot": ok, "deploy": ok, "management": ok, "network": ok, "power": ok, "storage": ok}
	for _, missing := range []string{"bios", "console", "inspect", "raid", "rescue"} {
		out[missing] = doc{"result": false, "reason": fmt.Sprintf("Driver %s does not support %s (disabled or not implemented).", hardware, missing)}
	}
	if reason := unbootable(node); reason != "" {
		out["boot"] = doc{"result": false, "reason": reason}
	}
	if reason := q.undeployable(node); reason != "" {
		out["deploy"] = doc{"result": false, "reason": reason}
	}
	return out, nil
}

func showStates(q *call) (any, error) {
	node, err := q.node("baremetal:node:get_states", readsNode)
	if err != nil {
		return nil, err
	}
	keys := []string{"console_enabled", "last_error", "power_state", "provision_state", "target_power_state", "target_provision_state", "provision_updated_at"}
	if q.microversion() >= 12 {
		keys = append(keys, "raid_config", "target_raid_config")
	}
	if q.microversion() >= 75 {
		keys = append(keys, "boot_mode", "secure_boot")
	}
	out := doc{}
	for _, key := range keys {
		out[key] = node.doc[key]
	}
	return out, nil
}

func showInventory(q *call) (any, error) {
	if q.microversion() < 81 {
		return nil, fail(404, "", "The resource could not be found.")
	}
	node, err := q.node("baremetal:node:inventory:get", readsNode)
	if err != nil {
		return nil, err
	}
	if !node.seeded {
		return nil, fail(404, "", "Node inventory record for node %s could not be found.", node.id) // it was never inspected
	}
	p, cards := node.doc.sub("properties"), []doc{}
	for i, nic := range q.with(metalPorts.kind, "node_uuid", node.id) {
		cards = append(cards, doc{"name": fmt.Sprintf("eth%d", i), "mac_address": nic.doc["address"], "has_carrier": true, "lldp": nil, "product": "0x1572", "vendor": "0x8086"})
	}
	return doc{"inventory": doc{
		"cpu": doc{"architecture": p["cpu_arch"], "count": p["cpus"], "model_name": "Simulated CPU"}, "memory": doc{"physical_mb": p["memory_mb"], "total": p.num("memory_mb") << 20},
		"disks":         []doc{{"name": "/dev/sda", "size": p.num("local_gb") << 30, "rotational": false, "model": "Simulated Disk", "wwn": nil, "serial": node.id[:8]}},
		"interfaces":    cards,
		"system_vendor": doc{"manufacturer": "Simulated", "product_name": "Metal", "serial_number": node.id[:8]}, "boot": doc{"current_boot_mode": "uefi", "pxe_interface": nil},
	}, "plugin_data": doc{}}, nil
}
