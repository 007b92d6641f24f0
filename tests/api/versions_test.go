package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDiscovery: what clients read before they have a token.
func TestDiscovery(t *testing.T) {
	b := newBed(t)
	nobody := &client{t: t, url: b.url}
	a := nobody.want(200, "GET", "/", nil)
	root := a.json()
	want := object{"name": "OpenStack Magnum API", "description": root["description"], "versions": []any{object{"id": "v1", "status": "CURRENT", "min_version": "1.1", "max_version": "1.14",
		"links": []any{object{"href": b.url + "/v1/", "rel": "self"}}}}}
	if d := cmp.Diff(want, root); d != "" || a.header.Get("OpenStack-API-Version") != "" {
		t.Errorf("the root has version %q (-want +got):\n%s", a.header.Get("OpenStack-API-Version"), d)
	}
	for _, path := range []string{"/v1", "/v1/"} {
		a := nobody.want(200, "GET", path, nil)
		got := a.json()
		if got["id"] != "v1" || a.header.Get("OpenStack-API-Version") != "container-infrastructure-management 1.1" || a.header.Get("X-Openstack-Request-Id") == "" {
			t.Errorf("%s: %v %v", path, a.header, got)
		}
		if d := cmp.Diff([]any{object{"base": "application/json", "type": "application/vnd.openstack.magnum.v1+json"}}, got["media_types"]); d != "" {
			t.Error(d)
		}
		links := a.list("links")
		if len(links) != 2 || links[0]["href"] != b.url+"/v1/" || links[0]["rel"] != "self" || links[1]["rel"] != "describedby" || links[1]["type"] != "text/html" {
			t.Errorf("links: %v", links)
		}
		for name, at := range map[string]string{"clustertemplates": "", "clusters": "", "quotas": "", "certificates": "", "mservices": "", "stats": "", "federations": "", "credentials": "",
			"nodegroups": "clusters/{cluster_id}/nodegroups"} {
			if at == "" {
				at = name
			}
			if d := cmp.Diff([]any{object{"href": b.url + "/v1/" + at + "/", "rel": "self"}, object{"href": b.url + "/" + at + "/", "rel": "bookmark"}}, got[name]); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
	for _, path := range []string{"/v1/clusters", "/clusters", "/v1/clustertemplates/x", "/v1/quotas", "/v1/mservices", "/v1/certificates/x"} {
		for _, token := range []string{"", "nonsense"} {
			a := (&client{t: t, url: b.url, token: token}).want(401, "GET", path, nil)
			e, _ := a.json()["error"].(object)
			if e["code"] != 401.0 || e["title"] != "Unauthorized" || !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Keystone uri=") || a.header.Get("OpenStack-API-Version") != "" {
				t.Errorf("%s: %v %s", path, a.header, a.body)
			}
		}
	}
}

// TestMicroversions: the header, and what is only there from some version on.
func TestMicroversions(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	for header, used := range map[string]string{"": "1.1", "container-infra 1.1": "1.1", "container-infra 1.9": "1.9", "container-infrastructure 1.10": "1.10", "container-infrastructure-management 1.14": "1.14",
		"container-infra latest": "1.14", "container-infra LATEST": "1.14", "compute latest": "1.14"} {
		who := *b.one
		who.version = header
		a := who.want(200, "GET", "/v1/clusters", nil)
		if got := a.header.Get("OpenStack-API-Version"); got != "container-infrastructure-management "+used {
			t.Errorf("%q is answered with %q", header, got)
		}
		a = who.want(404, "GET", "/v1/clusters/nope", nil)
		if got := a.header.Get("OpenStack-API-Version"); got != "container-infrastructure-management "+used || a.header.Get("Vary") == "" {
			t.Errorf("%q: an error is answered with %v", header, a.header)
		}
	}
	for _, tc := range []struct {
		name, header, says string
		own                bool // the form that only versions out of range have
	}{
		{"a later minor", "container-infra 1.15", "Version 1.15 was requested but the minor version is not supported", true}, {"no minor", "container-infra 1.0", "1.0", true}, {"far away", "container-infra 1.99", "[container-infrastructure-management 1.1, container-infrastructure-management 1.14]", true},
		{"another major", "container-infra 2.0", "mutually exclusive", true}, {"another service", "compute 1.1", "Invalid service type", false}, {"one word", "container-infra", "Invalid", false}, {"no number", "container-infra abc", "Invalid value", false},
		{"half a number", "container-infra 1.x", "Invalid value", false}, {"just a number", "1.9", "Invalid service type", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			who := *b.one
			who.version = tc.header
			a := who.want(406, "GET", "/v1/clusters", nil)
			e := a.list("errors")[0]
			if !tc.own {
				if e["code"] != "" || e["status"] != 406.0 || !contains(fmt.Sprint(e["detail"]), tc.says) {
					t.Errorf("%v", e)
				}
				return
			}
			want := object{"code": "magnum.microversion-unsupported", "title": "Requested microversion is unsupported", "description": e["description"], "max_version": "1.14", "min_version": "1.1",
				"links": []any{object{"rel": "help", "href": "http://docs.openstack.org/api-guide/compute/microversions.html"}}}
			if d := cmp.Diff(want, e); d != "" || !contains(fmt.Sprint(e["description"]), tc.says) {
				t.Errorf("%v (-want +got):\n%s", e["description"], d)
			}
		})
	}
	cluster, group := "/v1/clusters/"+id, "/v1/clusters/"+id+"/nodegroups"
	for _, tc := range []struct {
		method, path string
		body         any
		since        int // 1: in all
	}{
		{"POST", cluster + "/actions/resize", object{"node_count": 1}, 7}, {"POST", cluster + "/actions/upgrade", object{"cluster_template": "k8s"}, 7},
		{"GET", group, nil, 9}, {"GET", group + "/default-worker", nil, 9}, {"POST", group, object{"name": "x"}, 9}, {"PATCH", group + "/default-worker", []object{}, 9}, {"DELETE", group + "/x", nil, 9},
		{"PATCH", "/v1/credentials/" + id, nil, 12}, {"PATCH", "/v1/certificates/" + id, nil, 1}, {"GET", "/v1/stats", nil, 1}, {"GET", "/v1/quotas/" + b.one.project + "/Cluster", nil, 1}, {"GET", "/v1/federations", nil, 1},
		{"PATCH", cluster, []object{}, 1}, {"GET", cluster + "/operations", nil, 1},
	} {
		for minor := 1; minor <= 14; minor++ {
			t.Run(fmt.Sprintf("%s %s at 1.%d", tc.method, tc.path[len("/v1/"):], minor), func(t *testing.T) {
				a := b.one.at(fmt.Sprint("1.", minor)).do(tc.method, tc.path, tc.body)
				if (a.status == 406) != (minor < tc.since) {
					t.Errorf("HTTP %d, and it is there since 1.%d", a.status, tc.since)
				}
				if a.status == 406 && (!contains(a.detail(), fmt.Sprint("1.", minor)) || !contains(a.detail(), tc.method) || a.list("errors")[0]["code"] != "") {
					t.Errorf("it says %s", a.body)
				}
			})
		}
	}
	// attributes that came late, in every version
	for _, version := range []string{"", "1.1", "1.14"} {
		a := b.admin.at(version).want(201, "POST", "/v1/clustertemplates", with(leastTemplate(), object{"hidden": true, "tags": "x", "driver": "vm", "master_lb_enabled": true, "floating_ip_enabled": false})).json()
		if a["hidden"] != true || a["tags"] != "x" || a["driver"] != "vm" || a["master_lb_enabled"] != true || a["floating_ip_enabled"] != false {
			t.Errorf("at %q: %v", version, a)
		}
	}
}
