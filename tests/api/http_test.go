package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/api/openapi"
)

// TestPathsAndMethods: one form for every path that clients send, and the framework's answers to those that are none.
func TestPathsAndMethods(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	for _, path := range []string{"/v1/clusters", "/v1/clusters/", "/clusters", "/clusters/", "/v1/clusters/?limit=5", "/v1/clusters/detail", "/v1/clusters/detail/",
		"/v1/clusters/" + id, "/v1/clusters/" + id + "/", "/clusters/" + id, "/v1/clusters/dev", "/v1/clusters/" + id + "/nodegroups/", "/v1/clusters/" + id + "/nodegroups/default-worker",
		"/v1/clustertemplates/k8s/", "/v1/stats", "/v1/federations"} {
		b.one.want(200, "GET", path, nil)
	}
	for _, tc := range []struct {
		method, path string
		status       int
		title        string
	}{
		{"GET", "/v1/nope", 404, "Not Found"}, {"GET", "/v2/clusters", 404, "Not Found"}, {"GET", "/v1/nodegroups", 404, "Not Found"},
		{"PUT", "/v1/clusters", 405, "Method Not Allowed"}, {"PUT", "/v1/clusters/" + id, 405, "Method Not Allowed"}, {"OPTIONS", "/v1/clusters", 405, "Method Not Allowed"},
		{"GET", "/v1/certificates", 405, "Method Not Allowed"}, {"DELETE", "/v1/certificates/" + id, 405, "Method Not Allowed"},
		{"GET", "/v1/clusters/" + id + "/actions/resize", 405, "Method Not Allowed"}, {"GET", "/v1/clusters/" + id + "/actions/upgrade", 405, "Method Not Allowed"},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			a := b.one.want(tc.status, tc.method, tc.path, nil)
			if e := a.list("errors")[0]; e["title"] != tc.title || e["detail"] != "" || e["code"] != "" || a.header.Get("OpenStack-API-Version") != "" {
				t.Errorf("%v %v", e, a.header)
			}
			if (tc.status == 405) != (a.header.Get("Allow") != "") {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
		})
	}
	if a := b.one.want(405, "HEAD", "/v1/clusters", nil); len(a.body) != 0 {
		t.Errorf("an answer to HEAD has a body: %s", a.body)
	}
	b.one.want(200, "GET", "/", nil)
	b.one.want(413, "POST", "/v1/clusters", object{"name": strings.Repeat("x", 1<<20)})
	for _, query := range []string{"limit=1;marker=x", "%zz=1", "sort_key=name&a=%"} { // silently none of it would count
		b.one.want(400, "GET", "/v1/clusters?"+query, nil)
	}
	b.one.want(415, "PATCH", "/v1/clusters/"+id, []object{}, "Content-Type", "application/json-patch+json")
	b.one.want(202, "PATCH", "/v1/clusters/"+id+"/?rollback=True", []object{}, "Content-Type", "application/json; charset=utf-8")
	b.one.at("1.2").want(400, "PATCH", "/v1/clusters/"+id+"?rollback=True", []object{})
	b.one.want(204, "DELETE", "/v1/clusters/"+id, nil, "Content-Type", "application/octet-stream")
	b.one.want(204, "DELETE", "/v1/clusters/"+id, nil)
}

// TestLinksBehindAProxy: links are those under which the client knows the service.
func TestLinksBehindAProxy(t *testing.T) {
	b := newBed(t)
	id := b.one.template(nil)
	host := strings.TrimPrefix(b.url, "http://")
	for _, tc := range []struct {
		name, path string
		headers    []string
		base       string
	}{
		{"no proxy", "", nil, b.url},
		{"a path that was not taken away", mount, nil, b.url + mount},
		{"and told", mount, []string{"X-Forwarded-Prefix", "/outer" + mount}, b.url + "/outer" + mount},
		{"another scheme", "", []string{"X-Forwarded-Proto", "https"}, "https://" + host},
		{"all of it", "", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "cloud.example.org", "X-Forwarded-Prefix", "/container-infra/"}, "https://cloud.example.org/container-infra"},
		{"the standard header", "", []string{"Forwarded", `for=192.0.2.1;proto=https;host="cloud.example.org:9511", for=10.0.0.1`, "X-Forwarded-Host", "other"}, "https://cloud.example.org:9511"},
		{"proxies in a row", "", []string{"X-Forwarded-Host", "outer.example.org, inner"}, "http://outer.example.org"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := fmt.Sprint([]object{{"href": tc.base + "/v1/clustertemplates/" + id, "rel": "self"}, {"href": tc.base + "/clustertemplates/" + id, "rel": "bookmark"}})
			if got := fmt.Sprint(b.one.want(200, "GET", tc.path+"/v1/clustertemplates/"+id, nil, tc.headers...).list("links")); got != want {
				t.Errorf("%s, expected %s", got, want)
			}
			if next := b.one.want(200, "GET", tc.path+"/v1/clustertemplates?limit=1", nil, tc.headers...).text("next"); !strings.HasPrefix(next, tc.base+"/v1/clustertemplates?") {
				t.Errorf("next: %s", next)
			}
		})
	}
}

// TestMount: only the whole word of the prefix is one.
func TestMount(t *testing.T) {
	b := newBed(t)
	for path, status := range map[string]int{"": 200, "/": 200, "/v1": 200, "/healthcheck": 200, "/clusters/": 200, "s/v1": 404, "/v2": 404, mount: 404} {
		b.one.want(status, "GET", mount+path, nil)
	}
	nobody := *b.one
	nobody.token = ""
	if a := nobody.want(200, "GET", mount+"/openapi.yaml", nil); !bytes.Equal(a.body, openapi.Document()) || a.header.Get("Content-Type") != openapi.MIME {
		t.Errorf("the document is another one: %s", a.header)
	}
}

// TestCORS: a browser asks first, without a token.
func TestCORS(t *testing.T) {
	b := newBed(t)
	nobody := &client{t: t, url: b.url}
	ask := []string{"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "X-Auth-Token"}
	a := nobody.want(204, "OPTIONS", "/v1/clusters", nil, append(ask, "Origin", "https://dashboard.example.org")...)
	for header, want := range map[string]string{"Access-Control-Allow-Origin": "https://dashboard.example.org", "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods": "GET,POST", "Access-Control-Allow-Headers": "X-Auth-Token", "Access-Control-Max-Age": "3600"} {
		if got := a.header.Get(header); got != want {
			t.Errorf("%s: %q, expected %q", header, got, want)
		}
	}
	if a := nobody.do("OPTIONS", "/v1/clusters", nil, append(ask, "Origin", "https://evil.example.org")...); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin is let in: %v", a.header)
	}
	if a := b.one.want(200, "GET", "/v1/clusters", nil, "Origin", "https://dashboard.example.org"); a.header.Get("Access-Control-Allow-Origin") != "https://dashboard.example.org" ||
		a.header.Get("Access-Control-Expose-Headers") != "X-OpenStack-Request-ID" {
		t.Errorf("the request itself: %v", a.header)
	}
	if a := nobody.want(http.StatusUnauthorized, "GET", "/v1/clusters", nil, "Origin", "https://dashboard.example.org"); a.header.Get("Access-Control-Allow-Origin") == "" {
		t.Error("a page cannot read that its token is missing")
	}
}

func TestPagingAndSorting(t *testing.T) {
	b := newBed(t)
	template := b.one.template(nil)
	var names []string
	for _, name := range []string{"c", "a", "b", "e", "d"} {
		b.one.cluster(template, object{"name": name})
		names = append(names, name)
	}
	listed := func(a answer) (out []string) {
		for _, c := range a.list("clusters") {
			out = append(out, fmt.Sprint(c["name"]))
		}
		return out
	}
	for query, want := range map[string]string{"": "c a b e d", "?sort_key=name": "a b c d e", "?sort_key=name&sort_dir=desc": "e d c b a", "?limit=2": "c a", "?limit=99999": "c a b e d"} {
		if got := strings.Join(listed(b.one.want(200, "GET", "/v1/clusters"+query, nil)), " "); got != want {
			t.Errorf("%q: %s, expected %s", query, got, want)
		}
	}
	var walked []string
	pages := 0
	for next := "/v1/clusters/detail?limit=2&sort_key=name&sort_dir=desc"; next != ""; pages++ {
		a := b.one.want(200, "GET", next, nil)
		walked = append(walked, listed(a)...)
		url, _ := a.json()["next"].(string)
		if url != "" && !strings.HasPrefix(url, b.url+"/v1/clusters/detail?sort_key=name&sort_dir=desc&limit=2&marker=") {
			t.Errorf("next: %s", url)
		}
		next = strings.TrimPrefix(url, b.url)
	}
	if got := strings.Join(walked, " "); got != "e d c b a" || pages != 3 || len(names) != 5 {
		t.Errorf("page by page: %s in %d pages", got, pages)
	}
	for query, status := range map[string]int{"limit=0": 400, "limit=-1": 400, "limit=abc": 400, "sort_key=node_count": 400, "sort_key=bogus": 400, "sort_dir=up": 400,
		"marker=x": 400, "marker=" + uuid.NewString(): 404, "all_tenants=1": 400, "sort_key=seq": 400, "sort_key=spec": 400} {
		if a := b.one.do("GET", "/v1/clusters?"+query, nil); a.status != status {
			t.Errorf("%s: HTTP %d, expected %d", query, a.status, status)
		}
	}
}

// TestOldNames: until microversion 1.10 clusters and templates may be called bays and baymodels.
func TestOldNames(t *testing.T) {
	b := newBed(t)
	old := b.one.at("1.10")
	model := old.want(201, "POST", "/v1/baymodels", object{"name": "k8s", "coe": "kubernetes", "image_id": "ubuntu-24.04-kube-v1.37.2", "external_network_id": "public",
		"flavor_id": "m1.medium", "master_flavor_id": "m1.medium"})
	id := model.text("uuid")
	if links := fmt.Sprint(model.list("links")); !strings.Contains(links, b.url+"/v1/baymodels/"+id) {
		t.Errorf("links: %s", links)
	}
	if l := old.want(200, "GET", "/v1/baymodels", nil).list("baymodels"); len(l) != 1 {
		t.Errorf("baymodels: %v", l)
	}
	old.want(200, "PATCH", "/v1/baymodels/"+id, []object{op("replace", "/name", "other")})
	bay := old.want(202, "POST", "/v1/bays", object{"name": "dev", "baymodel_id": id, "bay_create_timeout": 7}).text("uuid")
	if a := old.want(200, "GET", "/v1/bays/"+bay, nil).json(); a["baymodel_id"] != id || a["bay_create_timeout"] != 7.0 || a["cluster_template_id"] != nil {
		t.Errorf("the bay is %v", a)
	}
	if l := old.want(200, "GET", "/v1/bays/detail", nil).list("bays"); len(l) != 1 {
		t.Errorf("bays: %v", l)
	}
	if d := old.want(404, "GET", "/v1/bays/nope", nil).detail(); !contains(d, "nope") {
		t.Errorf("refused with %q", d)
	}
	old.want(204, "DELETE", "/v1/bays/"+bay, nil)
	b.one.at("1.11").want(406, "GET", "/v1/bays", nil)
	b.other.at("").want(404, "GET", "/v1/bays/"+bay, nil)
}
