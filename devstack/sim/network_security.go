package sim

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// defaultGroup returns the security group that every project has, and makes it when it is first needed.
func (c *Cloud) defaultGroup(project string) *object {
	for _, o := range c.with("security_group", byProject, project) {
		if o.name() == "default" {
			return o
		}
	}
	q := &call{Cloud: c}
	o := q.newGroup(doc{"name": "default", "description": "Default security group"}, project)
	o.seeded = true
	for _, family := range []string{"IPv4", "IPv6"} {
		q.newRule(o, doc{"direction": "ingress", "ethertype": family, "remote_group_id": o.id})
	}
	for _, r := range q.with("security_group_rule", "security_group_id", o.id) {
		r.seeded = true
	}
	return o
}

func createSecurityGroup(q *call, in doc, project string) (*object, error) {
	if in.str("name") == "default" {
		return nil, fail(http.StatusConflict, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	return q.newGroup(in, project), nil
}

// newGroup makes a group with the rules that every new one has: all that goes out.
func (q *call) newGroup(in doc, project string) *object {
	o := q.add("security_group", project, q.fresh(in, project, doc{"stateful": in.flag("stateful", true), "shared": false}))
	for _, family := range []string{"IPv4", "IPv6"} {
		q.newRule(o, doc{"direction": "egress", "ethertype": family})
	}
	return o
}

func (q *call) newRule(group *object, in doc) *object {
	d := q.fresh(in, group.project, in.pick(doc{
		"direction": "", "ethertype": "IPv4", "protocol": nil, "port_range_min": nil, "port_range_max": nil,
		"remote_ip_prefix": nil, "remote_group_id": nil, "remote_address_group_id": nil,
	}))
	delete(d, "name")
	d["security_group_id"] = group.id
	return q.add("security_group_rule", group.project, d)
}

func viewSecurityGroup(q *call, o *object) doc {
	out := o.doc.public()
	rules := []doc{}
	for _, r := range q.with("security_group_rule", "security_group_id", o.id) {
		rules = append(rules, r.doc.public())
	}
	out["security_group_rules"] = rules
	return out
}

func deleteSecurityGroup(q *call, o *object) error {
	if o.name() == "default" && !q.admin() {
		return fail(http.StatusConflict, "SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
	}
	if q.first("port", func(p *object) bool { return slices.Contains(p.doc.strs("security_groups"), o.id) }) != nil {
		return fail(http.StatusConflict, "SecurityGroupInUse", "Security Group %s in use.", o.id)
	}
	for _, r := range q.find("security_group_rule", func(r *object) bool {
		return r.doc.str("security_group_id") == o.id || r.doc.str("remote_group_id") == o.id
	}) {
		q.remove(r)
	}
	q.remove(o)
	return nil
}

func createRule(q *call, in doc, _ string) (*object, error) {
	group := q.own("security_group", in.str("security_group_id"))
	if group == nil {
		return nil, notThere("SecurityGroup", in.str("security_group_id"))
	}
	if err := q.checkRule(in); err != nil {
		return nil, err
	}
	rule := &object{doc: in.pick(ruleKeys())}
	for _, other := range q.with("security_group_rule", "security_group_id", group.id) {
		if sameRule(rule.doc, other.doc) {
			return nil, fail(http.StatusConflict, "SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", other.id)
		}
	}
	return q.newRule(group, in), nil
}

func ruleKeys() doc {
	return doc{"direction": "", "ethertype": "IPv4", "protocol": nil, "port_range_min": nil, "port_range_max": nil, "remote_ip_prefix": nil, "remote_group_id": nil}
}

func sameRule(a, b doc) bool {
	for key := range ruleKeys() {
		if text(a[key]) != text(b[key]) {
			return false
		}
	}
	return true
}

// checkRule refuses what Neutron refuses, and brings the rest into its form.
func (q *call) checkRule(in doc) error {
	if d := in.str("direction"); d != "ingress" && d != "egress" {
		return fail(http.StatusBadRequest, "HTTPBadRequest", "Invalid input for direction. Reason: '%s' is not in ['ingress', 'egress'].", d)
	}
	for _, key := range []string{"protocol", "remote_ip_prefix", "remote_group_id", "port_range_min", "port_range_max"} {
		if in[key] == "" {
			in[key] = nil
		}
	}
	protocol := strings.ToLower(text(in["protocol"]))
	if in.has("protocol") {
		in["protocol"] = protocol
	}
	low, high := in.num("port_range_min"), in.num("port_range_max")
	switch {
	case (in.has("port_range_min") || in.has("port_range_max")) && protocol == "":
		return fail(http.StatusBadRequest, "SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	case (protocol == "tcp" || protocol == "udp") && (low > high || low > 0 != (high > 0)):
		return fail(http.StatusBadRequest, "SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
	case in.has("remote_ip_prefix") && in.has("remote_group_id"):
		return fail(http.StatusBadRequest, "SecurityGroupRemoteGroupAndRemoteIpPrefix", "Only remote_ip_prefix or remote_group_id may be provided.")
	case in.has("remote_group_id") && q.seen("security_group", in.str("remote_group_id")) == nil:
		return notThere("SecurityGroup", in.str("remote_group_id"))
	}
	if s := in.str("remote_ip_prefix"); s != "" {
		if !strings.Contains(s, "/") {
			if a, err := netip.ParseAddr(s); err == nil {
				s = netip.PrefixFrom(a, a.BitLen()).String()
			}
		}
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4() != (cmpOr(in.str("ethertype"), "IPv4") == "IPv4") {
			return fail(http.StatusBadRequest, "SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", in.str("ethertype"), s)
		}
		in["remote_ip_prefix"] = p.Masked().String()
	}
	return nil
}

func deleteRule(q *call, o *object) error {
	q.remove(o)
	return nil
}

// admitted tells whether a port lets TCP in to one of its ports, from the address of another port or, with nil, from the
// outside.
func (c *Cloud) admitted(target *object, port int, from *object, source netip.Addr) bool {
	if !target.doc.flag("port_security_enabled", true) {
		return true
	}
	if target.doc.str("binding:vnic_type") == "baremetal" && target.doc.str("binding:host_id") != "" {
		return true // no hypervisor is there to filter
	}
	for _, id := range target.doc.strs("security_groups") {
		for _, r := range c.with("security_group_rule", "security_group_id", id) {
			if ruleAdmits(r.doc, port, from, source) {
				return true
			}
		}
	}
	return false
}

func ruleAdmits(r doc, port int, from *object, source netip.Addr) bool {
	if p := r.str("protocol"); r.str("direction") != "ingress" || p != "" && p != "tcp" && p != "6" && p != "any" {
		return false
	}
	if r.has("port_range_min") && (port < r.num("port_range_min") || port > r.num("port_range_max")) {
		return false
	}
	if id := r.str("remote_group_id"); id != "" {
		return from != nil && slices.Contains(from.doc.strs("security_groups"), id)
	}
	if s := r.str("remote_ip_prefix"); s != "" {
		p, err := netip.ParsePrefix(s)
		return err == nil && p.Contains(source)
	}
	return r.str("ethertype") == "IPv4" || source.Is6()
}
