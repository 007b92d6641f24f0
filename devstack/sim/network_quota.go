package sim

import "net/http"

// networkQuotas are Neutron's, by what they count.
func networkQuotas() map[string]string {
	out := map[string]string{"subnetpool": "subnetpool", "rbac_policy": "rbac_policy"}
	for _, k := range neutronKinds() {
		out[k.quota] = k.kind
	}
	return out
}

func (q *call) quotaOwner() error {
	if p := q.arg("project"); p != q.project() && !q.admin() {
		return fail(http.StatusForbidden, "PolicyNotAuthorized", "rule:get_quota is disallowed by policy")
	}
	return nil
}

func showNetworkQuota(q *call) (any, error) {
	if err := q.quotaOwner(); err != nil {
		return nil, err
	}
	out := doc{}
	for name := range networkQuotas() {
		out[name] = q.quota(q.arg("project"), name)
	}
	return doc{"quota": out}, nil
}

func detailNetworkQuota(q *call) (any, error) {
	if err := q.quotaOwner(); err != nil {
		return nil, err
	}
	out := doc{}
	for name, kind := range networkQuotas() {
		out[name] = doc{"limit": q.quota(q.arg("project"), name), "used": q.count(kind, q.arg("project")), "reserved": 0}
	}
	return doc{"quota": out}, nil
}

func setNetworkQuota(q *call) (any, error) {
	in, err := q.input("quota")
	if err != nil {
		return nil, err
	}
	if !q.admin() {
		return nil, fail(http.StatusForbidden, "PolicyNotAuthorized", "rule:update_quota is disallowed by policy")
	}
	q.setQuotas(q.arg("project"), in)
	return showNetworkQuota(q)
}

func resetNetworkQuota(q *call) (any, error) {
	if !q.admin() {
		return nil, fail(http.StatusForbidden, "PolicyNotAuthorized", "rule:delete_quota is disallowed by policy")
	}
	for name := range networkQuotas() {
		delete(q.quotas[q.arg("project")], name)
	}
	return nil, nil
}

func (c *Cloud) setQuotas(project string, in doc) {
	if c.quotas[project] == nil {
		c.quotas[project] = map[string]int{}
	}
	for name := range in {
		if _, known := defaultQuotas()[name]; known {
			c.quotas[project][name] = in.num(name)
		}
	}
}

var extensionAliases = []string{
	"router", "ext-gw-mode", "external-net", "security-group", "standard-attr-tag", "quotas", "quota_details", "allowed-address-pairs",
	"port-security", "binding", "availability_zone", "pagination", "sorting", "project-id", "standard-attr-description",
	"standard-attr-timestamp", "net-mtu", "fip-port-details", "subnet_allocation", "extra_dhcp_opt", "extraroute", "extraroute-atomic",
}

func listExtensions(*call) (any, error) {
	out := []doc{}
	for _, alias := range extensionAliases {
		out = append(out, extension(alias))
	}
	return doc{"extensions": out}, nil
}

func extension(alias string) doc {
	return doc{"alias": alias, "name": alias, "description": "", "updated": "2020-01-01T00:00:00-00:00", "links": []doc{}}
}

func showExtension(q *call) (any, error) {
	for _, alias := range extensionAliases {
		if alias == q.arg("alias") {
			return doc{"extension": extension(alias)}, nil
		}
	}
	return nil, fail(http.StatusNotFound, "HTTPNotFound", "Extension with alias %s does not exist", q.arg("alias"))
}
