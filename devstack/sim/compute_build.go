package sim

import (
	"net/http"
	"net/netip"
	"slices"
)

// place writes the server down as it is when the request is answered.
func (o *order) place(q *call) *object {
	image, group := "", ""
	properties := map[string]string{}
	if o.image != nil {
		image = o.image.id
		for key, value := range o.image.doc.sub("_properties") {
			properties[key] = text(value)
		}
	}
	if o.group != nil {
		group = o.group.id
	}
	metadata := o.in.sub("metadata")
	if metadata == nil {
		metadata = doc{}
	}
	drive := ""
	if o.in.flag("config_drive", false) {
		drive = "True"
	}
	var key any
	if o.in.str("key_name") != "" {
		key = o.in.str("key_name")
	}
	return q.add("server", q.project(), doc{
		"name": o.in.str("name"), "status": "BUILD", "tenant_id": q.project(), "user_id": q.token.userID, "created": q.now(), "updated": q.now(),
		"metadata": metadata, "tags": o.in.strs("tags"), "key_name": key, "config_drive": drive, "OS-EXT-AZ:availability_zone": o.zone,
		"OS-EXT-STS:task_state": "scheduling", "OS-EXT-STS:vm_state": "building", "OS-EXT-STS:power_state": 0, "OS-DCF:diskConfig": "MANUAL",
		"accessIPv4": "", "accessIPv6": "", "hostId": "", "progress": 0, "OS-SRV-USG:launched_at": nil, "OS-SRV-USG:terminated_at": nil, "locked": false,
		"description": o.in["description"], "_flavor": o.flavor.doc, "_image": image, "_properties": properties, "_userData": o.userData, "_fromVolume": o.fromVolume,
		"_group": group, "_ports": []string{}, "_ownPorts": []string{}, "_volumes": []string{}, "_doomedVolumes": []string{},
	})
}

// build schedules what Nova's compute host does: plug, make volumes, boot. On a machine with much else to do the clock of the
// one may ring after that of the other: what boots is plugged in all the same.
func (q *call) build(server *object, o *order) {
	latency := q.options.Latency
	if q.action.Fault == "" {
		q.after(latency.Port, func() { q.prepare(server, o) })
	}
	q.start(latency.ServerBuild, func() {
		q.prepare(server, o)
		if q.alive(server) && server.doc.str("status") == "BUILD" && server.doc.str("OS-EXT-STS:task_state") != "deleting" {
			q.Cloud.activate(server)
		}
	}, func(message string) { q.failServer(server, message) })
}

// prepare plugs the server into its networks and makes its volumes, once. What can only go wrong here ends in ERROR.
func (q *call) prepare(server *object, o *order) {
	if !q.alive(server) || server.doc.str("OS-EXT-STS:task_state") != "scheduling" {
		return
	}
	if !q.fitsApart(server) {
		q.failServer(server, "No valid host was found. There are not enough hosts available.")
		return
	}
	server.doc["OS-EXT-STS:task_state"] = "networking"
	for _, nic := range o.nics {
		if err := q.plug(server, nic, o.groups); err != nil {
			q.failServer(server, "Build of instance "+server.id+" aborted: "+err.Error())
			return
		}
	}
	server.doc["OS-EXT-STS:task_state"] = "block_device_mapping"
	for _, d := range o.volumes {
		if err := q.mapVolume(server, d); err != nil {
			q.failServer(server, "Build of instance "+server.id+" aborted: "+err.Error())
			return
		}
	}
	server.doc["OS-EXT-STS:task_state"] = "spawning"
}

// fitsApart tells whether there is a host for a server that is to be kept apart from the others of its group. Hosts are
// countless otherwise.
func (c *Cloud) fitsApart(server *object) bool {
	group := c.get("server_group", server.doc.str("_group"))
	if group == nil || group.doc.str("policy") != "anti-affinity" {
		return true
	}
	taken := 0
	for _, other := range c.with("server", "_group", group.id) {
		if state := other.doc.str("OS-EXT-STS:task_state"); other != server && other.doc.str("status") != "ERROR" && state != "scheduling" {
			taken++
		}
	}
	return taken < c.options.Hosts
}

// plug gives the server a port: its own new one, or the one that was asked for.
func (q *call) plug(server *object, nic doc, groups []string) error {
	port := q.get("port", nic.str("port"))
	switch {
	case nic.has("port") && port == nil:
		return badRequest("Port id %s could not be found.", nic.str("port"))
	case port != nil && port.doc.str("device_id") != "" && port.doc.str("device_id") != server.id:
		return fail(http.StatusConflict, "", "Port %s is still in use.", port.id)
	case port == nil:
		network := q.get("network", nic.str("uuid"))
		if network == nil {
			return badRequest("Network %s could not be found.", nic.str("uuid"))
		}
		if len(groups) == 0 {
			groups = []string{q.defaultGroup(server.project).id}
		}
		in := doc{"security_groups": groups}
		if ip := nic.str("fixed_ip"); ip != "" {
			in["fixed_ips"] = []any{doc{"ip_address": ip}}
		}
		made, err := q.servicePort(network, server.project, in)
		if err != nil {
			return err
		}
		port = made
		server.doc["_ownPorts"] = append(slices.Clone(server.doc.strs("_ownPorts")), port.id)
	}
	server.doc["_ports"] = append(slices.Clone(server.doc.strs("_ports")), port.id)
	port.doc["status"] = "DOWN"
	q.bindPort(port, server.id, "compute:"+server.doc.str("OS-EXT-AZ:availability_zone"))
	return nil
}

// failServer lets a build end badly. The fault is what users get to see of it.
func (c *Cloud) failServer(server *object, message string) {
	if !c.alive(server) || goes(server) {
		return
	}
	c.setServer(server, "ERROR", "error", nil, 0)
	server.doc["fault"] = doc{"code": 500, "message": message, "created": c.now()}
}

func (c *Cloud) setServer(server *object, status, vm string, task any, power int) {
	server.doc["status"], server.doc["OS-EXT-STS:vm_state"], server.doc["OS-EXT-STS:task_state"] = status, vm, task
	server.doc["OS-EXT-STS:power_state"], server.doc["updated"] = power, c.now()
}

// fixedAddresses lists the addresses of a server's ports, in the order of the ports.
func (c *Cloud) fixedAddresses(server *object) []netip.Addr {
	var out []netip.Addr
	for _, id := range server.doc.strs("_ports") {
		if p := c.get("port", id); p != nil {
			for _, ip := range p.doc.docs("fixed_ips") {
				if a, err := netip.ParseAddr(ip.str("ip_address")); err == nil {
					out = append(out, a)
				}
			}
		}
	}
	return out
}
