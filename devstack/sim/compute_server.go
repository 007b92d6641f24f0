package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// activate switches a server on.
func (c *Cloud) activate(server *object) {
	c.setServer(server, "ACTIVE", "active", nil, 1)
	server.doc["progress"], server.doc["hostId"] = 100, hexID()
	if !server.doc.has("OS-SRV-USG:launched_at") {
		server.doc["OS-SRV-USG:launched_at"] = c.clock.Now().Format("2006-01-02T15:04:05.000000")
	}
	for _, id := range server.doc.strs("_ports") {
		if p := c.get("port", id); p != nil {
			p.doc["status"] = "ACTIVE"
		}
	}
	c.powerOn(server)
}

// powerOn starts what the server's image and user data say.
func (c *Cloud) powerOn(server *object) {
	host := kube.Host{ID: server.id, Name: server.name(), MetaData: map[string]string{}}
	host.UserData, _ = server.doc["_userData"].([]byte)
	host.Image, _ = server.doc["_properties"].(map[string]string)
	for key, value := range server.doc.sub("metadata") {
		host.MetaData[key] = text(value)
	}
	for _, a := range c.fixedAddresses(server) {
		host.FixedIPs = append(host.FixedIPs, a.String())
	}
	c.boot(host)
}

// boot switches a host on, unless it is.
func (c *Cloud) boot(host kube.Host) {
	if c.nodes[host.ID] != nil {
		return
	}
	node, err := c.guest(host)
	if err != nil {
		c.log.Error("host does not boot", "host", host.ID, "error", err)
		return
	}
	c.nodes[host.ID] = node
}

// powerOff stops what runs on a server and then calls done, which holds c.mu.
func (c *Cloud) powerOff(server *object, done func()) {
	node := c.nodes[server.id]
	delete(c.nodes, server.id)
	c.background.Go(func() {
		if node != nil {
			node.Stop() // takes c.mu on its way
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			done()
		}
	})
}

// Crash is a kernel panic of a server or of a node of Ironic's: nothing on it answers any more, while the service goes on
// calling it active, until it is started again; a node by its power, since a soft reboot is something that its system does.
func (c *Cloud) Crash(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	host := c.get("server", id)
	if host == nil {
		host = c.get("node", id)
	}
	if host == nil || c.nodes[id] == nil {
		return fmt.Errorf("no host %s runs", id)
	}
	c.powerOff(host, func() {})
	return nil
}

func (q *call) serverByID() (*object, error) {
	if o := q.own("server", q.arg("id")); o != nil {
		return o, nil
	}
	return nil, fail(http.StatusNotFound, "", "Instance %s could not be found.", q.arg("id"))
}

func listServers(detail bool) func(*call) (any, error) {
	return func(q *call) (any, error) {
		all := equals(true, q.query.Get("all_tenants")) || q.query.Get("all_tenants") == "1"
		if all && !q.admin() {
			return nil, fail(http.StatusForbidden, "", "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed.")
		}
		l := listing{kind: "server", collection: "servers", filters: serverFilters(q), render: q.serverView, sees: func(o *object) bool {
			return (o.project == q.project() || all) && o.doc.str("status") != softDeleted
		}}
		if !detail {
			l.render = func(o *object) doc { return doc{"id": o.id, "name": o.name(), "links": q.links("servers", o.id)} }
		}
		return q.list(l)
	}
}

func serverFilters(q *call) map[string]func(*object, string) bool {
	name := pattern(q.query.Get("name")) // of all servers, so compiled once
	own := func(key string) func(*object, string) bool {
		return func(o *object, value string) bool { return o.doc.str(key) == value }
	}
	return map[string]func(*object, string) bool{
		"name":              func(o *object, _ string) bool { return name(o.name()) },
		"status":            func(o *object, value string) bool { return strings.EqualFold(o.doc.str("status"), value) },
		"vm_state":          own("OS-EXT-STS:vm_state"),
		"availability_zone": own("OS-EXT-AZ:availability_zone"),
		"image":             own("_image"),
		"flavor":            func(o *object, value string) bool { return o.doc.sub("_flavor").str("id") == value },
		"project_id":        func(o *object, value string) bool { return o.project == value },
		"uuid":              func(o *object, value string) bool { return o.id == value },
		"changes-since": func(o *object, value string) bool {
			since, err := time.Parse(time.RFC3339, value)
			updated, _ := time.Parse(time.RFC3339, o.doc.str("updated"))
			return err != nil || !updated.Before(since)
		},
		"metadata": func(o *object, value string) bool {
			var want map[string]string
			if json.Unmarshal([]byte(value), &want) != nil {
				return false
			}
			for key, v := range want {
				if o.doc.sub("metadata").str(key) != v {
					return false
				}
			}
			return true
		},
		"ip": func(o *object, value string) bool {
			for _, a := range q.fixedAddresses(o) {
				if pattern(value)(a.String()) {
					return true
				}
			}
			return false
		},
	}
}

func (q *call) serverView(o *object) doc {
	out := o.doc.public()
	micro := q.microversion()
	flavor := o.doc.sub("_flavor")
	out["flavor"] = doc{"id": flavor["id"], "links": q.links("flavors", flavor.str("id"))}
	if micro >= 47 {
		out["flavor"] = doc{"original_name": flavor["name"], "vcpus": flavor["vcpus"], "ram": flavor["ram"], "disk": flavor["disk"], "swap": 0, "ephemeral": 0, "extra_specs": flavor["_specs"]}
	}
	out["image"] = ""
	if !o.doc.flag("_fromVolume", false) {
		out["image"] = doc{"id": o.doc["_image"], "links": q.links("images", o.doc.str("_image"))}
	}
	if micro < 26 {
		delete(out, "tags")
	}
	if micro < 19 {
		delete(out, "description")
	}
	if micro < 9 {
		delete(out, "locked")
	}
	if micro >= 71 {
		out["server_groups"] = []string{}
		if g := o.doc.str("_group"); g != "" {
			out["server_groups"] = []string{g}
		}
	}
	out["addresses"], out["security_groups"] = q.serverAddresses(o)
	attached := []doc{}
	for _, id := range o.doc.strs("_volumes") {
		attached = append(attached, doc{"id": id, "delete_on_termination": slices.Contains(o.doc.strs("_doomedVolumes"), id)})
	}
	out["os-extended-volumes:volumes_attached"] = attached
	out["links"] = q.links("servers", o.id)
	return out
}

// serverAddresses is what Nova caches of Neutron's ports.
func (q *call) serverAddresses(server *object) (doc, []doc) {
	addresses, groups := doc{}, []doc{}
	for _, id := range server.doc.strs("_ports") {
		p := q.get("port", id)
		if p == nil {
			continue
		}
		network := q.get("network", p.doc.str("network_id")).name()
		list, _ := addresses[network].([]doc)
		for _, ip := range p.doc.docs("fixed_ips") {
			list = append(list, address(p, ip.str("ip_address"), "fixed"))
		}
		for _, f := range q.with("floatingip", "port_id", p.id) {
			list = append(list, address(p, f.doc.str("floating_ip_address"), "floating"))
		}
		addresses[network] = list
		for _, g := range p.doc.strs("security_groups") {
			if o := q.get("security_group", g); o != nil {
				groups = append(groups, doc{"name": o.name()})
			}
		}
	}
	return addresses, groups
}

func address(port *object, ip, kind string) doc {
	v := 4
	if strings.Contains(ip, ":") {
		v = 6
	}
	return doc{"addr": ip, "version": v, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port.doc["mac_address"]}
}

func showServer(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	return doc{"server": q.serverView(o)}, nil
}

func updateServer(q *call) (any, error) {
	in, err := q.input("server")
	if err != nil {
		return nil, err
	}
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"name", "description", "accessIPv4", "accessIPv6"} {
		if in.has(key) {
			o.doc[key] = in[key]
		}
	}
	return doc{"server": q.serverView(o)}, nil
}

func deleteServer(q *call) (any, error) {
	o, err := q.serverByID()
	if err != nil {
		return nil, err
	}
	if q.options.KeepDeleted && o.doc.str("OS-SRV-USG:launched_at") != "" && !goes(o) {
		o.doc["OS-EXT-STS:task_state"], o.doc["updated"] = "soft-deleting", q.now()
		q.after(q.options.Latency.ServerDelete, func() {
			q.powerOff(o, func() { q.setServer(o, softDeleted, "soft-delete", nil, 4) })
		})
		return nil, nil
	}
	return nil, q.endServer(o)
}

// softDeleted is the status of servers that are deleted and kept.
const softDeleted = "SOFT_DELETED"

// goes tells that the end of a server has been asked for.
func goes(o *object) bool {
	task := o.doc.str("OS-EXT-STS:task_state")
	return task == "deleting" || task == "soft-deleting" || o.doc.str("status") == "DELETED"
}

// endServer takes a server away. Last it has no task any more, and is not gone yet.
func (q *call) endServer(o *object) error {
	if goes(o) {
		return nil
	}
	o.doc["OS-EXT-STS:task_state"], o.doc["updated"] = "deleting", q.now()
	q.start(q.options.Latency.ServerDelete, func() {
		q.powerOff(o, func() {
			q.setServer(o, "DELETED", "deleted", nil, 0)
			q.after(q.options.Latency.ServerDelete/4, func() { q.vanish(o) })
		})
	}, func(message string) {
		q.setServer(o, "ERROR", "error", nil, 0)
		o.doc["fault"] = doc{"code": 500, "message": message, "created": q.now()}
	})
	return nil
}

// vanish removes a server that is off: its own ports go with it, those of others become free, and so with volumes.
func (c *Cloud) vanish(server *object) {
	if !c.alive(server) {
		return
	}
	c.remove(server)
	c.forget(server.id)
	for _, id := range server.doc.strs("_ports") {
		p := c.get("port", id)
		switch {
		case p == nil:
		case slices.Contains(server.doc.strs("_ownPorts"), id):
			c.removePort(p)
		default:
			c.bindPort(p, "", "")
		}
	}
	for _, id := range server.doc.strs("_volumes") {
		v := c.get("volume", id)
		if v == nil {
			continue
		}
		c.detach(v)
		if slices.Contains(server.doc.strs("_doomedVolumes"), id) {
			c.remove(v)
		}
	}
}
