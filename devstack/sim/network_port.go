package sim

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"
)

func portFilters(*call) map[string]func(*object, string) bool {
	return map[string]func(*object, string) bool{
		// fixed_ips=subnet_id=… and fixed_ips=ip_address=…
		"fixed_ips": func(o *object, value string) bool {
			key, want, _ := strings.Cut(value, "=")
			return slices.ContainsFunc(o.doc.docs("fixed_ips"), func(ip doc) bool {
				if key == "ip_address_substr" {
					return strings.Contains(ip.str("ip_address"), want)
				}
				return ip.str(key) == want
			})
		},
	}
}

func createPort(q *call, in doc, project string) (*object, error) {
	network := q.seen("network", in.str("network_id"))
	if network == nil {
		return nil, notThere("Network", in.str("network_id"))
	}
	if err := q.mayPlug(network, in, project); err != nil {
		return nil, err
	}
	groups, err := q.portGroups(in, project, network)
	if err != nil {
		return nil, err
	}
	mac := in.str("mac_address")
	id := uuid.NewString()
	if mac == "" {
		mac = "fa:16:3e:" + id[0:2] + ":" + id[2:4] + ":" + id[4:6]
	}
	d := q.fresh(in, project, doc{
		"id": id, "network_id": network.id, "mac_address": mac, "admin_state_up": in.flag("admin_state_up", true), "status": "DOWN",
		"device_id": in.str("device_id"), "device_owner": in.str("device_owner"), "security_groups": groups,
		"allowed_address_pairs": orEmpty(in.docs("allowed_address_pairs")), "extra_dhcp_opts": []doc{},
		"port_security_enabled": in.flag("port_security_enabled", network.doc.flag("port_security_enabled", true)),
		"binding:vnic_type":     cmpOr(in.str("binding:vnic_type"), "normal"), "fixed_ips": []doc{}, "dns_name": "", "propagate_uplink_status": nil,
		"binding:host_id": "", "binding:profile": doc{},
	})
	ips, err := q.fixedIPs(network, in, id)
	if err != nil {
		return nil, err
	}
	d["fixed_ips"] = ips
	return q.add("port", project, d), nil
}

// viewPort keeps from everybody but administrators where a port is bound.
func viewPort(q *call, o *object) doc {
	out := o.doc.public()
	if !q.admin() {
		delete(out, "binding:host_id")
		delete(out, "binding:profile")
	}
	return out
}

func orEmpty(l []doc) []doc {
	if l == nil {
		return []doc{}
	}
	return l
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// mayPlug is Neutron's policy for ports on networks of others.
func (q *call) mayPlug(network *object, in doc, project string) error {
	if network.project == project || q.admin() {
		return nil
	}
	if !network.doc.flag("shared", false) {
		return fail(http.StatusForbidden, "PolicyNotAuthorized", "(rule:create_port and rule:create_port:fixed_ips) is disallowed by policy")
	}
	for _, ip := range in.docs("fixed_ips") {
		if ip.has("ip_address") {
			return fail(http.StatusForbidden, "PolicyNotAuthorized", "((rule:create_port and (rule:create_port:fixed_ips and (rule:create_port:fixed_ips:ip_address))) is disallowed by policy")
		}
	}
	return nil
}

func (q *call) portGroups(in doc, project string, network *object) ([]string, error) {
	if !in.flag("port_security_enabled", network.doc.flag("port_security_enabled", true)) {
		return []string{}, nil
	}
	if !in.has("security_groups") {
		return []string{q.defaultGroup(project).id}, nil
	}
	for _, id := range in.strs("security_groups") {
		if q.seen("security_group", id) == nil {
			return nil, notThere("SecurityGroup", id)
		}
	}
	return in.strs("security_groups"), nil
}

// fixedIPs takes the addresses for a port: those that are asked for, or one of the network's first subnet.
func (q *call) fixedIPs(network *object, in doc, owner string) ([]doc, error) {
	asked := in.docs("fixed_ips")
	if !in.has("fixed_ips") {
		if l := q.subnetsOf(network.id); len(l) > 0 {
			asked = []doc{{"subnet_id": l[0].id}}
		}
	}
	out := []doc{}
	undo := func() {
		for _, ip := range out {
			q.giveBack(ip.str("subnet_id"), ip.str("ip_address"))
		}
	}
	for _, want := range asked {
		ip, err := q.fixedIP(network, want, owner)
		if err != nil {
			undo()
			return nil, err
		}
		out = append(out, ip)
	}
	return out, nil
}

func (q *call) fixedIP(network *object, want doc, owner string) (doc, error) {
	var address netip.Addr
	if s := want.str("ip_address"); s != "" {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fail(http.StatusBadRequest, "HTTPBadRequest", "Invalid input for fixed_ips. Reason: '%s' is not a valid IP address.", s)
		}
		address = a
	}
	subnet := q.get("subnet", want.str("subnet_id"))
	if want.has("subnet_id") && subnet == nil {
		return nil, notThere("Subnet", want.str("subnet_id"))
	}
	if subnet == nil {
		for _, s := range q.subnetsOf(network.id) {
			if !address.IsValid() || cidrOf(s).Contains(address) {
				subnet = s
				break
			}
		}
	}
	if subnet == nil || address.IsValid() && !cidrOf(subnet).Contains(address) {
		return nil, fail(http.StatusBadRequest, "InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", address)
	}
	if subnet.doc.str("network_id") != network.id {
		return nil, fail(http.StatusBadRequest, "InvalidInput", "Invalid input for operation: Failed to create port on network %s, because fixed_ips included invalid subnet %s.", network.id, subnet.id)
	}
	address, err := q.take(subnet, address, owner)
	if err != nil {
		return nil, err
	}
	return doc{"subnet_id": subnet.id, "ip_address": address.String()}, nil
}

func updatePort(q *call, o *object, in doc) error {
	network := q.get("network", o.doc.str("network_id"))
	if in.has("security_groups") {
		groups, err := q.portGroups(in, o.project, network)
		if err != nil {
			return err
		}
		o.doc["security_groups"] = groups
	}
	if in.has("fixed_ips") {
		old := o.doc.docs("fixed_ips")
		for _, ip := range old {
			q.giveBack(ip.str("subnet_id"), ip.str("ip_address"))
		}
		ips, err := q.fixedIPs(network, in, o.id)
		if err != nil {
			for _, ip := range old {
				if a, e := netip.ParseAddr(ip.str("ip_address")); e == nil {
					_, _ = q.take(q.get("subnet", ip.str("subnet_id")), a, o.id)
				}
			}
			return err
		}
		o.doc["fixed_ips"] = ips
		for _, ip := range old {
			q.fabric.refreshText(ip.str("ip_address"))
		}
	}
	assignFields(o, in, "admin_state_up", "device_id", "device_owner", "allowed_address_pairs", "port_security_enabled", "binding:vnic_type", "extra_dhcp_opts")
	q.fabric.portChanged(o)
	return nil
}

func deletePort(q *call, o *object) error {
	if owner := o.doc.str("device_owner"); owner == "network:router_interface" || owner == "network:router_gateway" || owner == "network:floatingip" {
		return fail(http.StatusConflict, "ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.", o.id, owner)
	}
	q.removePort(o)
	return nil
}

// removePort deletes a port and everything that hangs on it.
func (c *Cloud) removePort(o *object) {
	if !c.alive(o) {
		return
	}
	c.remove(o)
	for _, ip := range o.doc.docs("fixed_ips") {
		c.giveBack(ip.str("subnet_id"), ip.str("ip_address"))
	}
	for _, f := range c.with("floatingip", "port_id", o.id) {
		c.dissociate(f)
	}
	if s := c.get("server", o.doc.str("device_id")); s != nil {
		s.doc["_ports"] = slices.DeleteFunc(slices.Clone(s.doc.strs("_ports")), func(id string) bool { return id == o.id })
	}
	c.fabric.portChanged(o)
}

// bindPort is what Nova does with a port; "" for both unbinds it.
func (c *Cloud) bindPort(o *object, device, owner string) {
	o.doc["device_id"], o.doc["device_owner"] = device, owner
	if device == "" {
		o.doc["status"] = "DOWN"
	}
	c.fabric.portChanged(o)
}

// subnetOf is where a port has its first address; "" when it has none.
func subnetOf(port *object) string {
	for _, ip := range port.doc.docs("fixed_ips") {
		return ip.str("subnet_id")
	}
	return ""
}
