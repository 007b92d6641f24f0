package api

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

func TestQuotas(t *testing.T) {
	b := newBed(t)
	path := "/v1/quotas/" + b.one.project + "/Cluster"

	a := b.one.want(200, "GET", path, nil).json()
	if a["hard_limit"] != 20.0 || a["project_id"] != b.one.project || a["resource"] != "Cluster" || len(a) != 3 {
		t.Errorf("without a row: %v", a)
	}
	if a := b.one.want(200, "GET", "/v1/quotas/"+b.one.project+"/Bogus", nil).json(); a["resource"] != "Bogus" || a["hard_limit"] != 20.0 {
		t.Errorf("of an unknown resource: %v", a)
	}
	for _, tc := range []struct {
		name         string
		who          *client
		method, path string
		body         any
		status       int
		says         string
	}{
		{"another project's", b.other, "GET", path, nil, 403, "Not authorized"},
		{"without a resource", b.one, "GET", "/v1/quotas/" + b.one.project, nil, 400, `Missing argument: "resource"`},
		{"a list for a member", b.one, "GET", "/v1/quotas", nil, 403, "quota:get_all"},
		{"made by a member", b.one, "POST", "/v1/quotas", object{"project_id": b.one.project}, 403, "quota:create"},
		{"of no project", b.admin, "POST", "/v1/quotas", object{"hard_limit": 3}, 400, "project_id"},
		{"of a project that is not there", b.admin, "POST", "/v1/quotas", object{"project_id": "nobody"}, 404, "nobody"},
		{"of a project that leads elsewhere", b.admin, "POST", "/v1/quotas", object{"project_id": "../users"}, 404, "../users"},
		{"a change of another resource than the address's", b.admin, "PATCH", path, object{"resource": "BaremetalNode", "hard_limit": 3}, 400, "resource"},
		{"of another resource", b.admin, "POST", "/v1/quotas", object{"project_id": b.one.project, "resource": "Node"}, 400, "resource"},
		{"below none", b.admin, "POST", "/v1/quotas", object{"project_id": b.one.project, "hard_limit": -1}, 400, "hard_limit"},
		{"an unknown attribute", b.admin, "POST", "/v1/quotas", object{"project_id": b.one.project, "limit": 1}, 400, "Unknown attribute for argument quota: limit"},
		{"a change where there is none", b.admin, "PATCH", path, object{"hard_limit": 3}, 404, "could not be found"},
		{"deleted where there is none", b.admin, "DELETE", path, nil, 404, "could not be found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := tc.who.want(tc.status, tc.method, tc.path, tc.body).detail(); !contains(d, tc.says) {
				t.Errorf("refused with %q, which does not say %q", d, tc.says)
			}
		})
	}

	made := b.admin.want(201, "POST", "/v1/quotas", object{"project_id": b.one.project, "hard_limit": 5, "resource": "Cluster"}).json()
	if made["hard_limit"] != 5.0 || made["id"] == nil || made["created_at"] == nil {
		t.Errorf("made: %v", made)
	}
	b.admin.want(409, "POST", "/v1/quotas", object{"project_id": b.one.project})
	b.admin.want(201, "POST", "/v1/quotas", object{"project_id": b.other.project})
	if a := b.other.want(200, "GET", "/v1/quotas/"+b.other.project+"/Cluster", nil).json(); a["hard_limit"] != 1.0 {
		t.Errorf("with no limit named: %v", a)
	}
	if a := b.admin.want(202, "PATCH", path, object{"project_id": b.one.project, "resource": "Cluster", "hard_limit": 7}).json(); a["hard_limit"] != 7.0 || a["updated_at"] == nil {
		t.Errorf("changed: %v", a)
	}
	if a := b.admin.want(202, "PATCH", path, object{}).json(); a["hard_limit"] != 1.0 {
		t.Errorf("changed to nothing: %v", a)
	}
	if l := b.admin.want(200, "GET", "/v1/quotas", nil).list("quotas"); len(l) != 0 {
		t.Errorf("the admin's own: %v", l)
	}
	page := b.admin.want(200, "GET", "/v1/quotas?all_tenants=True&limit=1", nil)
	if l := page.list("quotas"); len(l) != 1 || l[0]["project_id"] != b.one.project {
		t.Errorf("the first page: %s", page.body)
	}
	next := page.text("next")
	page = b.admin.want(200, "GET", next[len(b.url):], nil)
	if l := page.list("quotas"); len(l) != 1 || l[0]["project_id"] != b.other.project {
		t.Errorf("the page at %s: %s", next, page.body)
	}
	b.admin.want(400, "GET", "/v1/quotas?marker=x", nil)
	b.admin.want(404, "GET", "/v1/quotas?marker=99&all_tenants=true", nil)
	b.admin.want(204, "DELETE", path, nil)
	if a := b.one.want(200, "GET", path, nil).json(); a["hard_limit"] != 20.0 {
		t.Errorf("after the delete: %v", a)
	}
}

// TestQuotaHoldsUnderPressure: of many creates at once exactly as many pass as the quota has room for.
func TestQuotaHoldsUnderPressure(t *testing.T) {
	b := newBed(t)
	b.admin.want(201, "POST", "/v1/quotas", object{"project_id": b.one.project, "hard_limit": 3})
	template := b.one.template(nil)
	statuses := make(chan int, 12)
	var all sync.WaitGroup
	for i := range cap(statuses) {
		all.Go(func() {
			a := b.one.do("POST", "/v1/clusters", object{"name": fmt.Sprint("c", i), "cluster_template_id": template})
			if a.status == http.StatusForbidden && !contains(string(a.body), "maximum clusters per project, 3") {
				t.Errorf("refused with %s", a.body)
			}
			statuses <- a.status
		})
	}
	all.Wait()
	close(statuses)
	count := map[int]int{}
	for s := range statuses {
		count[s]++
	}
	if count[202] != 3 || count[403] != 9 {
		t.Errorf("answers %v, expected three of 202 and nine of 403", count)
	}
	problems := b.one.refusedFor(object{"cluster_template_id": template})
	if len(problems) != 1 || !contains(fmt.Sprint(problems[0]["message"]), "maximum clusters per project, 3") {
		t.Errorf("preflight: %v", problems)
	}
}

func TestStats(t *testing.T) {
	b := newBed(t)
	template := b.one.template(object{"master_lb_enabled": true})
	b.one.cluster(template, object{"master_count": 3, "node_count": 2})
	b.one.cluster(template, nil)
	for _, tc := range []struct {
		name            string
		who             *client
		query           string
		clusters, nodes float64
	}{
		{"one's own", b.one, "", 2, 7}, {"one's own by name", b.one, "?project_id=" + b.one.project, 2, 7}, {"by type", b.one, "?type=cluster", 2, 7},
		{"of an empty project", b.other, "", 0, 0}, {"of the cloud", b.admin, "", 2, 7}, {"of a project, for an admin", b.admin, "?project_id=" + b.one.project, 2, 7},
		{"of an unknown project, for an admin", b.admin, "?project_id=x", 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := tc.who.want(200, "GET", "/v1/stats"+tc.query, nil).json()
			if a["clusters"] != tc.clusters || a["nodes"] != tc.nodes || len(a) != 2 {
				t.Errorf("%v", a)
			}
		})
	}
	b.one.want(403, "GET", "/v1/stats?project_id="+b.other.project, nil)
	b.one.want(400, "GET", "/v1/stats?type=node", nil)
	b.one.want(400, "GET", "/v1/stats?limit=1", nil)
}

func TestFederations(t *testing.T) {
	b := newBed(t)
	for _, path := range []string{"/v1/federations", "/v1/federations/detail", "/federations/"} {
		if l := b.one.want(200, "GET", path, nil).list("federations"); len(l) != 0 {
			t.Errorf("%s: %v", path, l)
		}
	}
	b.one.want(404, "GET", "/v1/federations/x", nil)
	b.one.want(404, "DELETE", "/v1/federations/x", nil)
	b.one.want(400, "POST", "/v1/federations", object{"name": "x"})
}
