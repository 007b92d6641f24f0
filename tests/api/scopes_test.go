package api

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
)

// scoped is a user with a token of no project; without a scope it is of nothing at all.
func (b *bed) scoped(user string, scope *gophercloud.AuthScope) *client {
	b.t.Helper()
	p := must(openstack.AuthenticatedClient(b.t.Context(), gophercloud.AuthOptions{IdentityEndpoint: b.Cloud.AuthURL(), Username: user, Password: "secret", DomainName: "Default", Scope: scope}))(b.t)
	return &client{t: b.t, url: b.url, token: p.Token(), version: "container-infra latest"}
}

// TestTokensWithoutAProject: an admin looks at everything; what would belong to a project cannot be made.
func TestTokensWithoutAProject(t *testing.T) {
	b := newBed(t)
	template := b.one.template(nil)
	id := b.one.cluster(template, nil)
	b.address(id)
	cluster := "/v1/clusters/" + id
	for name, who := range map[string]*client{"the system's": b.scoped("admin", &gophercloud.AuthScope{System: true}), "a domain's": b.scoped("admin", &gophercloud.AuthScope{DomainID: "default"})} {
		t.Run(name, func(t *testing.T) {
			unused := b.one.template(object{"name": "unused"})
			b.set(id, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
			for _, tc := range []struct {
				method, path string
				body         any
				status       int
			}{
				{"GET", "/v1/clusters", nil, 200}, {"GET", "/v1/clusters/detail", nil, 200}, {"GET", cluster, nil, 200}, {"GET", cluster + "/nodegroups", nil, 200}, {"GET", cluster + "/nodegroups/default-worker", nil, 200},
				{"GET", "/v1/clustertemplates", nil, 200}, {"GET", "/v1/clustertemplates/" + template, nil, 200}, {"GET", "/v1/mservices", nil, 200}, {"GET", "/v1/stats", nil, 200},
				{"GET", "/v1/quotas", nil, 200}, {"GET", "/v1/quotas?all_tenants=true", nil, 200}, {"GET", "/v1/quotas/" + b.one.project + "/Cluster", nil, 200},
				{"PATCH", cluster, []object{op("replace", "/health_status", "UNKNOWN")}, 202}, {"PATCH", "/v1/clustertemplates/" + unused, []object{op("replace", "/flavor_id", "m1.small")}, 200},
				{"POST", cluster + "/actions/upgrade", object{"cluster_template": template}, 202}, {"DELETE", "/v1/clustertemplates/" + unused, nil, 204},
				{"POST", "/v1/clusters", object{"cluster_template_id": template}, 403}, {"POST", "/v1/clusters/preflight", object{"cluster_template_id": template}, 403}, {"POST", "/v1/clustertemplates", leastTemplate(), 403},
				{"POST", cluster + "/nodegroups", object{"name": "x"}, 403}, {"PATCH", cluster + "/nodegroups/default-worker", []object{}, 403}, {"DELETE", cluster + "/nodegroups/default-worker", nil, 403},
				{"POST", "/v1/certificates", object{"cluster_uuid": id, "csr": "x"}, 403}, {"PATCH", "/v1/certificates/" + id, nil, 403}, {"PATCH", "/v1/credentials/" + id, nil, 403}, {"POST", "/v1/federations", object{}, 403},
				{"GET", "/v1/certificates/" + id, nil, 404}, {"POST", cluster + "/actions/resize", object{"node_count": 1}, 404},
			} {
				if a := who.do(tc.method, tc.path, tc.body); a.status != tc.status {
					t.Errorf("%s %s: HTTP %d %s, expected %d", tc.method, tc.path, a.status, a.body, tc.status)
				}
			}
		})
	}
	nobody := b.scoped("demo", nil)
	for _, path := range []string{"/v1/clusters", cluster, "/v1/clustertemplates", "/v1/clustertemplates/" + template, "/v1/stats", "/v1/mservices", "/v1/certificates/" + id} {
		nobody.want(403, "GET", path, nil)
	}
}
