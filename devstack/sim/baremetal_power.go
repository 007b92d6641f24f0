package sim

import (
	"strings"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// setPower is PUT /nodes/{node}/states/power.
func setPower(q *call) (any, error) {
	node, err := q.node("baremetal:node:set_power_state", usesNode)
	if err != nil {
		return nil, err
	}
	target := q.body.str("target")
	goal := map[string]string{"power on": "power on", "power off": "power off", "rebooting": "power on", "soft rebooting": "power on", "soft power off": "power off"}[target]
	if target == "soft rebooting" || target == "soft power off" || q.body.has("timeout") {
		if err := q.since(27); err != nil {
			return nil, err
		}
	}
	state := node.doc.str("provision_state")
	switch {
	case goal == "":
		return nil, badRequest("The requested action \"%s\" can not be performed on node \"%s\" while it is in state \"%s\".", target, q.arg("node"), node.doc.str("power_state"))
	case state == "cleaning" || state == "clean wait":
		return nil, badRequest("The requested action \"%s\" can not be performed on node \"%s\" while it is in state \"%s\".", target, q.arg("node"), state)
	}
	if err := q.lockable(node); err != nil {
		return nil, err
	}
	if err := q.free(); err != nil {
		return nil, err
	}
	node.doc["last_error"] = nil
	if target == node.doc.str("power_state") || target == "soft power off" && node.doc.str("power_state") == "power off" {
		return nil, nil // it is there
	}
	q.switchNode(node, target, goal)
	return nil, nil
}

// switchNode changes the power of a node. Everything but «power on» ends what ran.
func (q *call) switchNode(node *object, target, goal string) {
	node.doc["target_power_state"], node.doc["reservation"] = goal, conductor
	over := func() {
		node.doc["target_power_state"], node.doc["reservation"], node.doc["updated_at"] = nil, nil, q.metalNow()
	}
	failed := func(message string) {
		over()
		node.doc["last_error"] = "Failed to change power state to '" + goal + "' by '" + target + "': " + message
	}
	q.wait(node, q.options.Latency.NodePower, func() {
		if strings.HasPrefix(target, "soft") && node.doc.str("power_state") == "power on" && node.doc.str("provision_state") == "active" && q.nodes[node.id] == nil {
			failed("Failed to set node power state to " + target + ".") // nothing runs that could end itself
			return
		}
		finish := func() {
			over()
			node.doc["power_state"] = goal
			if goal == "power on" {
				q.bootNode(node)
			}
		}
		if target == "power on" {
			finish()
			return
		}
		q.powerOff(node, finish)
	}, failed)
}

// bootNode starts what is on the disk of a node that has an instance, when its firmware is through.
func (c *Cloud) bootNode(node *object) {
	if node.doc.str("provision_state") != "active" {
		return
	}
	turn := node.doc.num("_boot") + 1
	node.doc["_boot"] = turn
	c.after(c.options.Latency.NodeBoot, func() {
		if c.alive(node) && node.doc.num("_boot") == turn && node.doc.str("provision_state") == "active" && node.doc.str("power_state") == "power on" {
			c.boot(c.nodeHost(node))
		}
	})
}

// nodeHost is what the config drive makes of a node.
func (c *Cloud) nodeHost(node *object) kube.Host {
	drive := node.doc.sub("_drive")
	meta := drive.sub("meta_data")
	host := kube.Host{ID: node.id, Name: cmpOr(meta.str("hostname"), cmpOr(meta.str("name"), cmpOr(node.name(), node.id))), MetaData: map[string]string{}, Image: map[string]string{}}
	host.UserData, _ = drive["user_data"].([]byte)
	for key, value := range meta.sub("meta") {
		host.MetaData[key] = text(value)
	}
	source := "image_source"
	if node.doc.str("deploy_interface") == ramdiskDeploy { // its system is in there
		source = "ramdisk"
	}
	if image := c.get("image", node.doc.sub("instance_info").str(source)); image != nil {
		for key, value := range image.doc.sub("_properties") {
			host.Image[key] = text(value)
		}
	}
	for _, port := range c.portsAt(node.id) {
		for _, ip := range port.doc.docs("fixed_ips") {
			host.FixedIPs = append(host.FixedIPs, ip.str("ip_address"))
		}
	}
	return host
}

// portsAt are Neutron's ports of a server, or those that a bare-metal node is plugged into.
func (c *Cloud) portsAt(host string) []*object {
	var out []*object
	if server := c.get("server", host); server != nil {
		for _, id := range server.doc.strs("_ports") {
			if p := c.get("port", id); p != nil {
				out = append(out, p)
			}
		}
		return out
	}
	node := c.get("node", host)
	if node == nil {
		return nil
	}
	for _, nic := range c.nicsOf(node) {
		if p := c.get("port", vifOf(nic)); p != nil && hostOf(p) == host {
			out = append(out, p)
		}
	}
	return out
}

// hostOf is the server or node that a port of Neutron leads to. Ironic says so in the binding alone.
func hostOf(port *object) string {
	if host := port.doc.str("binding:host_id"); host != "" {
		return host
	}
	return port.doc.str("device_id")
}
