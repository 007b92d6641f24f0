package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// fuzzed is a request with a body.
type fuzzed struct {
	method, path string
	admin        bool
	minor        int                            // newest microversion that has it; 0: the newest of all
	honest       func(*testing.T, *world, sent) // what has to hold once the request was accepted
	seeds        []string
}

// sent is an accepted request with its answer.
type sent struct {
	path, version string
	body          []byte
	answer        answer
}

// fuzzedRequests are all requests with a body. {template}, {cluster} and {project} stand in paths and seeds for those of the world.
func fuzzedRequests() []fuzzed {
	return []fuzzed{
		{method: "POST", path: "/v1/clustertemplates", honest: honestTemplate, seeds: templateSeeds()},
		{method: "PATCH", path: "/v1/clustertemplates/{template}", admin: true, honest: honestPatch, seeds: []string{
			`[{"op":"replace","path":"/name","value":"other"}]`, `[{"op":"replace","path":"/tags","value":"a,b"}]`,
			`[{"op":"replace","path":"/labels","value":"{'a': 'b'}"}]`, `[{"op":"add","path":"/labels/x","value":"1"}]`, `[{"op":"replace","path":"/public","value":"True"}]`}},
		{method: "POST", path: "/v1/clusters", honest: honestCluster, seeds: clusterSeeds()},
		{method: "POST", path: "/v1/clusters/preflight", seeds: clusterSeeds()},
		{method: "PATCH", path: "/v1/clusters/{cluster}", honest: honestPatch, seeds: []string{
			`[{"op":"replace","path":"/node_count","value":"2"}]`, `[{"op":"replace","path":"/node_count","value":3}]`, `[{"op":"remove","path":"/node_count"}]`,
			`[{"op":"replace","path":"/health_status","value":"UNHEALTHY"},{"op":"replace","path":"/health_status_reason","value":"{'api': 'ok'}"}]`, `[]`}},
		{method: "POST", path: "/v1/clusters/{cluster}/actions/resize", honest: honestResize, seeds: []string{
			`{"node_count":2}`, `{"node_count":"3","nodes_to_remove":[],"nodegroup":"default-worker"}`, `{"node_count":0,"nodes_to_remove":["10.0.0.5"]}`}},
		{method: "POST", path: "/v1/clusters/{cluster}/actions/upgrade", seeds: []string{
			`{"cluster_template":"{template}","max_batch_size":1,"nodegroup":"default-worker"}`, `{"cluster_template":"{template}"}`}},
		{method: "POST", path: "/v1/clusters/{cluster}/nodegroups", honest: honestNodeGroup, seeds: []string{
			`{"name":"pool","node_count":"2","min_node_count":1,"max_node_count":4,"role":"worker","flavor_id":"m1.medium","labels":{"a":true},"merge_labels":true}`,
			`{"name":"pool","node_labels":{"team":"red"},"node_taints":[{"key":"gpu","value":"","effect":"NoSchedule"}],"docker_volume_size":3}`}},
		{method: "PATCH", path: "/v1/clusters/{cluster}/nodegroups/default-worker", honest: honestPatch, seeds: []string{
			`[{"op":"replace","path":"/max_node_count","value":5},{"op":"replace","path":"/min_node_count","value":"1"}]`,
			`[{"op":"replace","path":"/node_labels","value":{"team":"blue"}},{"op":"add","path":"/node_labels/x","value":"y"}]`,
			`[{"op":"replace","path":"/node_taints","value":"[{'key': 'gpu', 'value': '', 'effect': 'NoSchedule'}]"}]`}},
		{method: "POST", path: "/v1/certificates", seeds: []string{`{"cluster_uuid":"{cluster}","csr":"-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----"}`}},
		{method: "PATCH", path: "/v1/certificates/{cluster}", seeds: []string{`{"ca_cert_type":"etcd"}`}},
		{method: "PATCH", path: "/v1/credentials/{cluster}", seeds: []string{`{}`}},
		{method: "POST", path: "/v1/quotas", admin: true, honest: honestQuota, seeds: []string{`{"project_id":"{project}","resource":"Cluster","hard_limit":3}`, `{"project_id":"{project}"}`}},
		{method: "PATCH", path: "/v1/quotas/{other}/Cluster", admin: true, honest: honestQuota, seeds: []string{
			`{"hard_limit":"7"}`, `{"project_id":"{other}","resource":"Cluster","hard_limit":9}`, `{"project_id":"somebody else's","hard_limit":9}`}},
		{method: "POST", path: "/v1/baymodels", minor: 10, honest: honestTemplate, seeds: []string{
			`{"coe":"kubernetes","image_id":"ubuntu-24.04-kube-v1.37.2","labels":{"clusters":"1","create_timeout":"2","href":"/clusters"}}`}},
		{method: "POST", path: "/v1/bays", minor: 10, honest: honestCluster, seeds: []string{
			`{"baymodel_id":"{template}","name":"b","bay_create_timeout":5}`, `{"baymodel_id":"{template}","create_timeout":7,"bay_create_timeout":5,"labels":{"clusters":"x"}}`,
			`{"cluster_template_id":"k8s","baymodel_id":"nope"}`}},
		{method: "PATCH", path: "/v1/bays/{cluster}", minor: 10, honest: honestPatch, seeds: []string{`[{"op":"replace","path":"/node_count","value":"2"}]`}},
		{method: "POST", path: "/v1/federations", seeds: []string{`{"name":"x","hostcluster_id":"y"}`}},
	}
}

func templateSeeds() []string {
	return []string{
		`{"name":"t","coe":"kubernetes","image_id":"ubuntu-24.04-kube-v1.37.2","external_network_id":"public","flavor_id":"m1.medium"}`,
		`{"coe":"kubernetes","image_id":"ubuntu-24.04-kube-v1.37.2","labels":{"a":1,"b":true,"c":1.50,"d":"x"},"apiserver_port":"8443","master_lb_enabled":"yes","floating_ip_enabled":0,"docker_volume_size":3.7}`,
		`{"coe":"kubernetes","image_id":"ubuntu-24.04-kube-v1.37.2","dns_nameserver":"8.8.8.8,","http_proxy":"http://[::1]","no_proxy":"a,b","insecure_registry":"r:5000","tags":"a,b","network_driver":"calico"}`,
		`{"coe":"kubernetes","image_id":"ubuntu-24.04-kube-v1.37.2","name":"\ud800"}`, `{"coe":"kubernetes","image_id":"ubuntu-24.04-kube-v1.37.2","name":"\ud83d\ude00\\ud800","http_proxy":"\u0000"}`,
		`{"coe":"kubernetes","image_id":"ubuntu-24.04-kube-v1.37.2","labels":{"` + "\xff" + `":"x"},"docker_storage_driver":"overlay2","cluster_distro":"ubuntu","volume_driver":"cinder"}`,
		`{"name":null,"image_id":null,"public":true}`, `{}`, `null`, `[]`, `"x"`, `1`, ` `, `{"a":1}{`, `{"image_id":{"a":[[[]]]},"coe":""}`,
	}
}

func clusterSeeds() []string {
	return []string{
		`{"name":"dev","cluster_template_id":"{template}","node_count":1,"master_count":1,"create_timeout":60,"discovery_url":null,"keypair":null}`,
		`{"cluster_template_id":"{template}","node_count":"2","master_count":3,"master_lb_enabled":true,"labels":{"kube_tag":"v1.37.2","boot_volume_size":20},"merge_labels":true,"flavor_id":"m1.medium"}`,
		`{"cluster_template_id":"k8s","name":"x.y_z","labels":{},"docker_volume_size":5,"create_timeout":"0","floating_ip_enabled":false,"fixed_network":"none"}`,
		`{"cluster_template_id":1,"uuid":"x","status":"CREATE_COMPLETE","discovery_url":"none","node_count":1e1}`,
		`{"cluster_template_id":"{template}","labels":{"calico_ipv4pool":"10.0.0.0/8","service_cluster_ip_range":"fd00::/8","api_server_cert_sans":"a,,b","availability_zone":"nova,"}}`,
	}
}

// FuzzBody sends any body to any request that takes one. Whatever it is: never a 5xx, a refused request has written nothing,
// an accepted one has done what it said, and preflight tells which of both it will be.
func FuzzBody(f *testing.F) {
	w := newWorld(f)
	requests := fuzzedRequests()
	for i, r := range requests {
		for _, s := range r.seeds {
			f.Add(uint8(i), uint8(13+r.minor)%14, []byte(w.fill(s)))
		}
	}
	f.Add(uint8(2), uint8(8), []byte(w.fill(`{"cluster_template_id":"nope","node_count":0}`)))
	f.Fuzz(func(t *testing.T, which, minor uint8, body []byte) {
		r := requests[int(which)%len(requests)]
		version := "1." + strconv.Itoa(1+int(minor)%14)
		who := w.one
		if r.admin {
			who = w.admin
		}
		who = who.on(t).at(version)
		path, before := w.fill(r.path), w.version(t)
		expected := ""
		if r.path == "/v1/clusters" {
			expected = verdict(who.do("POST", "/v1/clusters/preflight", string(body)))
		}
		a := who.do(r.method, path, string(body))
		if w.version(t) != before {
			defer w.restore(t)
		}
		t.Logf("%s %s at %s: HTTP %d", r.method, path, version, a.status)
		checkAnswer(t, a)
		if a.status >= 400 && w.version(t) != before {
			t.Errorf("refused with HTTP %d, and yet something was written: %s", a.status, a.body)
		}
		if got := map[bool]string{true: "accepted", false: "refused"}[a.status < 400]; expected != "" && expected != got {
			t.Errorf("preflight: %s; the create itself: %s: %s", expected, got, a.body)
		}
		if a.status >= 400 || r.path == "/v1/clusters/preflight" {
			return
		}
		if !faithful(body) {
			t.Errorf("accepted, although it is not text that can be kept: %q", body)
		}
		if r.honest != nil {
			r.honest(t, w, sent{path, version, body, a})
		}
	})
}

// verdict is what a preflight foretells.
func verdict(a answer) string {
	if a.status == http.StatusOK && len(a.problems()) == 0 {
		return "accepted"
	}
	return "refused"
}

// fill puts the world's names into a path or a seed.
func (w *world) fill(s string) string {
	last := func(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
	return strings.NewReplacer("{template}", last(w.template), "{cluster}", last(w.cluster), "{project}", w.one.project, "{other}", w.other.project).Replace(s)
}

// checkAnswer holds every answer to what all have in common.
func checkAnswer(t *testing.T, a answer) {
	t.Helper()
	switch a.status {
	case 200, 201, 202, 204, 300, 400, 403, 404, 405, 406, 409, 413, 415:
	default:
		t.Fatalf("HTTP %d: %s", a.status, a.body)
	}
	if len(a.body) > 0 && (!json.Valid(a.body) || !utf8.Valid(a.body)) {
		t.Fatalf("HTTP %d with what is not JSON: %q", a.status, a.body)
	}
	if a.status < 400 {
		return
	}
	if l := a.list("errors"); len(l) != 1 || (l[0]["status"] != float64(a.status) && l[0]["max_version"] == nil) {
		t.Errorf("HTTP %d with another error document: %s", a.status, a.body)
	}
}

// FuzzQuery sends any query to any list, and any name to whatever is looked up by name.
func FuzzQuery(f *testing.F) {
	w := newWorld(f)
	paths := []string{"/v1/clustertemplates", "/v1/clustertemplates/detail", "/v1/clusters", "/v1/clusters/detail", "/v1/quotas", "/v1/stats", "/v1/mservices", "/v1/federations",
		"{cluster}/nodegroups", "{cluster}/operations", "{cluster}/events", "{cluster}/nodes", "{cluster}/resources", "/v1/certificates/{name}", "/v1/clustertemplates/{name}",
		"/v1/clusters/{name}", "{cluster}/nodegroups/{name}", "{cluster}/operations/{name}", "/v1/quotas/{name}/Cluster", "/v1/clusters/{name}/nodegroups", "/{name}"}
	for i := range paths {
		f.Add(uint8(i), "k8s", "limit=1&sort_key=name&sort_dir=desc")
		f.Add(uint8(i), "a/../b", "marker="+w.cluster[len("/v1/clusters/"):]+"&limit=2")
		f.Add(uint8(i), "%2e\x00", "limit=-1&sort_key=id;drop&sort_dir=up")
	}
	for _, q := range []string{"project_id=%00", "role=%00", "operation=%00", "all_tenants=true&marker=99999999999999999999", "project_id=x&type=cluster", "role=worker&limit=9223372036854775808", "level=info&operation=x", "active=maybe", "limit=1&limit=2", "%zz", "sort_key=created_at"} {
		f.Add(uint8(8), "x", q)
		f.Add(uint8(10), "x", q)
		f.Add(uint8(4), "x", q)
	}
	f.Fuzz(func(t *testing.T, which uint8, name, query string) {
		path := strings.ReplaceAll(strings.ReplaceAll(paths[int(which)%len(paths)], "{cluster}", w.cluster), "{name}", url.PathEscape(name))
		if _, err := url.ParseRequestURI(w.url + path + "?" + query); err != nil || strings.ContainsAny(query, "#") {
			t.Skip("no URL")
		}
		query = strings.ReplaceAll(query, " ", "+") // a request line has none inside
		before := w.version(t)
		for _, c := range []*client{w.one.on(t), w.admin.on(t)} {
			a := c.do("GET", path+"?"+query, nil)
			checkAnswer(t, a)
			if a.status == http.StatusOK {
				checkPage(t, c, query, a)
			}
		}
		if w.version(t) != before {
			w.restore(t)
			t.Error("a GET has written something")
		}
	})
}

// checkPage: a page has no more than was asked for, and the next one is there.
func checkPage(t *testing.T, c *client, query string, a answer) {
	t.Helper()
	var doc map[string]json.RawMessage
	if json.Unmarshal(a.body, &doc) != nil {
		t.Fatalf("no object: %s", a.body)
	}
	values, _ := url.ParseQuery(query)
	for name, raw := range doc {
		var items []json.RawMessage
		limit, err := strconv.Atoi(values.Get("limit"))
		if err == nil && name != "versions" && name != "links" && json.Unmarshal(raw, &items) == nil && len(items) > limit {
			t.Errorf("limit %d, and %d %s", limit, len(items), name)
		}
	}
	if doc["next"] != nil {
		next := c.do("GET", strings.TrimPrefix(a.text("next"), c.url), nil)
		if next.status != http.StatusOK {
			t.Errorf("the next page, %s: HTTP %d: %s", a.text("next"), next.status, next.body)
		}
	}
}
