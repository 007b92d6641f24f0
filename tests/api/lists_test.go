package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestPages walks every list that has pages, by every order, and finds everything once.
func TestPages(t *testing.T) {
	b := newBed(t)
	var template, cluster string
	names := []string{"delta", "alpha", "echo", "bravo", "charlie"}
	for _, name := range names {
		template = b.one.template(object{"name": name})
	}
	b.server.Defaults.MaxClusters = 1000
	for _, name := range names {
		cluster = b.one.cluster(template, object{"name": name})
	}
	b.set(cluster, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
	b.address(cluster)
	for _, name := range names {
		b.one.want(202, "POST", "/v1/clusters/"+cluster+"/nodegroups", object{"name": name})
	}
	for _, list := range []struct{ path, collection string }{{"clustertemplates", "clustertemplates"}, {"clustertemplates/detail", "clustertemplates"}, {"clusters", "clusters"}, {"clusters/detail", "clusters"},
		{"clusters/" + cluster + "/nodegroups", "nodegroups"}} {
		made := names
		if list.collection == "nodegroups" {
			made = append([]string{"default-master", "default-worker"}, names...)
		}
		sorted := slices.Sorted(slices.Values(made))
		for _, tc := range []struct {
			key, direction string
			want           []string
		}{
			{"", "", made}, {"id", "asc", made}, {"id", "desc", reversed(made)}, {"name", "", sorted}, {"name", "desc", reversed(sorted)},
			{"project_id", "desc", reversed(made)}, {"uuid", "", nil}, {"created_at", "desc", nil}, {"updated_at", "", nil},
		} {
			for _, limit := range []int{1, 2, 5, 100} {
				t.Run(fmt.Sprintf("%s by %s %s, %d at a time", list.path, tc.key, tc.direction, limit), func(t *testing.T) {
					got := b.walk(t, list.path, list.collection, tc.key, tc.direction, limit)
					want := tc.want
					if want == nil { // whatever the order
						slices.Sort(got)
						want = sorted
					}
					if !slices.Equal(got, want) {
						t.Errorf("%v, expected %v", got, want)
					}
				})
			}
		}
	}
	for _, role := range []struct {
		query string
		want  int
	}{{"?role=master", 1}, {"?role=worker", 6}, {"?role=worker&limit=2", 2}, {"?role=nobody", 0}, {"?role=", 7}, {"?limit=5000", 7}} {
		if l := b.one.want(200, "GET", "/v1/clusters/"+cluster+"/nodegroups/"+role.query, nil).list("nodegroups"); len(l) != role.want {
			t.Errorf("%s: %v", role.query, l)
		}
	}
	for _, key := range []string{"status", "cluster_template_id", "keypair", "flavor_id", "master_flavor_id", "create_timeout", "health_status", "docker_volume_size", "api_address"} {
		if l := b.one.want(200, "GET", "/v1/clusters?sort_key="+key, nil).list("clusters"); len(l) != len(names) {
			t.Errorf("by %s: %v", key, l)
		}
	}
	if l := b.other.want(200, "GET", "/v1/clusters/detail", nil).list("clusters"); len(l) != 0 {
		t.Errorf("another project sees %v", l)
	}
	if l := b.admin.want(200, "GET", "/v1/clusters/detail", nil).list("clusters"); len(l) != len(names) {
		t.Errorf("an admin sees %v", l)
	}
}

func reversed(l []string) []string {
	out := slices.Clone(l)
	slices.Reverse(out)
	return out
}

// walk follows the pages of a list, and gives the names on them.
func (b *bed) walk(t *testing.T, path, collection, key, direction string, limit int) []string {
	t.Helper()
	query := fmt.Sprint("?limit=", limit)
	if key != "" {
		query += "&sort_key=" + key
	}
	if direction != "" {
		query += "&sort_dir=" + direction
	}
	var out []string
	for at := "/v1/" + path + query; ; {
		a := b.one.want(200, "GET", at, nil)
		l := a.list(collection)
		for _, x := range l {
			out = append(out, fmt.Sprint(x["name"]))
		}
		next, more := a.json()["next"].(string)
		if more != (len(l) == limit) {
			t.Fatalf("%d of %d items, and next is %q", len(l), limit, next)
		}
		if !more {
			return out
		}
		if want := fmt.Sprintf("%s/v1/%s?sort_key=%s&sort_dir=%s&limit=%d&marker=%v", b.url, path, or(key, "id"), or(direction, "asc"), limit, l[len(l)-1]["uuid"]); next != want {
			t.Fatalf("next is %s, expected %s", next, want)
		}
		at = strings.TrimPrefix(next, b.url)
	}
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func TestListRefusals(t *testing.T) {
	b := newBed(t)
	cluster, foreign := b.one.cluster(b.one.template(nil), nil), b.other.template(nil)
	alien := b.other.cluster(foreign, nil)
	group := b.other.want(200, "GET", "/v1/clusters/"+alien+"/nodegroups/default-worker", nil).text("uuid")
	var l []refusal
	for path, others := range map[string]string{"clusters": alien, "clusters/detail": alien, "clustertemplates": foreign, "clustertemplates/detail": foreign, "clusters/" + cluster + "/nodegroups": group,
		"federations": "", "federations/detail": ""} {
		for _, x := range []struct {
			query  string
			status int
			says   string
		}{
			{"limit=0", 400, "Limit must be positive"}, {"limit=-1", 400, "Limit must be positive"}, {"limit=abc", 400, "limit. Value: 'abc'"}, {"limit=1.5", 400, "limit"}, {"limit=", 400, "limit"},
			{"sort_dir=up", 400, "sort"}, {"sort_dir=ASC", 400, "sort"}, {"marker=x", 400, "marker. Value: 'x'"}, {"marker=1", 400, "marker"},
			{"all_tenants=1", 400, `Unknown argument: "all_tenants"`}, {"status=CREATE_COMPLETE", 400, `Unknown argument: "status"`}, {"name=dev", 400, `Unknown argument: "name"`}, {"detail=true", 400, `Unknown argument: "detail"`},
			{"sort_key=bogus", 400, "bogus"}, {"sort_key=links", 400, "links"}, {"marker=" + uuid.NewString(), 404, "could not be found"}, {"marker=" + others, 404, "could not be found"},
			{"sort_key=name&marker=" + others, 404, "could not be found"},
		} {
			if strings.HasPrefix(path, "federations") && (x.status == 404 || strings.HasPrefix(x.query, "sort_key")) {
				continue // there is nothing to sort, and nothing to go on from
			}
			l = append(l, refusal{path + "?" + x.query, b.one, "GET", "/v1/" + path + "?" + x.query, nil, x.status, x.says})
		}
	}
	for _, path := range []string{"/v1/federations/x", "/v1/mservices", "/v1/clusters/" + cluster + "/nodegroups/x"} {
		l = append(l, refusal{"an unknown query of " + path, b.admin, "GET", path + "?x=1", nil, 400, `Unknown argument: "x"`})
	}
	for _, key := range []string{"node_count", "master_count", "seq", "spec", "secret_refs"} {
		l = append(l, refusal{"clusters by " + key, b.one, "GET", "/v1/clusters?sort_key=" + key, nil, 400, key})
	}
	for _, path := range []string{"/v1/clusters/" + cluster, "/v1/clustertemplates/k8s", "/v1/clusters/" + cluster + "/nodegroups/default-worker", "/v1/quotas/" + b.one.project + "/Cluster", "/v1/stats"} {
		l = append(l, refusal{path, b.one, "GET", path + "?limit=1", nil, 400, `Unknown argument: "limit"`})
	}
	nobody := b.person("nobody", "service", "demo")
	for path, rule := range map[string]string{"clusters": "cluster:get_all", "clusters/detail": "cluster:detail", "clustertemplates": "clustertemplate:get_all", "clustertemplates/detail": "clustertemplate:detail",
		"clusters/" + cluster: "cluster:get", "clusters/" + cluster + "/nodegroups": "nodegroup:get_all", "clusters/" + cluster + "/nodegroups/default-worker": "nodegroup:get", "stats": "stats:get_all",
		"quotas/" + b.one.project + "/Cluster": "quota:get", "federations": "federation:get_all", "federations/detail": "federation:detail"} {
		l = append(l, refusal{"neither reader nor member: " + path, nobody, "GET", "/v1/" + path, nil, 403, "Policy doesn't allow " + rule + " to be performed."})
	}
	refuse(t, append(l, refusal{"mservices", b.one, "GET", "/v1/mservices", nil, 403, "magnum-service:get_all"}, refusal{"a limit of mservices", b.admin, "GET", "/v1/mservices?limit=1", nil, 400, `Unknown argument: "limit"`}))
	reader := b.person("reader", "reader", "demo")
	for _, path := range []string{"clusters", "clusters/detail", "clusters/" + cluster, "clusters/" + cluster + "/nodegroups", "clusters/" + cluster + "/nodegroups/default-worker", "clustertemplates", "clustertemplates/detail",
		"clustertemplates/k8s", "stats", "quotas/" + b.one.project + "/Cluster", "federations"} {
		reader.want(200, "GET", "/v1/"+path, nil)
	}
}
