package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// conductor is the only one: it holds the lock of every node that is being worked on.
const conductor = "sim-conductor"

// hardware is the only driver.
const hardware = "fake-hardware"

func baremetalRoutes() []route {
	out := []route{
		{"GET", "/nodes", 200, listNodes(false), false},
		{"GET", "/nodes/detail", 200, listNodes(true), false},
		{"POST", "/nodes", 201, createNode, false},
		{"GET", "/nodes/{node}", 200, showNode, false},
		{"PATCH", "/nodes/{node}", 200, patchNode, false},
		{"DELETE", "/nodes/{node}", 204, deleteNode, false},
		{"GET", "/nodes/{node}/validate", 200, validateNode, false},
		{"GET", "/nodes/{node}/states", 200, showStates, false},
		{"PUT", "/nodes/{node}/states/power", 202, setPower, false},
		{"PUT", "/nodes/{node}/states/provision", 202, setProvision, false},
		{"PUT", "/nodes/{node}/maintenance", 202, setMaintenance(true), false},
		{"DELETE", "/nodes/{node}/maintenance", 202, setMaintenance(false), false},
		{"GET", "/nodes/{node}/traits", 200, showTraits, false},
		{"PUT", "/nodes/{node}/traits", 204, setTraits, false},
		{"DELETE", "/nodes/{node}/traits", 204, clearTraits, false},
		{"PUT", "/nodes/{node}/traits/{trait}", 204, addTrait, false},
		{"DELETE", "/nodes/{node}/traits/{trait}", 204, removeTrait, false},
		{"GET", "/nodes/{node}/vifs", 200, listVIFs, false},
		{"POST", "/nodes/{node}/vifs", 204, attachVIF, false},
		{"DELETE", "/nodes/{node}/vifs/{vif}", 204, detachVIF, false},
		{"GET", "/nodes/{node}/inventory", 200, showInventory, false},
		{"GET", "/nodes/{node}/allocation", 200, showNodeAllocation, false},
		{"DELETE", "/nodes/{node}/allocation", 204, deleteNodeAllocation, false},
		{"GET", "/allocations", 200, listAllocations, false},
		{"POST", "/allocations", 201, createAllocation, false},
		{"GET", "/allocations/{allocation}", 200, showAllocation, false},
		{"PATCH", "/allocations/{allocation}", 200, patchAllocation, false},
		{"DELETE", "/allocations/{allocation}", 204, deleteAllocation, false},
		{"GET", "/conductors", 200, listConductors, false},
		{"GET", "/conductors/{name}", 200, showConductor, false},
		{"GET", "/drivers", 200, listDrivers, false},
		{"GET", "/drivers/{name}", 200, showDriver, false},
	}
	for _, k := range []nicKind{metalPorts, metalPortgroups} {
		out = append(out,
			route{"GET", "/" + k.path, 200, k.list(false), false}, route{"GET", "/" + k.path + "/detail", 200, k.list(true), false},
			route{"POST", "/" + k.path, 201, k.create, false}, route{"GET", "/" + k.path + "/{id}", 200, k.show, false},
			route{"PATCH", "/" + k.path + "/{id}", 200, k.patch, false}, route{"DELETE", "/" + k.path + "/{id}", 204, k.remove, false},
			route{"GET", "/nodes/{node}/" + k.path, 200, k.list(false), false}, route{"GET", "/nodes/{node}/" + k.path + "/detail", 200, k.list(true), false},
		)
	}
	return append(out, route{"GET", "/portgroups/{portgroup}/ports", 200, metalPorts.list(false), false})
}

// ironicShape has the error as text within JSON, as Ironic's own does.
func ironicShape(p *problem) any {
	side := "Client"
	if p.status >= 500 {
		side = "Server"
	}
	raw, _ := encode(doc{"faultcode": side, "faultstring": p.message, "debuginfo": nil})
	return doc{"error_message": string(raw)}
}

func ironicPage(collection string, rows []doc, next string) doc {
	out := doc{collection: rows}
	if next != "" {
		out["next"] = next
	}
	return out
}

const ironicHeader = "X-Openstack-Ironic-Api-Version"

// ironicVersion is the minor version that the request asks for. Ironic reads no other header.
func (q *call) ironicVersion() (int, error) {
	asked := q.r.Header.Get(ironicHeader)
	switch strings.ToLower(asked) {
	case "":
		return 1, nil
	case "latest":
		return maxMinor["baremetal"], nil
	}
	major, minor, _ := strings.Cut(asked, ".")
	n, err := strconv.Atoi(minor)
	m, majorErr := strconv.Atoi(major)
	switch {
	case err != nil || majorErr != nil:
		return 0, fail(http.StatusNotAcceptable, "", "Invalid value for X-OpenStack-Ironic-API-Version header")
	case m != 1:
		return 0, fail(http.StatusNotAcceptable, "", "Mutually exclusive versions requested. Version %s requested but not supported by this service. The supported version range is: [1.1, 1.%d].", asked, maxMinor["baremetal"])
	case n < 1 || n > maxMinor["baremetal"]:
		return 0, fail(http.StatusNotAcceptable, "", "Version %s was requested but the minor version is not supported by this service. The supported version range is: [1.1, 1.%d].", asked, maxMinor["baremetal"])
	}
	return n, nil
}

// ironicHeaders are what versions Ironic has, and which one it answered in.
func (q *call) ironicHeaders() {
	q.header.Set("X-Openstack-Ironic-Api-Minimum-Version", "1.1")
	q.header.Set("X-Openstack-Ironic-Api-Maximum-Version", fmt.Sprintf("1.%d", maxMinor["baremetal"]))
	if n, err := q.ironicVersion(); err == nil {
		q.header.Set(ironicHeader, fmt.Sprintf("1.%d", n))
	}
}

// notAcceptable is what Ironic says to everything that only came with a later version.
var notAcceptable = fail(http.StatusNotAcceptable, "", "Request not acceptable.")

func (q *call) since(minor int) error {
	if q.microversion() < minor {
		return notAcceptable
	}
	return nil
}

func (q *call) metalLinks(collection, id string) []doc {
	return []doc{{"rel": "self", "href": q.url + "/baremetal/v1/" + collection + "/" + id}, {"rel": "bookmark", "href": q.url + "/baremetal/" + collection + "/" + id}}
}

func (c *Cloud) metalNow() string { return c.clock.Now().Format("2006-01-02T15:04:05+00:00") }

// seedMetal enrols the nodes that are there from the start: cleaned, and with their power off.
func (c *Cloud) seedMetal() {
	number := 0
	for _, m := range c.options.Metal {
		for i := range m.Count {
			properties := doc{"cpus": m.CPUs, "memory_mb": m.MemoryMB, "local_gb": m.DiskGB, "cpu_arch": "x86_64", "capabilities": "boot_mode:uefi"}
			if len(m.Racks) > 0 {
				properties["rack"] = m.Racks[i%len(m.Racks)]
			}
			node := c.newNode(doc{"name": fmt.Sprintf("bm%d", number), "driver": hardware, "resource_class": m.ResourceClass, "properties": properties})
			if m.Ramdisk {
				node.doc["deploy_interface"], node.doc["boot_interface"] = ramdiskDeploy, virtualMedia
				node.doc["driver_info"] = doc{"redfish_address": "https://192.0.2.1", "deploy_kernel": "agent.kernel", "deploy_ramdisk": "agent.initrd"}
			}
			node.doc["traits"] = slices.Clone(m.Traits)
			node.doc["provision_state"], node.doc["power_state"] = "available", "power off"
			mac := fmt.Sprintf("52:54:00:00:%02x:%02x", number/256, number%256)
			c.newNIC(metalPorts, node, doc{"address": mac, "local_link_connection": doc{"switch_id": "00:00:5e:00:53:01", "port_id": "eth" + text(number), "switch_info": "leaf-" + cmpOr(properties.str("rack"), "1")}})
			number++
		}
	}
}

func listConductors(q *call) (any, error) {
	if err := q.forSystem("baremetal:conductor:get"); err != nil {
		return nil, err
	}
	return doc{"conductors": []doc{q.conductorView()}}, nil
}

func (q *call) conductorView() doc {
	return doc{"hostname": conductor, "conductor_group": "", "alive": true, "drivers": []string{hardware}, "created_at": q.metalNow(), "updated_at": q.metalNow(), "links": q.metalLinks("conductors", conductor)}
}

func showConductor(q *call) (any, error) {
	if err := q.forSystem("baremetal:conductor:get"); err != nil {
		return nil, err
	}
	if q.arg("name") != conductor {
		return nil, fail(http.StatusNotFound, "", "Conductor %s could not be found.", q.arg("name"))
	}
	return q.conductorView(), nil
}

func (q *call) driverView() doc {
	return doc{"name": hardware, "hosts": []string{conductor}, "type": "dynamic", "links": q.metalLinks("drivers", hardware)}
}

func listDrivers(q *call) (any, error) {
	if err := q.forSystem("baremetal:driver:get"); err != nil {
		return nil, err
	}
	return doc{"drivers": []doc{q.driverView()}}, nil
}

func showDriver(q *call) (any, error) {
	if err := q.forSystem("baremetal:driver:get"); err != nil {
		return nil, err
	}
	if q.arg("name") != hardware {
		return nil, fail(http.StatusNotFound, "", "Could not find the following driver(s) or hardware type(s): %s.", q.arg("name"))
	}
	return q.driverView(), nil
}

func isUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}
