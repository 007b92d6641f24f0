package sim

import (
	"net/http"
	"slices"
)

func interfaceAttachment(p *object) doc {
	return doc{"port_id": p.id, "net_id": p.doc["network_id"], "port_state": p.doc["status"], "mac_addr": p.doc["mac_address"], "fixed_ips": p.doc["fixed_ips"]}
}

func listServerPorts(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	out := []doc{}
	for _, id := range o.doc.strs("_ports") {
		if p := q.get("port", id); p != nil {
			out = append(out, interfaceAttachment(p))
		}
	}
	return doc{"interfaceAttachments": out}, nil
}

func attachPort(q *call) (any, error) {
	in, err := q.input("interfaceAttachment")
	if err != nil {
		return nil, err
	}
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	nic := doc{}
	if id := in.str("port_id"); id != "" {
		nic["port"] = id
	} else {
		nic["uuid"] = in.str("net_id")
	}
	if err := q.checkNIC(nic); err != nil {
		return nil, err
	}
	if err := q.plug(o, nic, nil); err != nil {
		return nil, err
	}
	ports := o.doc.strs("_ports")
	port := q.get("port", ports[len(ports)-1])
	port.doc["status"] = "ACTIVE"
	return doc{"interfaceAttachment": interfaceAttachment(port)}, nil
}

func detachPort(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	id := q.arg("port")
	if !slices.Contains(o.doc.strs("_ports"), id) {
		return nil, fail(http.StatusNotFound, "", "Port id %s could not be found.", id)
	}
	q.after(q.options.Latency.Port, func() {
		p := q.get("port", id)
		if p == nil || p.doc.str("device_id") != o.id {
			return
		}
		o.doc["_ports"] = slices.DeleteFunc(slices.Clone(o.doc.strs("_ports")), func(x string) bool { return x == id })
		if slices.Contains(o.doc.strs("_ownPorts"), id) {
			q.removePort(p)
			return
		}
		q.bindPort(p, "", "")
	})
	return nil, nil
}

// mapVolume makes or attaches a volume of a block device mapping.
func (q *call) mapVolume(server *object, d doc) error {
	var volume *object
	if d.str("source_type") == "volume" {
		volume = q.get("volume", d.str("uuid"))
		if volume == nil || volume.doc.str("status") != "available" {
			return badRequest("Volume %s could not be attached.", d.str("uuid"))
		}
	} else {
		in := doc{"size": d.num("volume_size"), "volume_type": d["volume_type"], "availability_zone": server.doc["OS-EXT-AZ:availability_zone"]}
		if d.str("source_type") == "image" {
			in["imageRef"] = d.str("uuid")
		}
		made, err := q.newVolume(in, server.project, server.doc.str("user_id"))
		if err != nil {
			return err
		}
		volume = made
	}
	q.attach(volume, server, d.flag("delete_on_termination", false))
	return nil
}

// attach puts a volume on a server at once.
func (c *Cloud) attach(volume, server *object, doomed bool) {
	volume.doc["status"] = "in-use"
	volume.doc["attachments"] = []doc{{"id": volume.id, "attachment_id": hexID(), "server_id": server.id, "volume_id": volume.id, "device": "/dev/vdb", "host_name": nil}}
	server.doc["_volumes"] = append(slices.Clone(server.doc.strs("_volumes")), volume.id)
	if doomed {
		server.doc["_doomedVolumes"] = append(slices.Clone(server.doc.strs("_doomedVolumes")), volume.id)
	}
}

func (c *Cloud) detach(volume *object) {
	volume.doc["status"], volume.doc["attachments"] = "available", []doc{}
}

func attachment(server, volume string) doc {
	return doc{"id": volume, "volumeId": volume, "serverId": server, "device": "/dev/vdb"}
}

func listAttachments(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	out := []doc{}
	for _, id := range o.doc.strs("_volumes") {
		out = append(out, attachment(o.id, id))
	}
	return doc{"volumeAttachments": out}, nil
}

func attachVolume(q *call) (any, error) {
	in, err := q.input("volumeAttachment")
	if err != nil {
		return nil, err
	}
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	volume := q.own("volume", in.str("volumeId"))
	if volume == nil {
		return nil, fail(http.StatusNotFound, "", "Volume %s could not be found.", in.str("volumeId"))
	}
	if s := volume.doc.str("status"); s != "available" {
		return nil, badRequest("Invalid volume: volume %s status must be available or in-use, but is %s", volume.id, s)
	}
	q.attach(volume, o, false)
	return doc{"volumeAttachment": attachment(o.id, volume.id)}, nil
}

func detachVolume(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	id := q.arg("volume")
	volume := q.get("volume", id)
	if volume == nil || !slices.Contains(o.doc.strs("_volumes"), id) {
		return nil, fail(http.StatusNotFound, "", "volume_id not found: %s", id)
	}
	volume.doc["status"] = "detaching"
	q.after(q.options.Latency.Volume, func() {
		o.doc["_volumes"] = slices.DeleteFunc(slices.Clone(o.doc.strs("_volumes")), func(x string) bool { return x == id })
		q.detach(volume)
	})
	return nil, nil
}
