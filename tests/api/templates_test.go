package api

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

const image = "ubuntu-24.04-kube-v1.37.2"

// leastTemplate is all that a template needs.
func leastTemplate() object { return object{"coe": "kubernetes", "image_id": image} }

// TestTemplateDefaults: what nobody said, attribute by attribute, in every view of a template.
func TestTemplateDefaults(t *testing.T) {
	b := newBed(t)
	a := b.one.want(201, "POST", "/v1/clustertemplates", leastTemplate())
	id := a.text("uuid")
	if got := a.header.Get("Location"); got != b.url+"/v1/clustertemplates/"+id {
		t.Errorf("Location: %q", got)
	}
	made := a.json()
	for name, form := range map[string]string{"uuid": `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, "name": `^[a-z]+-([1-9]|1[0-9]|2[0-4])-template$`, "created_at": `^20[0-9T:-]+\+00:00$`} {
		if !regexp.MustCompile(form).MatchString(fmt.Sprint(made[name])) {
			t.Errorf("%s is %v", name, made[name])
		}
	}
	want := object{"uuid": id, "name": made["name"], "coe": "kubernetes", "image_id": image, "flavor_id": nil, "master_flavor_id": nil, "dns_nameserver": nil, "keypair_id": nil,
		"external_network_id": nil, "fixed_network": nil, "fixed_subnet": nil, "network_driver": "flannel", "apiserver_port": nil, "docker_volume_size": nil,
		"cluster_distro": "ubuntu", "http_proxy": nil, "https_proxy": nil, "no_proxy": nil, "volume_driver": nil, "registry_enabled": false, "labels": object{}, "tls_disabled": false,
		"public": false, "server_type": "vm", "insecure_registry": nil, "docker_storage_driver": nil, "master_lb_enabled": false, "floating_ip_enabled": true,
		"project_id": b.one.project, "user_id": b.one.user, "hidden": false, "tags": nil, "driver": "vm", "created_at": made["created_at"], "updated_at": nil,
		"links": []any{object{"href": b.url + "/v1/clustertemplates/" + id, "rel": "self"}, object{"href": b.url + "/clustertemplates/" + id, "rel": "bookmark"}}}
	if d := cmp.Diff(want, made); d != "" {
		t.Errorf("made (-want +got):\n%s", d)
	}
	for _, path := range []string{"/v1/clustertemplates/" + id, "/v1/clustertemplates/" + fmt.Sprint(made["name"]), "/clustertemplates/" + id} {
		if d := cmp.Diff(want, b.one.want(200, "GET", path, nil).json()); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
	for _, path := range []string{"/v1/clustertemplates", "/v1/clustertemplates/detail"} {
		if d := cmp.Diff([]object{want}, b.one.want(200, "GET", path, nil).list("clustertemplates")); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
	b.one.want(404, "GET", "/v1/clustertemplates/"+id+"/detail", nil)
}

// TestTemplateAttributes: how what is sent comes back, with the ways in which clients write it.
func TestTemplateAttributes(t *testing.T) {
	b := newBed(t)
	own := uuid.NewString()
	for _, tc := range []struct {
		name, attribute string
		sent, want      any
	}{
		{"an own UUID", "uuid", own, own}, {"a UUID in capitals", "uuid", strings.ToUpper("7e57ab1e" + own[8:]), "7e57ab1e" + own[8:]},
		{"a name", "name", "Größe 1", "Größe 1"}, {"the longest name", "name", strings.Repeat("ü", 255), strings.Repeat("ü", 255)},
		{"a flavor", "flavor_id", "m1.small", "m1.small"}, {"a flavor by its id", "flavor_id", "3", "3"}, {"no flavor", "flavor_id", nil, nil}, {"an empty flavor", "flavor_id", "", nil},
		{"a flavor for masters", "master_flavor_id", "m1.large", "m1.large"}, {"none for masters", "master_flavor_id", nil, nil},
		{"name servers", "dns_nameserver", "8.8.8.8,1.1.1.1", "8.8.8.8,1.1.1.1"}, {"no name server", "dns_nameserver", nil, nil},
		{"a key that is not there", "keypair_id", "nope", "nope"},
		{"an external network", "external_network_id", "public", "public"}, {"none outside", "external_network_id", nil, nil},
		{"a network", "fixed_network", "lan", "lan"}, {"a subnet", "fixed_subnet", "lan-subnet", "lan-subnet"},
		{"calico", "network_driver", "calico", "calico"}, {"cilium", "network_driver", "cilium", "cilium"}, {"no driver named", "network_driver", nil, "flannel"},
		{"a port", "apiserver_port", 1024, 1024.0}, {"the last port", "apiserver_port", "65535", 65535.0},
		{"a volume", "docker_volume_size", 1, 1.0}, {"a volume as text", "docker_volume_size", "5", 5.0}, {"a volume as a float", "docker_volume_size", 5.9, 5.0}, {"no volume", "docker_volume_size", nil, nil},
		{"another distribution", "cluster_distro", "fedora-coreos", "ubuntu"},
		{"a proxy", "http_proxy", "http://192.0.2.1:3128", "http://192.0.2.1:3128"}, {"a proxy for TLS", "https_proxy", "x", "x"}, {"no proxy for some", "no_proxy", "a,b", "a,b"},
		{"volumes", "volume_driver", "cinder", "cinder"}, {"no volumes", "volume_driver", nil, nil},
		{"a registry", "registry_enabled", true, true}, {"a registry as text", "registry_enabled", "on", true}, {"an insecure one", "insecure_registry", "192.0.2.1:5000", "192.0.2.1:5000"},
		{"labels", "labels", object{"a": "b", "n": 1, "t": true, "f": false, "x": 1.5, "empty": ""}, object{"a": "b", "n": "1", "t": "True", "f": "False", "x": "1.5", "empty": ""}},
		{"no labels", "labels", nil, object{}},
		{"TLS", "tls_disabled", false, false}, {"TLS as text", "tls_disabled", "False", false},
		{"not public", "public", "no", false}, {"not hidden", "hidden", 0, false},
		{"virtual machines", "server_type", "vm", "vm"}, {"no kind of machines", "server_type", nil, "vm"},
		{"a storage driver", "docker_storage_driver", "overlay2", "overlay2"},
		{"a load balancer", "master_lb_enabled", "True", true}, {"a load balancer by number", "master_lb_enabled", 1, true},
		{"no floating IP", "floating_ip_enabled", "f", false}, {"floating IPs by default", "floating_ip_enabled", nil, true},
		{"tags", "tags", "a,b", "a,b"}, {"Magnum's driver", "driver", "k8s_cluster_api_ubuntu", "k8s_cluster_api_ubuntu"}, {"our driver", "driver", "vm", "vm"}, {"no driver", "driver", nil, "vm"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := b.one.want(201, "POST", "/v1/clustertemplates", with(leastTemplate(), object{tc.attribute: tc.sent}))
			if d := cmp.Diff(tc.want, a.json()[tc.attribute]); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.attribute, d)
			}
		})
	}
	b.one.want(409, "POST", "/v1/clustertemplates", with(leastTemplate(), object{"uuid": own}))
	b.one.want(201, "POST", "/v1/clustertemplates", with(leastTemplate(), object{"name": "twin"}))
	b.one.want(201, "POST", "/v1/clustertemplates", with(leastTemplate(), object{"name": "twin"})) // names are nobody's
	if d := b.one.want(409, "GET", "/v1/clustertemplates/twin", nil).detail(); !contains(d, "uuid") {
		t.Errorf("of two of a name: %q", d)
	}
	for _, ident := range []string{strings.ToUpper(own), strings.ReplaceAll(own, "-", ""), uuid.NewString(), "nobody"} {
		b.one.want(404, "GET", "/v1/clustertemplates/"+ident, nil)
	}
}

func TestTemplateRefusals(t *testing.T) {
	b := newBed(t)
	b.server.Defaults.NetworkDrivers = []string{"flannel", "calico"}
	for range 2 {
		b.network("twins", "10.9.0.0/24")
	}
	const field = "Invalid input for field/attribute "
	l := []refusal{
		{name: "a null", body: "null", status: 400, says: "object"}, {name: "a list", body: "[]", status: 400, says: "object"}, {name: "no JSON", body: "{", status: 400, says: "Request is not in valid JSON format"},
		{name: "nothing", body: "", status: 400, says: `Missing argument: "cluster_template"`}, {name: "an empty object", body: "{}", status: 400, says: "Mandatory field missing."},
	}
	for _, x := range []struct {
		name       string
		attributes object
		status     int
		says       string
	}{
		{"no image", object{"image_id": nil}, 400, field + "image_id. Value: 'None'. Mandatory field missing."},
		{"no COE", object{"coe": nil}, 400, "COE type Unset is not supported"}, {"Swarm", object{"coe": "swarm"}, 400, field + "coe. Value: 'swarm'"}, {"Mesos", object{"coe": "mesos"}, 400, "coe"},
		{"an unknown attribute", object{"flavour": "x"}, 400, "Unknown attribute for argument cluster_template: flavour"},
		{"a link", object{"links": []any{}}, 400, field + "links. Value: '[]'. Cannot set read only field."},
		{"another's project", object{"project_id": b.other.project}, 400, "Cannot set read only field."}, {"another's user", object{"user_id": "x"}, 400, "Cannot set read only field."},
		{"a birthday", object{"created_at": "2026-01-01T00:00:00+00:00"}, 400, "created_at"},
		{"a name that is too long", object{"name": strings.Repeat("x", 256)}, 400, field + "name"}, {"a number for a name", object{"name": 5}, 400, "Wrong type"},
		{"an unknown image", object{"image_id": "nope"}, 400, "Image nope could not be found"}, {"an image without os_distro", object{"image_id": "cirros"}, 400, "os_distro"},
		{"an image of another distribution", object{"image_id": "windows-2025-kube-v1.37.2"}, 400, "os_distro windows, expecting one of debian, flatcar, rocky, ubuntu"},
		{"an unknown flavor", object{"flavor_id": "aaa"}, 400, "flavor_id aaa"}, {"an unknown flavor for masters", object{"master_flavor_id": "aaa"}, 400, "master_flavor_id aaa"},
		{"a flavor without a disk", object{"flavor_id": "c.tiny"}, 400, "boot_volume_size"}, {"the same for masters", object{"master_flavor_id": "c.tiny", "labels": object{"boot_volume_size": 0}}, 400, "boot_volume_size"},
		{"a volume size that is none", object{"labels": object{"boot_volume_size": "big"}}, 400, `Label boot_volume_size has value "big"`},
		{"an IPv6 name server", object{"dns_nameserver": "2001:db8::1"}, 400, field + "dns_nameserver"}, {"half a list of name servers", object{"dns_nameserver": "8.8.8.8,"}, 400, "IPv4"},
		{"an unknown external network", object{"external_network_id": "nope"}, 400, "external_network_id nope"}, {"an internal network", object{"external_network_id": "lan"}, 400, "not external"},
		{"two networks of a name", object{"fixed_network": "twins"}, 409, "twins"}, {"two external networks of a name", object{"external_network_id": "twins"}, 409, "twins"},
		{"an unknown network", object{"fixed_network": "nope"}, 400, "fixed_network nope"}, {"an unknown subnet", object{"fixed_subnet": "nope"}, 400, "fixed_subnet nope"},
		{"two subnets of a name", object{"fixed_subnet": "twins"}, 409, "twins"}, {"a subnet of another network", object{"fixed_network": "lan", "fixed_subnet": "public-subnet"}, 400, "public-subnet"},
		{"an unknown network driver", object{"network_driver": "weave"}, 400, "Network driver type weave is not supported"}, {"one that is not allowed", object{"network_driver": "cilium"}, 400, "Network driver cilium is not allowed"},
		{"another volume driver", object{"volume_driver": "rexray"}, 400, field + "volume_driver"}, {"a low port", object{"apiserver_port": 1023}, 400, "1024"}, {"a high port", object{"apiserver_port": 65536}, 400, "65535"},
		{"no volume", object{"docker_volume_size": 0}, 400, "greater or equal to 1"}, {"a volume in words", object{"docker_volume_size": "big"}, 400, "Expected integer"},
		{"a small volume for devicemapper", object{"docker_volume_size": 2, "docker_storage_driver": "devicemapper"}, 400, "at least 3 GB"},
		{"no truth", object{"registry_enabled": "maybe"}, 400, field + "registry_enabled. Value: 'maybe'"}, {"a number that is no truth", object{"public": 2}, 400, "Expected boolean"},
		{"another kind of machines", object{"server_type": "lxd"}, 400, field + "server_type"}, {"machines with a flavor of servers", object{"server_type": "bm", "flavor_id": "m1.medium"}, 400, "not for bare metal"},
		{"an unknown driver", object{"driver": "k8s_docker"}, 400, "Driver k8s_docker"}, {"long tags", object{"tags": strings.Repeat("x", 256)}, 400, field + "tags"},
		{"a list of labels", object{"labels": []string{"a"}}, 400, field + "labels"}, {"a label in a label", object{"labels": object{"a": object{}}}, 400, `"a"`}, {"a label of nothing", object{"labels": object{"a": nil}}, 400, `"a"`},
		{"no TLS", object{"tls_disabled": true}, 400, field + "tls_disabled"}, // a cluster without it would be open to everybody: refused in words
		{"public", object{"public": true}, 403, "Policy doesn't allow clustertemplate:publish to be performed."}, {"hidden", object{"hidden": "yes"}, 403, "clustertemplate:publish"},
	} {
		l = append(l, refusal{name: x.name, body: with(leastTemplate(), x.attributes), status: x.status, says: x.says})
	}
	for i := range l {
		l[i].who, l[i].method, l[i].path = b.one, "POST", "/v1/clustertemplates"
	}
	refuse(t, append(l, refusal{"a query", b.one, "POST", "/v1/clustertemplates?x=1", leastTemplate(), 400, `Unknown argument: "x"`},
		refusal{"a reader", b.person("reader", "reader", "demo"), "POST", "/v1/clustertemplates", leastTemplate(), 403, "clustertemplate:create"}))
	if l := b.one.want(200, "GET", "/v1/clustertemplates", nil).list("clustertemplates"); len(l) != 0 {
		t.Errorf("refused, and there: %v", l)
	}
}
