package api

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// TestClusterDefaults: what nobody said, attribute by attribute, in every view of a cluster and of its node groups.
func TestClusterDefaults(t *testing.T) {
	b := newBed(t)
	template := b.one.template(nil)
	a := b.one.want(202, "POST", "/v1/clusters", object{"cluster_template_id": template})
	id := a.text("uuid")
	if len(a.json()) != 1 || a.header.Get("Location") != "" {
		t.Errorf("more than a UUID: %v %s", a.header, a.body)
	}
	for header, want := range map[string]string{"OpenStack-API-Version": "container-infrastructure-management 1.14", "OpenStack-API-Minimum-Version": "container-infrastructure-management 1.1",
		"OpenStack-API-Maximum-Version": "container-infrastructure-management 1.14"} {
		if got := a.header.Get(header); got != want {
			t.Errorf("%s: %q, expected %q", header, got, want)
		}
	}
	if !slices.Contains(a.header.Values("Vary"), "OpenStack-API-Version") || !regexp.MustCompile(`^req-[0-9a-f-]{36}$`).MatchString(a.header.Get("X-Openstack-Request-Id")) {
		t.Errorf("headers: %v", a.header)
	}
	got := b.one.want(200, "GET", "/v1/clusters/"+id, nil).json()
	for name, form := range map[string]string{"name": `^[a-z]+-([1-9]|1[0-9]|2[0-4])-cluster$`, "cluster_id": `^[a-z]+-[0-9]+-cluster-[a-z0-9]{5}$`, "created_at": `^20[0-9T:-]+\+00:00$`} {
		if !regexp.MustCompile(form).MatchString(fmt.Sprint(got[name])) {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	summary := object{"uuid": id, "name": got["name"], "cluster_template_id": template, "keypair": nil, "node_count": 1.0, "master_count": 1.0, "docker_volume_size": nil, "labels": object{},
		"master_flavor_id": "m1.medium", "flavor_id": "m1.medium", "create_timeout": 60.0, "cluster_id": got["cluster_id"], "status": "CREATE_IN_PROGRESS", "health_status": nil, "merge_labels": false,
		"project_id": b.one.project,
		"links":      []any{object{"href": b.url + "/v1/clusters/" + id, "rel": "self"}, object{"href": b.url + "/clusters/" + id, "rel": "bookmark"}}}
	detail := with(summary, object{"status_reason": nil, "health_status_reason": object{}, "discovery_url": nil, "api_address": nil, "coe_version": nil, "container_version": nil, "user_id": b.one.user,
		"node_addresses": []any{}, "master_addresses": []any{}, "fixed_network": nil, "fixed_subnet": nil, "floating_ip_enabled": true, "master_lb_enabled": false,
		"labels_overridden": object{}, "labels_added": object{}, "labels_skipped": object{}, "created_at": got["created_at"], "updated_at": nil})
	for _, tc := range []struct {
		name      string
		got, want any
	}{
		{"a cluster", got, detail}, {"by its name", b.one.want(200, "GET", fmt.Sprint("/v1/clusters/", got["name"]), nil).json(), detail},
		{"the list", b.one.want(200, "GET", "/v1/clusters", nil).list("clusters"), []object{summary}}, {"the long list", b.one.want(200, "GET", "/v1/clusters/detail", nil).list("clusters"), []object{detail}},
	} {
		if d := cmp.Diff(tc.want, tc.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
	groups := "clusters/" + id + "/nodegroups"
	for _, role := range []string{"master", "worker"} {
		group := b.one.want(200, "GET", "/v1/"+groups+"/default-"+role, nil).json()
		short := object{"uuid": group["uuid"], "name": "default-" + role, "flavor_id": "m1.medium", "image_id": image, "node_count": 1.0, "role": role, "min_node_count": 0.0, "max_node_count": nil,
			"is_default": true, "stack_id": got["cluster_id"], "status": "CREATE_IN_PROGRESS", "merge_labels": false}
		self := fmt.Sprint("/", groups, "/", group["uuid"])
		want := with(short, object{"id": group["id"], "cluster_id": id, "project_id": b.one.project, "docker_volume_size": nil, "labels": object{}, "labels_overridden": object{}, "labels_added": object{},
			"labels_skipped": object{}, "links": []any{object{"href": b.url + "/v1" + self, "rel": "self"}, object{"href": b.url + self, "rel": "bookmark"}}, "node_addresses": []any{},
			"status_reason": nil, "version": nil, "node_labels": object{}, "node_taints": []any{}, "created_at": group["created_at"], "updated_at": nil})
		if d := cmp.Diff(want, group); d != "" {
			t.Errorf("%s (-want +got):\n%s", role, d)
		}
		if d := cmp.Diff([]object{short}, b.one.want(200, "GET", "/v1/"+groups+"?role="+role, nil).list("nodegroups")); d != "" {
			t.Errorf("the list of %ss (-want +got):\n%s", role, d)
		}
	}
	// stack_id and cluster_id: one of them, by the microversion; of node groups always the first
	for version, name := range map[string]string{"": "stack_id", "1.1": "stack_id", "1.12": "stack_id", "1.13": "cluster_id", "1.14": "cluster_id", "latest": "cluster_id"} {
		other := map[string]string{"stack_id": "cluster_id", "cluster_id": "stack_id"}[name]
		old := b.one.at(version)
		for _, v := range append(append(old.want(200, "GET", "/v1/clusters", nil).list("clusters"), old.want(200, "GET", "/v1/clusters/detail", nil).list("clusters")...), old.want(200, "GET", "/v1/clusters/"+id, nil).json()) {
			if _, both := v[other]; both || v[name] != got["cluster_id"] {
				t.Errorf("at %q: %v", version, v)
			}
		}
	}
}

// TestClusterAttributes: what is sent, what the template has, and what comes of both.
func TestClusterAttributes(t *testing.T) {
	b := newBed(t)
	b.server.Defaults.MaxClusters = 1000
	b.keypair("mine")
	b.keypair("yours")
	template := b.one.template(object{"keypair_id": "mine", "docker_volume_size": 5, "fixed_network": "lan", "fixed_subnet": "lan-subnet", "master_lb_enabled": true, "floating_ip_enabled": false,
		"flavor_id": "m1.small", "master_flavor_id": "m1.large"})
	number := b.one.want(200, "GET", "/v1/clustertemplates/"+template, nil).text("name")
	for _, tc := range []struct {
		name, attribute string
		sent, want      any
	}{
		{"a name", "name", "a.B_c-1", "a.B_c-1"}, {"the longest name", "name", strings.Repeat("x", 242), strings.Repeat("x", 242)},
		{"the template by name", "cluster_template_id", number, template}, {"the template by number", "cluster_template_id", 1, template}, {"the same as text", "cluster_template_id", "1", template},
		{"the template's key", "keypair", nil, "mine"}, {"an own key", "keypair", "yours", "yours"}, {"no key named", "keypair", "", "mine"},
		{"nodes", "node_count", 3, 3.0}, {"nodes as text", "node_count", "3", 3.0}, {"no nodes", "node_count", 0, 0.0}, {"nodes by default", "node_count", nil, 1.0},
		{"masters", "master_count", 3, 3.0}, {"masters as text", "master_count", "5", 5.0}, {"masters by default", "master_count", nil, 1.0},
		{"the template's volume", "docker_volume_size", nil, 5.0}, {"the same as Horizon writes it", "docker_volume_size", "", 5.0}, {"a volume", "docker_volume_size", 7, 7.0},
		{"the template's flavor", "flavor_id", nil, "m1.small"}, {"a flavor", "flavor_id", "m1.medium", "m1.medium"}, {"the template's for masters", "master_flavor_id", "", "m1.large"}, {"one for masters", "master_flavor_id", "3", "3"},
		{"a time-out", "create_timeout", "30", 30.0}, {"no time-out at all", "create_timeout", 0, 0.0}, {"a time-out of nothing", "create_timeout", nil, nil}, {"a time-out left empty", "create_timeout", "", 60.0},
		{"a discovery URL", "discovery_url", "https://example.org/x", "https://example.org/x"}, {"none", "discovery_url", nil, nil}, {"none as Horizon writes it", "discovery_url", "", nil},
		{"the template's network", "fixed_network", nil, "lan"}, {"the template's subnet", "fixed_subnet", nil, "lan-subnet"}, {"no floating IPs", "floating_ip_enabled", nil, false}, {"floating IPs", "floating_ip_enabled", "True", true},
		{"the template's load balancer", "master_lb_enabled", nil, true}, {"no load balancer", "master_lb_enabled", false, false}, {"labels merged", "merge_labels", true, false},
		{"an own UUID has no effect", "status", "CREATE_COMPLETE", "CREATE_IN_PROGRESS"}, {"nor have others' words", "health_status", "HEALTHY", nil}, {"nor reasons", "status_reason", "x", nil}, {"nor labels of ours", "labels_added", object{"a": "b"}, object{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := b.one.cluster(template, object{tc.attribute: tc.sent})
			if d := cmp.Diff(tc.want, b.one.want(200, "GET", "/v1/clusters/"+id, nil).json()[tc.attribute]); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.attribute, d)
			}
		})
	}
	own := uuid.NewString()
	if id := b.one.cluster(template, object{"uuid": own}); id == own {
		t.Error("clients choose the UUIDs of clusters")
	}
	b.one.cluster(template, object{"create_timeout": nil, "name": ""}) // as gophercloud sends it
	if d := b.one.want(409, "GET", "/v1/clusters/dev", nil).detail(); !contains(d, "Please use the cluster uuid instead") {
		t.Errorf("of many of a name: %q", d)
	}
	for _, ident := range []string{"1", own, strings.ToUpper(own), "nobody"} {
		b.one.want(404, "GET", "/v1/clusters/"+ident, nil)
	}
}

// TestClusterLabels: what is given and what the template has, and how the difference is told.
func TestClusterLabels(t *testing.T) {
	b := newBed(t)
	template := b.one.template(object{"labels": object{"a": 1, "b": "2"}})
	for _, tc := range []struct {
		name                       string
		body                       object
		want, other, more, dropped object
	}{
		{"none", object{}, object{"a": "1", "b": "2"}, object{}, object{}, object{}}, {"null", object{"labels": nil}, object{"a": "1", "b": "2"}, object{}, object{}, object{}},
		{"an empty map", object{"labels": object{}}, object{"a": "1", "b": "2"}, object{}, object{}, object{}},
		{"own ones", object{"labels": object{"a": "9", "c": true}}, object{"a": "9", "c": "True"}, object{"a": "1"}, object{"c": "True"}, object{"b": "2"}},
		{"the same value", object{"labels": object{"a": "1"}, "merge_labels": "no"}, object{"a": "1"}, object{}, object{}, object{"b": "2"}},
		{"merged", object{"labels": object{"a": "9", "c": 1.5}, "merge_labels": true}, object{"a": "9", "b": "2", "c": "1.5"}, object{"a": "1"}, object{"c": "1.5"}, object{}},
		{"merged with none", object{"merge_labels": "True"}, object{"a": "1", "b": "2"}, object{}, object{}, object{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := "/v1/clusters/" + b.one.cluster(template, tc.body)
			got := b.one.want(200, "GET", path, nil).json()
			for name, want := range map[string]object{"labels": tc.want, "labels_overridden": tc.other, "labels_added": tc.more, "labels_skipped": tc.dropped} {
				if d := cmp.Diff(any(want), got[name]); d != "" {
					t.Errorf("%s (-want +got):\n%s", name, d)
				}
			}
			for _, group := range []string{"default-master", "default-worker"} {
				if d := cmp.Diff(any(tc.want), b.one.want(200, "GET", path+"/nodegroups/"+group, nil).json()["labels"]); d != "" {
					t.Errorf("%s (-want +got):\n%s", group, d)
				}
			}
		})
	}
	id := b.one.cluster(template, object{"labels": object{"min_node_count": "1", "max_node_count": "5"}})
	if got := b.one.want(200, "GET", "/v1/clusters/"+id+"/nodegroups/default-worker", nil).json(); got["min_node_count"] != 1.0 || got["max_node_count"] != 5.0 {
		t.Errorf("labels min_node_count and max_node_count make it %v", got)
	}
}

func TestClusterRefusals(t *testing.T) {
	b := newBed(t)
	for range 2 {
		b.network("twins", "10.9.0.0/24")
	}
	template := b.one.template(nil)
	mapper := b.one.template(object{"docker_storage_driver": "devicemapper"})
	bare := b.one.template(object{"flavor_id": nil, "external_network_id": nil, "floating_ip_enabled": false})
	const field = "Invalid input for field/attribute "
	l := []refusal{
		{name: "a null", body: "null", status: 400, says: "object"}, {name: "a list", body: "[]", status: 400, says: "object"}, {name: "no JSON", body: "{", status: 400, says: "Request is not in valid JSON format"},
		{name: "nothing", body: "", status: 400, says: `Missing argument: "cluster"`}, {name: "an empty object", body: "{}", status: 400, says: field + "cluster_template_id. Value: 'None'. Mandatory field missing."},
		{name: "an unknown template at 1.9", who: b.one.at("1.9"), body: object{"cluster_template_id": "nope"}, status: 400, says: "ClusterTemplate nope could not be found"},
		{name: "an unknown template at 1.10", who: b.one.at("1.10"), body: object{"cluster_template_id": "nope"}, status: 404, says: "ClusterTemplate nope could not be found"},
		{name: "another's template", who: b.other, body: object{"cluster_template_id": template}, status: 404, says: template},
		{name: "no nodes at 1.9", who: b.one.at("1.9"), body: object{"cluster_template_id": template, "node_count": 0}, status: 400, says: "to zero is not supported in the provided microversion"},
		{name: "a small volume for devicemapper", body: object{"cluster_template_id": mapper, "docker_volume_size": 2}, status: 400, says: "at least 3 GB"},
		{name: "no flavor anywhere", body: object{"cluster_template_id": bare}, status: 400, says: "flavor_id"},
		{name: "floating IPs from nowhere", body: object{"cluster_template_id": bare, "flavor_id": "m1.small", "floating_ip_enabled": true}, status: 400, says: "external_network_id"},
		{name: "a reader", who: b.person("reader", "reader", "demo"), body: object{"cluster_template_id": template}, status: 403, says: "Policy doesn't allow cluster:create to be performed."},
	}
	for _, name := range []string{"links", "project_id", "user_id", "stack_id", "cluster_id", "api_address", "coe_version", "container_version", "node_addresses", "master_addresses", "created_at", "updated_at"} {
		l = append(l, refusal{name: "read only: " + name, body: object{"cluster_template_id": template, name: "x"}, status: 400, says: field + name + ". Value: 'x'. Cannot set read only field."})
	}
	for _, x := range []struct {
		name       string
		attributes object
		status     int
		says       string
	}{
		{"an unknown attribute", object{"nodes": 1}, 400, "Unknown attribute for argument cluster: nodes"},
		{"a name with a blank", object{"name": "a b"}, 400, field + "name"}, {"a name that begins with a number", object{"name": "1a"}, 400, field + "name"}, {"a name with a newline", object{"name": "a\n"}, 400, field + "name"},
		{"a name that is too long", object{"name": strings.Repeat("x", 243)}, 400, "242"},
		{"an unknown key", object{"keypair": "nope"}, 404, "keypair nope"}, {"a key that leads elsewhere", object{"keypair": ".."}, 404, "keypair .."}, {"a key of two lines", object{"keypair": "a\nb"}, 404, "keypair a b"}, {"less than no nodes", object{"node_count": -1}, 400, "greater or equal to 0"}, {"nodes in words", object{"node_count": "many"}, 400, "Expected integer"},
		{"no masters", object{"master_count": 0}, 400, field + "master_count"}, {"an even number of masters", object{"master_count": 2, "master_lb_enabled": true}, 400, "odd"}, {"masters without a load balancer", object{"master_count": 3}, 400, "master_lb_enabled"},
		{"no volume", object{"docker_volume_size": 0}, 400, "greater or equal to 1"}, {"an unknown flavor", object{"flavor_id": "aaa"}, 400, "flavor_id aaa"}, {"one for masters", object{"master_flavor_id": "aaa"}, 400, "master_flavor_id aaa"},
		{"a flavor without a disk", object{"flavor_id": "c.tiny"}, 400, "boot_volume_size"}, {"a volume size that is none", object{"labels": object{"boot_volume_size": "big"}}, 400, "boot_volume_size"},
		{"a time-out below none", object{"create_timeout": -1}, 400, "create_timeout"}, {"an unknown network", object{"fixed_network": "nope"}, 400, "fixed_network nope"}, {"an unknown subnet", object{"fixed_subnet": "nope"}, 400, "fixed_subnet nope"},
		{"two networks of a name", object{"fixed_network": "twins"}, 409, "twins"}, {"two subnets of a name", object{"fixed_subnet": "twins"}, 409, "twins"}, {"no truth", object{"master_lb_enabled": "maybe"}, 400, "Expected boolean"},
		{"a list of labels", object{"labels": []string{}}, 400, "labels"}, {"a label of nothing", object{"labels": object{"a": nil}}, 400, `"a"`}, {"a label of two values", object{"labels": object{"a": []string{}}}, 400, `"a"`},
	} {
		l = append(l, refusal{name: x.name, body: with(object{"cluster_template_id": template}, x.attributes), status: x.status, says: x.says})
	}
	for i := range l {
		if l[i].method, l[i].path = "POST", "/v1/clusters"; l[i].who == nil {
			l[i].who = b.one
		}
	}
	refuse(t, append(l, refusal{"a query", b.one, "POST", "/v1/clusters?x=1", object{"cluster_template_id": template}, 400, `Unknown argument: "x"`}))
	if l := b.admin.want(200, "GET", "/v1/clusters", nil).list("clusters"); len(l) != 0 {
		t.Errorf("refused, and there: %v", l)
	}
}

// set gives a cluster and its node groups other statuses.
func (b *bed) set(cluster, status, workers string, reason *string) {
	b.t.Helper()
	err := b.Store.ChangeCluster(b.t.Context(), cluster, func(s *db.Snapshot) error {
		s.Cluster.Status = status
		for _, g := range s.NodeGroups {
			if g.Status = status; g.Role == db.RoleWorker {
				g.Status, g.StatusReason = workers, reason
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestClusterFaults: one failed cluster tells which of its node groups failed, and why.
func TestClusterFaults(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	why := "no host was found"
	for _, tc := range []struct {
		name, status, workers string
		reason                *string
		want                  any
	}{
		{"failed", "CREATE_FAILED", "CREATE_FAILED", &why, object{"default-master": nil, "default-worker": why}}, {"an update of the workers", "UPDATE_FAILED", "UPDATE_COMPLETE", nil, object{"default-master": nil}},
		{"under way", "UPDATE_IN_PROGRESS", "UPDATE_FAILED", &why, nil}, {"complete", "UPDATE_COMPLETE", "UPDATE_FAILED", &why, nil}, {"a delete", "DELETE_FAILED", "DELETE_FAILED", nil, object{"default-master": nil, "default-worker": nil}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.set(id, tc.status, tc.workers, tc.reason)
			if d := cmp.Diff(tc.want, b.one.want(200, "GET", "/v1/clusters/"+id, nil).json()["faults"]); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if _, there := b.one.want(200, "GET", "/v1/clusters/detail", nil).list("clusters")[0]["faults"]; there {
				t.Error("faults are in the list")
			}
		})
	}
}

// TestPortOfTheAPI: the API is where the template says, with a load balancer and without.
func TestPortOfTheAPI(t *testing.T) {
	b := newBed(t)
	b.work()
	for name, balanced := range map[string]bool{"one": false, "three": true} {
		id := b.one.cluster(b.one.template(object{"name": name, "apiserver_port": 8443, "master_lb_enabled": balanced}), object{"name": name, "master_count": map[bool]int{false: 1, true: 3}[balanced]})
		b.one.await(id, "CREATE_COMPLETE")
		if a := b.one.want(200, "GET", "/v1/clusters/"+id, nil).text("api_address"); !strings.HasSuffix(a, ":8443") {
			t.Errorf("%s: the API is at %s", name, a)
		}
	}
	refuse(t, []refusal{{"the kubelet's", b.one, "POST", "/v1/clusters", object{"cluster_template_id": b.one.template(object{"apiserver_port": 10250})}, 400, "apiserver_port"}})
}
