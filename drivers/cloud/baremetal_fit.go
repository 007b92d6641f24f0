package cloud

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Machine is what a bare-metal node has to be, in the words of flavours and Placement.
type Machine struct {
	ResourceClass string // CUSTOM_BAREMETAL
	Traits        []string
}

var notInClass = regexp.MustCompile(`[^A-Z0-9]`)

// PlacementClass is the name that Nova gives Ironic's resource class of a node: baremetal is CUSTOM_BAREMETAL.
func PlacementClass(class string) string {
	return "CUSTOM_" + notInClass.ReplaceAllString(strings.ToUpper(class), "_")
}

// Fits tells whether a node is such a machine.
func (m Machine) Fits(n BaremetalNode) bool {
	return n.ResourceClass != "" && PlacementClass(n.ResourceClass) == m.ResourceClass &&
		!slices.ContainsFunc(m.Traits, func(t string) bool { return !slices.Contains(n.Traits, t) })
}

// AvoidKey in a node's extra says that deploying it failed, and until when it is left alone: every conductor and every
// operator sees it there.
const AvoidKey = "jeroboam_avoid"

// Avoided tells until when a node is not to be tried again, and why.
func (n BaremetalNode) Avoided(now time.Time) (reason string, avoided bool) {
	m, _ := n.Extra[AvoidKey].(map[string]any)
	text, _ := m["until"].(string)
	reason, _ = m["reason"].(string)
	until, err := time.Parse(time.RFC3339, text)
	return reason, err == nil && now.Before(until)
}

// Unusable says why a node cannot be had now; "" when it can.
func (n BaremetalNode) Unusable(now time.Time) string {
	switch {
	case n.Maintenance || n.Fault != "":
		return "in maintenance"
	case n.Retired:
		return "retired"
	case n.InstanceID != "":
		return "in use"
	case n.State != "available":
		return n.State
	case n.PowerState == "":
		return "of unknown power state"
	}
	if _, avoided := n.Avoided(now); avoided {
		return "avoided, because it could not be deployed"
	}
	return ""
}

// RamdiskDeploy is the deploy interface of nodes that write nothing to a disk: with each start they boot a kernel and a
// ramdisk.
const RamdiskDeploy = "ramdisk"

// What such nodes boot are images of their own, which these properties of an image name.
const (
	KernelProperty  = "kernel_id"
	RamdiskProperty = "ramdisk_id"
)

// Lacks names the properties that an image lacks to be deployed on a node; none when it can be.
func (n BaremetalNode) Lacks(i ImageInfo) []string {
	if n.DeployInterface != RamdiskDeploy {
		return nil
	}
	return slices.DeleteFunc([]string{KernelProperty, RamdiskProperty}, func(p string) bool { return i.Properties[p] != "" })
}

// Title names a node for people.
func (n BaremetalNode) Title() string {
	if n.Name == "" {
		return n.ID
	}
	return n.Name + " (" + n.ID + ")"
}
