package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestTemplatePatch(t *testing.T) {
	b := newBed(t)
	full := object{"labels": object{"a": "1"}, "keypair_id": "k", "fixed_network": "lan", "fixed_subnet": "lan-subnet", "apiserver_port": 8443, "docker_volume_size": 10,
		"docker_storage_driver": "overlay2", "http_proxy": "p", "https_proxy": "p", "no_proxy": "p", "volume_driver": "cinder", "insecure_registry": "r", "tags": "x",
		"master_lb_enabled": true, "floating_ip_enabled": false, "driver": "k8s_fedora_coreos_v1"}
	for _, tc := range []struct {
		name string
		op   object
		want any
	}{
		{"a name", op("replace", "/name", "new"), "new"}, {"a flavor", op("replace", "/flavor_id", "m1.large"), "m1.large"}, {"a flavor gone", op("remove", "/flavor_id", nil), nil},
		{"one for masters gone", op("remove", "/master_flavor_id", nil), nil}, {"no name servers", op("remove", "/dns_nameserver", nil), nil}, {"no key", op("remove", "/keypair_id", nil), nil},
		{"no subnet", op("remove", "/fixed_subnet", nil), nil}, {"no port", op("remove", "/apiserver_port", nil), nil}, {"a port", op("replace", "/apiserver_port", 9443), 9443.0},
		{"a port as text", op("replace", "/apiserver_port", "9443"), 9443.0}, {"no volume", op("remove", "/docker_volume_size", nil), nil}, {"a volume as text", op("replace", "/docker_volume_size", "7"), 7.0},
		{"no storage driver", op("remove", "/docker_storage_driver", nil), nil}, {"no proxy", op("remove", "/http_proxy", nil), nil}, {"no proxy for TLS", op("remove", "/https_proxy", nil), nil},
		{"no exceptions", op("remove", "/no_proxy", nil), nil}, {"no volume driver", op("remove", "/volume_driver", nil), nil}, {"no insecure registry", op("remove", "/insecure_registry", nil), nil},
		{"no tags", op("remove", "/tags", nil), nil}, {"no load balancer", op("remove", "/master_lb_enabled", nil), false}, {"floating IPs", op("remove", "/floating_ip_enabled", nil), true},
		{"no driver", op("remove", "/driver", nil), "vm"}, {"a truth", op("replace", "/registry_enabled", true), true}, {"a truth as Terraform writes it", op("replace", "/registry_enabled", "true"), true},
		{"a truth as Horizon writes it", op("replace", "/floating_ip_enabled", "True"), true}, {"a truth as a number", op("replace", "/registry_enabled", 1), true},
		{"a network driver", op("replace", "/network_driver", "flannel"), "flannel"}, {"another distribution", op("replace", "/cluster_distro", "x"), "ubuntu"},
		{"labels as Python writes them", op("replace", "/labels", "{'a': 'b', 'c': 1, 'd': True}"), object{"a": "b", "c": "1", "d": "True"}}, {"labels as JSON in text", op("replace", "/labels", `{"a": "b"}`), object{"a": "b"}},
		{"labels as JSON", op("replace", "/labels", object{"a": "b"}), object{"a": "b"}}, {"no labels", op("remove", "/labels", nil), object{}}, {"one more label", op("add", "/labels/foo", "1"), object{"a": "1", "foo": "1"}},
		{"another value of a label", op("replace", "/labels/a", "2"), object{"a": "2"}}, {"one label less", op("remove", "/labels/a", nil), object{}}, {"a label that is a number", op("add", "/labels/n", 5), object{"a": "1", "n": "5"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := b.one.template(full)
			before := b.one.want(200, "GET", "/v1/clustertemplates/"+id, nil).json()
			after := b.one.want(200, "PATCH", "/v1/clustertemplates/"+id, []object{tc.op}).json()
			name, _, _ := strings.Cut(fmt.Sprint(tc.op["path"])[1:], "/")
			changes := !cmp.Equal(before[name], tc.want)
			before[name] = tc.want
			if after["updated_at"] == nil && changes {
				t.Error("it has no time of change")
			}
			before["updated_at"] = after["updated_at"]
			if d := cmp.Diff(before, after); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if d := cmp.Diff(after, b.one.want(200, "GET", "/v1/clustertemplates/"+id, nil).json()); d != "" {
				t.Errorf("stored otherwise (-answered +stored):\n%s", d)
			}
		})
	}
}

// patchRules are refused for every resource, whatever it is.
func patchRules(who *client, path string) []refusal {
	l := []refusal{
		{name: "an object", body: object{"op": "replace"}, says: "list"}, {name: "nothing", body: "", says: `Missing argument: "patch"`}, {name: "no JSON", body: "[{", says: "JSON"},
		{name: "something more", body: `[{"op": "remove", "path": "/labels", "from": "/x"}]`, says: "from"}, {name: "another verb", body: []object{op("test", "/name", "x")}, says: "op. Value: 'test'"},
		{name: "no verb", body: `[{"path": "/name", "value": "x"}]`, says: "Mandatory"}, {name: "no path", body: `[{"op": "remove"}]`, says: "Mandatory"}, {name: "a path with a dot", body: []object{op("remove", "/labels/a.b", nil)}, says: "path"},
		{name: "a path with an escape", body: []object{op("remove", "/labels/a~1b", nil)}, says: "path"}, {name: "a path from nowhere", body: []object{op("replace", "name", "x")}, says: "path"},
		{name: "no value", body: []object{op("replace", "/name", nil)}, says: "'add' and 'replace' operations needs value"}, {name: "a null", body: `[{"op": "replace", "path": "/name", "value": null}]`, says: "needs value"},
		{name: "an object for a text", body: []object{op("replace", "/name", object{})}, says: "string or an integer"}, {name: "a list for a text", body: []object{op("replace", "/name", []string{})}, says: "string or an integer"},
		{name: "a float", body: []object{op("replace", "/name", 1.5)}, says: "string or an integer"}, {name: "a new attribute", body: []object{op("add", "/flavour", "x")}, says: "not allowed"},
		{name: "one that is there", body: []object{op("add", "/name", "x")}, says: "has existed, please use 'replace'"}, {name: "one that is not", body: []object{op("replace", "/labels/nope", "x")}, says: "Couldn't apply patch"},
		{name: "what is not there", body: []object{op("remove", "/labels/nope", nil)}, says: "Couldn't apply patch"}, {name: "labels of no form", body: []object{op("replace", "/labels", "{'a': ")}, says: "literal"},
	}
	for _, name := range []string{"created_at", "id", "links", "updated_at", "uuid", "project_id", "user_id"} {
		l = append(l, refusal{name: "internal: " + name, body: []object{op("replace", "/"+name, "x")}, says: "'/" + name + "' is an internal attribute and can not be updated"})
	}
	for i := range l {
		l[i].who, l[i].method, l[i].path, l[i].status = who, "PATCH", path, 400
	}
	return l
}

func TestTemplatePatchRefusals(t *testing.T) {
	b := newBed(t)
	id := b.one.template(object{"labels": object{"a": "1"}})
	path := "/v1/clustertemplates/" + id
	before := b.one.want(200, "GET", path, nil).json()
	l := patchRules(b.one, path)
	for _, name := range []string{"coe", "image_id", "external_network_id", "network_driver", "cluster_distro", "registry_enabled", "tls_disabled", "public", "hidden", "server_type"} {
		l = append(l, refusal{"without " + name, b.one, "PATCH", path, []object{op("remove", "/"+name, nil)}, 400, "'/" + name + "' is a mandatory attribute and can not be removed"})
	}
	for _, x := range []struct {
		name   string
		op     object
		status int
		says   string
	}{
		{"an unknown image", op("replace", "/image_id", "nope"), 400, "nope"}, {"an unknown flavor", op("replace", "/flavor_id", "nope"), 400, "nope"}, {"a flavor without a disk", op("replace", "/flavor_id", "c.tiny"), 400, "boot_volume_size"},
		{"an internal network", op("replace", "/external_network_id", "lan"), 400, "not external"}, {"an unknown network", op("add", "/fixed_network", "nope"), 400, "nope"},
		{"a network driver", op("replace", "/network_driver", "weave"), 400, "weave"}, {"a volume driver", op("add", "/volume_driver", "x"), 400, "volume_driver"}, {"a port", op("add", "/apiserver_port", "1"), 400, "1024"},
		{"no volume", op("add", "/docker_volume_size", 0), 400, "docker_volume_size"}, {"no truth", op("replace", "/registry_enabled", "maybe"), 400, "boolean"}, {"no TLS", op("replace", "/tls_disabled", true), 400, "TLS"},
		{"another COE", op("replace", "/coe", "swarm"), 400, "coe"}, {"another kind of machines", op("replace", "/server_type", "lxd"), 400, "server_type"}, {"a list of labels", op("replace", "/labels", "['a']"), 400, "labels"},
		{"public", op("replace", "/public", true), 403, "clustertemplate:publish"}, {"hidden", op("replace", "/hidden", "True"), 403, "clustertemplate:publish"},
	} {
		l = append(l, refusal{"worse: " + x.name, b.one, "PATCH", path, []object{x.op}, x.status, x.says})
	}
	valid := []object{op("replace", "/name", "x")}
	refuse(t, append(l, refusal{"an object for nothing there", b.one, "PATCH", "/v1/clustertemplates/" + uuid.NewString(), object{}, 400, "list"},
		refusal{"a template that is not there", b.one, "PATCH", "/v1/clustertemplates/nope", valid, 404, "ClusterTemplate nope could not be found"},
		refusal{"a query", b.one, "PATCH", path + "?rollback=true", valid, 400, `Unknown argument: "rollback"`},
		refusal{"a reader", b.person("reader", "reader", "demo"), "PATCH", path, valid, 403, "clustertemplate:update"}))
	after := b.one.want(200, "PATCH", path, []object{}).json()
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("refused, and changed (-want +got):\n%s", d)
	}
}

// TestTemplateInUse: of a template that a cluster was made from one attribute can change, out of four.
func TestTemplateInUse(t *testing.T) {
	b := newBed(t)
	id := b.one.template(object{"labels": object{"a": "1"}})
	cluster := b.one.cluster(id, nil)
	path := "/v1/clustertemplates/" + id
	for _, tc := range []struct {
		name   string
		who    *client
		ops    []object
		status int
	}{
		{"a name", b.one, []object{op("replace", "/name", "n2")}, 200}, {"hidden", b.admin, []object{op("replace", "/hidden", true)}, 200}, {"hidden no more", b.admin, []object{op("replace", "/hidden", "False")}, 200},
		{"public", b.admin, []object{op("replace", "/public", "true")}, 200}, {"public again", b.one, []object{op("replace", "/public", "True")}, 200}, {"public no more", b.admin, []object{op("replace", "/public", false)}, 400},
		{"tags", b.one, []object{op("add", "/tags", "x")}, 200}, {"other tags", b.one, []object{op("replace", "/tags", "y")}, 200}, {"no tags", b.one, []object{op("remove", "/tags", nil)}, 400},
		{"two at once", b.one, []object{op("replace", "/tags", "z"), op("replace", "/name", "n3")}, 400}, {"what is as it was", b.one, []object{op("replace", "/name", "n2"), op("replace", "/floating_ip_enabled", "True")}, 200},
		{"a label", b.one, []object{op("add", "/labels/foo", "1")}, 400}, {"a driver", b.one, []object{op("replace", "/driver", "k8s_capi_helm_v1")}, 400}, {"an image", b.one, []object{op("replace", "/image_id", "cirros")}, 400},
		{"nothing", b.one, []object{}, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := tc.who.want(tc.status, "PATCH", path, tc.ops)
			if tc.status == 400 && !contains(a.detail(), "ClusterTemplate "+id+" is referenced by one or multiple clusters") {
				t.Errorf("refused with %s", a.body)
			}
		})
	}
	got := b.one.want(200, "GET", path, nil).json()
	if got["name"] != "n2" || got["public"] != true || got["hidden"] != false || got["tags"] != "y" {
		t.Errorf("it is now %v", got)
	}
	refuse(t, []refusal{{"deleted", b.one, "DELETE", path, nil, 400, "is referenced by one or multiple clusters"}})
	b.work()
	b.one.want(204, "DELETE", "/v1/clusters/"+cluster, nil)
	b.one.await(cluster, "")
	if a := b.one.want(204, "DELETE", "/v1/clustertemplates/n2", nil); len(a.body) != 0 {
		t.Errorf("a body: %s", a.body)
	}
	b.one.want(404, "DELETE", path, nil)
}

// TestTemplatePatchesSideBySide: none undoes another.
func TestTemplatePatchesSideBySide(t *testing.T) {
	b := newBed(t)
	path := "/v1/clustertemplates/" + b.one.template(nil)
	var patches sync.WaitGroup
	want := object{}
	for i := range 8 {
		name := fmt.Sprint("l", i)
		want[name] = "x"
		patches.Go(func() {
			if a := b.one.do("PATCH", path, []object{op("add", "/labels/"+name, "x")}); a.status != 200 {
				t.Errorf("HTTP %d: %s", a.status, a.body)
			}
		})
	}
	patches.Wait()
	if d := cmp.Diff(want, b.one.want(200, "GET", path, nil).json()["labels"]); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
}

// TestTemplateVisibility: who sees, uses and changes whose templates.
func TestTemplateVisibility(t *testing.T) {
	b := newBed(t)
	shown := func(public, hidden bool) string {
		id := b.one.template(object{"name": fmt.Sprintf("p%t-h%t", public, hidden), "keypair_id": nil})
		ops := []object{}
		if public {
			ops = append(ops, op("replace", "/public", true))
		}
		if hidden {
			ops = append(ops, op("replace", "/hidden", true))
		}
		b.admin.want(200, "PATCH", "/v1/clustertemplates/"+id, ops)
		return id
	}
	reader := b.person("reader", "reader", "demo")
	for _, tc := range []struct {
		name                      string
		public, hidden            bool
		who                       *client
		listed                    bool
		get, create, patch, erase int
	}{
		{"one's own", false, false, b.one, true, 200, 200, 200, 204}, {"one's own, public", true, false, b.one, true, 200, 200, 200, 204}, {"one's own, hidden", true, true, b.one, true, 200, 403, 200, 204},
		{"a reader's", false, false, reader, true, 200, 403, 403, 403}, {"another's", false, false, b.other, false, 404, 404, 404, 404}, {"another's, public", true, false, b.other, true, 200, 200, 403, 403},
		{"another's, hidden", true, true, b.other, false, 404, 404, 404, 404}, {"another's, hidden and not public", false, true, b.other, false, 404, 404, 404, 404},
		{"an admin's look", false, false, b.admin, true, 200, 200, 200, 204}, {"an admin's look at hidden", false, true, b.admin, true, 200, 200, 200, 204},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := shown(tc.public, tc.hidden)
			path := "/v1/clustertemplates/" + id
			for _, list := range []string{"/v1/clustertemplates", "/v1/clustertemplates/detail"} {
				found := false
				for _, x := range tc.who.want(200, "GET", list, nil).list("clustertemplates") {
					found = found || x["uuid"] == id
				}
				if found != tc.listed {
					t.Errorf("in %s: %t", list, found)
				}
			}
			tc.who.want(tc.get, "GET", path, nil)
			a := tc.who.do("POST", "/v1/clusters/preflight", object{"cluster_template_id": id})
			switch {
			case tc.create == 200 && (a.status != 200 || len(a.problems()) > 0), tc.create == 403 && !contains(string(a.body), "ot authorized") && a.status != 403,
				tc.create == 404 && !contains(string(a.body), "could not be found"):
				t.Errorf("a cluster of it: HTTP %d %s", a.status, a.body)
			}
			tc.who.want(tc.patch, "PATCH", path, []object{op("add", "/tags", "x")})
			tc.who.want(tc.erase, "DELETE", path, nil)
		})
	}
	// hidden, but the caller's clusters were made of it: clients read the template of a cluster
	id := shown(true, false)
	b.other.cluster(id, nil)
	b.admin.want(200, "PATCH", "/v1/clustertemplates/"+id, []object{op("replace", "/hidden", true)})
	b.other.want(200, "GET", "/v1/clustertemplates/"+id, nil)
	refuse(t, []refusal{{"a further cluster", b.other, "POST", "/v1/clusters", object{"cluster_template_id": id}, 403, "Not authorized."}})
	b.admin.want(202, "POST", "/v1/clusters", object{"cluster_template_id": id})
}
