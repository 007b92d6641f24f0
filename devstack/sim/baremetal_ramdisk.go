package sim

import (
	"fmt"
	"slices"
	"strings"
)

// interfaces are those of the hardware that are enabled, where there is a choice. Hardware that only pretends takes any of
// them together.
var interfaces = map[string][]string{"boot": {"fake", virtualMedia}, "deploy": {"fake", ramdiskDeploy}}

const (
	virtualMedia  = "redfish-virtual-media" // the only one that boots a ramdisk with a config drive
	ramdiskDeploy = "ramdisk"
)

func checkInterfaces(d doc) error {
	for _, kind := range []string{"boot", "deploy"} {
		if name := d.str(kind + "_interface"); name != "" && !slices.Contains(interfaces[kind], name) {
			return badRequest("Could not find the following interface in the 'ironic.hardware.interfaces.%s' entrypoint: %s. Valid interfaces are %s.", kind, name, pythonList(interfaces[kind]))
		}
	}
	return nil
}

func pythonList(l []string) string { return "['" + strings.Join(l, "', '") + "']" }

// unbootable says what keeps a node's boot interface from doing its part, "" for nothing.
func unbootable(node *object) string {
	if node.doc.str("boot_interface") != virtualMedia {
		return ""
	}
	info := node.doc.sub("driver_info")
	if node.doc.str("deploy_interface") != ramdiskDeploy || node.doc.flag("automated_clean", true) { // the agent is booted, at least to clean
		if missing := missingIn(info, "deploy_kernel", "deploy_ramdisk"); len(missing) > 0 && !info.has("deploy_iso") {
			return "Error validating Redfish virtual media. Some parameters were missing in node's driver_info. Missing are: " + pythonList(missing)
		}
		if !info.has("redfish_address") {
			return fmt.Sprintf("Missing the following Redfish properties in node %s driver_info: ['redfish_address']", node.id)
		}
	}
	if node.doc.str("deploy_interface") != ramdiskDeploy {
		return ""
	}
	// whatever properties an image has that is named here
	if missing := missingIn(node.doc.sub("instance_info"), "kernel", "ramdisk"); len(missing) > 0 {
		return fmt.Sprintf("Cannot validate image information for node %s because one or more parameters are missing from its instance_info and insufficient information is present to boot from a remote volume. Missing are: %s", node.id, pythonList(missing))
	}
	return ""
}

func missingIn(d doc, keys ...string) []string {
	return slices.DeleteFunc(keys, func(key string) bool { return d.str(key) != "" })
}

// ramdiskUndeployable is undeployable for a node that boots a kernel and a ramdisk, and has no image written to a disk.
func ramdiskUndeployable(node *object) string {
	if node.doc.str("boot_interface") != virtualMedia {
		return "Invalid configuration: The boot interface must have the `ramdisk_boot` capability. You are using an incompatible boot interface."
	}
	return unbootable(node)
}

// forgetParts: kernel and ramdisk are looked for anew with a rebuild, in the image if one is named.
func forgetParts(instance doc) {
	source := instance.str("image_source")
	if strings.HasPrefix(source, "glance://") || isUUID(source) {
		delete(instance, "kernel")
		delete(instance, "ramdisk")
	}
}

// bootParts boots the kernel and the ramdisk of a node from its virtual drive, with nothing in between.
func (q *call) bootParts(node *object) {
	instance := node.doc.sub("instance_info")
	failed := func(message string) {
		node.doc["last_error"] = "Deploy step deploy.deploy failed: " + message
		q.settleNode(node, "deploy failed", "active")
	}
	q.then(node, q.options.Latency.Port, func() {
		q.powerOff(node, func() {
			q.forget(node.id)
			node.doc["power_state"] = "power off"
			for _, key := range []string{"kernel", "ramdisk"} {
				if id := instance.str(key); q.get("image", id) == nil {
					failed("Image " + id + " could not be found.")
					return
				}
			}
			q.wait(node, q.options.Latency.NodePower, func() {
				node.doc["power_state"] = "power on"
				q.deployed(node)
			}, failed)
		})
	})
}
