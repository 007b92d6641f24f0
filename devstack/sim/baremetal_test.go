package sim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// metal asks Ironic as one user, in one version.
type metal struct {
	t       *testing.T
	c       *Cloud
	token   string
	version string
}

func (a *actor) metal(t *testing.T, c *Cloud) metal {
	return metal{t: t, c: c, token: a.provider.Token(), version: "1.82"}
}

// do sends a request and checks the status; the words are to be in the answer.
func (m metal) do(method, path, body string, status int, words string) doc {
	m.t.Helper()
	header := map[string]string{"X-Auth-Token": m.token, "Content-Type": "application/json"}
	if m.version != "" {
		header["X-OpenStack-Ironic-API-Version"] = m.version
	}
	got, _, raw := ask(m.t, method, m.c.URL()+"/baremetal/v1"+path, body, header)
	if got != status || !strings.Contains(string(raw), words) {
		m.t.Fatalf("%s %s %s: %d %s, want %d %q", method, path, body, got, raw, status, words)
	}
	var out doc
	_ = json.Unmarshal(raw, &out)
	return out
}

func (m metal) node(ident string) doc {
	m.t.Helper()
	return m.do("GET", "/nodes/"+ident, "", 200, "")
}

// await waits for a state.
func (m metal) await(ident, state string) doc {
	m.t.Helper()
	var node doc
	eventually(m.t, "node "+state, func() bool {
		node = m.node(ident)
		return node.str("provision_state") == state && !node.has("reservation")
	})
	return node
}

// allocate gets a node under a name.
func (m metal) allocate(name string) doc {
	m.t.Helper()
	m.do("POST", "/allocations", fmt.Sprintf(`{"name":%q,"resource_class":"baremetal"}`, name), 201, `"state":"allocating"`)
	var a doc
	eventually(m.t, "allocation", func() bool {
		a = m.do("GET", "/allocations/"+name, "", 200, "")
		return a.str("state") != "allocating"
	})
	return a
}

// deploy makes a node active, with a port on a network of the tenant's.
func (m metal) deploy(node, port, image, drive string) {
	m.t.Helper()
	m.do("PATCH", "/nodes/"+node, fmt.Sprintf(`[{"op":"add","path":"/instance_info/image_source","value":%q}]`, image), 200, "")
	m.do("POST", "/nodes/"+node+"/vifs", fmt.Sprintf(`{"id":%q}`, port), 204, "")
	m.do("PUT", "/nodes/"+node+"/states/provision", `{"target":"active","configdrive":`+drive+`}`, 202, "")
}

func TestMetalVersions(t *testing.T) {
	c := start(t, Options{})
	m := login(t, c, "admin", "admin").metal(t, c)
	for _, test := range []struct {
		name, version string
		status        int
	}{{"the highest", "1.82", 200}, {"the latest", "latest", 200}, {"none", "", 200}, {"too high", "1.83", 406}, {"another major", "2.1", 406}, {"no version", "x", 406}} {
		t.Run(test.name, func(t *testing.T) {
			status, header, raw := ask(t, "GET", c.URL()+"/baremetal/v1/nodes", "", map[string]string{"X-Auth-Token": m.token, "X-OpenStack-Ironic-API-Version": test.version})
			if status != test.status || header.Get("X-OpenStack-Ironic-API-Maximum-Version") != "1.82" {
				t.Errorf("%d %v %s", status, header, raw)
			}
		})
	}
	for _, root := range []string{"/baremetal", "/baremetal/", "/baremetal/v1", "/baremetal/v1/"} {
		if status, header, raw := ask(t, "GET", c.URL()+root, "", nil); status != 200 || header.Get("X-OpenStack-Ironic-API-Maximum-Version") != "1.82" || !strings.Contains(string(raw), `"min_version":"1.1"`) {
			t.Errorf("%s: %d %v %s", root, status, header, raw)
		}
	}
	m.version = ""
	if n := m.node("bm0"); n.has("traits") || n.has("name") || n["provision_state"] != nil {
		t.Errorf("in version 1.1: %v", n)
	}
	m.version = "1.51"
	m.do("GET", "/allocations", "", 404, "")
	m.do("GET", "/nodes?shard=a", "", 406, "not acceptable")
}

func TestMetalList(t *testing.T) {
	c := start(t, Options{})
	m := login(t, c, "admin", "admin").metal(t, c)
	id := m.node("bm3").str("uuid")
	m.do("PUT", "/nodes/"+id+"/maintenance", `{"reason":"broken"}`, 202, "")
	m.do("PATCH", "/nodes/bm4", `[{"op":"replace","path":"/owner","value":"us"}]`, 200, "")
	m.do("PATCH", "/nodes/bm4", `[{"op":"replace","path":"/shard","value":"s1"}]`, 403, "update:shard")
	system := systemAdmin(t, c).metal(t, c)
	system.do("PATCH", "/nodes/bm4", `[{"op":"replace","path":"/shard","value":"s1"}]`, 200, "")
	m.do("PUT", "/nodes/bm5/traits/CUSTOM_GPU", "", 204, "")
	for _, test := range []struct {
		query string
		want  int
	}{
		{"", 8}, {"?resource_class=baremetal", 8}, {"?resource_class=other", 0}, {"?provision_state=available", 8}, {"?associated=true", 0}, {"?associated=false", 8},
		{"?maintenance=true", 1}, {"?owner=us", 1}, {"?lessee=us", 0}, {"?sharded=true", 1}, {"?shard=s1,s2", 1}, {"?conductor_group=", 8}, {"?limit=3", 3}, {"?marker=" + id, 4}, {"/detail", 8}, {"?detail=true", 8},
	} {
		t.Run("nodes"+test.query, func(t *testing.T) {
			if l := m.do("GET", "/nodes"+test.query, "", 200, "").docs("nodes"); len(l) != test.want {
				t.Errorf("%d nodes", len(l))
			}
		})
	}
	n := m.do("GET", "/nodes?fields=uuid,traits,properties&limit=1", "", 200, "").docs("nodes")[0]
	if len(n) != 4 || !slices.Contains(n.strs("traits"), "HW_CPU_X86_VMX") || n.sub("properties").str("rack") != "r1" {
		t.Errorf("a node: %v", n)
	}
	m.do("GET", "/nodes?fields=uuid,allocation_uuid", "", 500, "has no attribute 'allocation_uuid'")
	m.do("GET", "/nodes/bm0?fields=uuid,allocation_uuid", "", 200, `"allocation_uuid":null`)
	m.do("GET", "/nodes/bm0?fields=nonsense", "", 400, "not a valid field")
	m.do("GET", "/nodes?provision_state=nonsense", "", 400, "not valid")
	m.do("GET", "/nodes?sort_key=properties", "", 400, "sort_key")
	m.do("GET", "/nodes?nonsense=1", "", 400, "Unexpected arguments")
	m.do("GET", "/nodes?maintenance=perhaps", "", 400, "Unrecognized")
	m.do("GET", "/nodes?limit=0", "", 400, "positive")
	m.do("GET", "/nodes/nobody", "", 404, "could not be found")
	m.do("GET", "/nodes/bm5/traits", "", 200, "CUSTOM_GPU")
	m.do("PUT", "/nodes/bm5/traits", `{"traits":["lower"]}`, 400, "not valid")
	m.do("DELETE", "/nodes/bm5/traits/CUSTOM_NONE", "", 404, "have a trait")
	m.do("GET", "/nodes/bm5/inventory", "", 200, "physical_mb")
	m.do("GET", "/conductors", "", 200, `"alive":true`)
	m.do("GET", "/drivers", "", 200, hardware)
}

func TestMetalAllocations(t *testing.T) {
	c := start(t, Options{Speed: math.Inf(1), Metal: MetalNodes(2)})
	m := login(t, c, "admin", "admin").metal(t, c)
	a := m.allocate("c1-n1")
	node := m.node(a.str("node_uuid"))
	if a.str("state") != "active" || node.str("instance_uuid") != a.str("uuid") || node.str("allocation_uuid") != a.str("uuid") {
		t.Fatalf("allocation %v of node %v", a, node)
	}
	m.do("POST", "/allocations", `{"name":"c1-n1","resource_class":"baremetal"}`, 409, "already exists")
	m.do("POST", "/allocations", `{"name":"x"}`, 400, "mandatory")
	m.do("POST", "/allocations", `{"name":"x","resource_class":"baremetal","candidate_nodes":["nobody"]}`, 400, "cannot be found")
	m.do("POST", "/allocations", `{"name":"x","resource_class":"baremetal","candidate_nodes":["`+node.str("name")+`"]}`, 201, "")
	failed := func(name, words string) {
		t.Helper()
		eventually(t, "allocation in error", func() bool {
			a := m.do("GET", "/allocations/"+name, "", 200, "")
			return a.str("state") == "error" && strings.Contains(a.str("last_error"), words)
		})
	}
	failed("x", "none of the requested nodes are available")
	m.do("POST", "/allocations", `{"name":"y","resource_class":"baremetal","traits":["CUSTOM_NONE"]}`, 201, "")
	failed("y", "no suitable nodes have the requested traits CUSTOM_NONE")
	m.do("POST", "/allocations", `{"name":"y","resource_class":"baremetal"}`, 409, "already exists")
	m.allocate("c1-n2")
	m.do("POST", "/allocations", `{"name":"z","resource_class":"baremetal"}`, 201, "")
	failed("z", "no available nodes match the resource class baremetal")
	if l := m.do("GET", "/allocations?state=error", "", 200, "").docs("allocations"); len(l) != 3 {
		t.Errorf("in error: %v", l)
	}
	if l := c.Resources(""); len(l["node"]) != 2 || len(l["allocation"]) != 5 {
		t.Errorf("in use: %v", l)
	}
	m.do("POST", "/allocations", `{"name":"b","node":"`+node.str("name")+`"}`, 409, "already exists")
	m.do("POST", "/allocations", `{"name":"b","uuid":"8c8b8b3e-5c3c-4a3b-9e0b-0d7c5ad1b4d1","node":"`+node.str("name")+`"}`, 500, "must be in the")
	m.do("DELETE", "/allocations/b", "", 204, "")
	m.do("DELETE", "/allocations/c1-n1", "", 204, "")
	if n := m.node(node.str("uuid")); n.has("instance_uuid") || n.has("allocation_uuid") {
		t.Errorf("afterwards: %v", n)
	}
	m.do("GET", "/allocations/c1-n1", "", 404, "could not be found")
	ok(t, c.Inject(Rule{Service: "baremetal", PathRegexp: "/allocations", Name: "^bad$", Action: Action{Fault: "the database is gone"}}))
	m.do("POST", "/allocations", `{"name":"bad","resource_class":"baremetal"}`, 201, "")
	failed("bad", "the database is gone")
}

func TestMetalInstance(t *testing.T) {
	slow := Latency{NodePower: 10 * time.Minute, NodeDeploy: 10 * time.Minute} // enough to be met half-way
	c := start(t, Options{Speed: math.Inf(1), Metal: MetalNodes(1), AutomaticLessee: true, Latency: slow})
	tenant := login(t, c, "demo", "demo")
	m, ctx := login(t, c, "admin", "admin").metal(t, c), t.Context()
	l := tenant.lan(t, "n", "10.0.0.0/24")
	port, image := tenant.port(t, l, "10.0.0.7"), tenant.imageID(t, "cirros")
	m.allocate("c1-n1")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"active"}`, 400, "image_source")
	m.do("GET", "/nodes/bm0/validate", "", 200, "image_source")
	m.do("PATCH", "/nodes/bm0", `[{"op":"add","path":"/instance_info/project_id","value":"`+tenant.project+`"},{"op":"add","path":"/extra/jeroboam","value":"c1"}]`, 200, "")
	m.deploy("bm0", port.ID, image, `{"meta_data":{"hostname":"c1-n1","meta":{"a":"b"}},"user_data":"#cloud-config\n{}\n"}`)
	m.do("PATCH", "/nodes/bm0", `[{"op":"add","path":"/extra/x","value":1}]`, 409, "state transition is in progress")
	n := m.await("bm0", "active")
	if n.str("lessee") != tenant.project || n.sub("instance_info").str("configdrive") != redacted || n.str("power_state") != "power on" || n.sub("extra").str("jeroboam") != "c1" {
		t.Errorf("an instance: %v", n)
	}
	if p := must[*ports.Port](t)(ports.Get(ctx, tenant.network, port.ID).Extract()); p.MACAddress != "52:54:00:00:00:00" || p.Status != "ACTIVE" {
		t.Errorf("its port: %+v", p)
	}
	console := func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		if host := c.nodes[n.str("uuid")]; host != nil {
			return strings.Join(host.Console(), "\n")
		}
		return ""
	}
	eventually(t, "host to boot", func() bool { return console() != "" })
	m.do("DELETE", "/allocations/c1-n1", "", 409, "active")
	m.do("POST", "/nodes/bm0/vifs", `{"id":"`+port.ID+`"}`, 409, "already attached")
	m.do("PUT", "/nodes/bm0/states/power", `{"target":"soft rebooting"}`, 202, "")
	m.do("PUT", "/nodes/bm0/states/power", `{"target":"power off"}`, 409, "is locked by host")
	eventually(t, "reboot", func() bool { return !m.node("bm0").has("target_power_state") })
	m.do("PUT", "/nodes/bm0/states/power", `{"target":"power off"}`, 202, "")
	eventually(t, "power off", func() bool { return m.node("bm0").str("power_state") == "power off" && console() == "" })
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"rebuild"}`, 202, "")
	m.await("bm0", "active")
	eventually(t, "host to boot again", func() bool { return console() != "" })
	if v := m.do("GET", "/nodes/bm0/vifs", "", 200, "").docs("vifs"); len(v) != 1 || v[0].str("id") != port.ID {
		t.Errorf("VIFs after a rebuild: %v", v)
	}
	m.do("PATCH", "/nodes/bm0", `[{"op":"replace","path":"/protected","value":true}]`, 200, "")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"deleted"}`, 403, "protected")
	m.do("PATCH", "/nodes/bm0", `[{"op":"replace","path":"/protected","value":false},{"op":"replace","path":"/retired","value":true}]`, 200, "")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"deleted"}`, 202, "")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"deleted"}`, 409, "is locked by host")
	n = m.await("bm0", "manageable") // it is retired
	if n.has("instance_uuid") || n.has("lessee") || len(n.sub("instance_info")) != 0 || n.str("power_state") != "power off" || console() != "" {
		t.Errorf("afterwards: %v", n)
	}
	m.do("GET", "/allocations/c1-n1", "", 404, "")
	m.do("GET", "/nodes/bm0/vifs", "", 200, `{"vifs":[]}`)
	if p := must[*ports.Port](t)(ports.Get(ctx, tenant.network, port.ID).Extract()); p.MACAddress == "52:54:00:00:00:00" || p.Status != "DOWN" {
		t.Errorf("its port afterwards: %+v", p)
	}
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"provide"}`, 400, "it is retired")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"deleted"}`, 400, "can not be performed on node")
	m.do("PATCH", "/nodes/bm0", `[{"op":"replace","path":"/retired","value":false}]`, 200, "")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"provide"}`, 202, "")
	m.await("bm0", "available")
	m.do("PATCH", "/nodes/bm0", `[{"op":"replace","path":"/retired","value":true}]`, 409, "available")
	if l := c.Resources(""); len(l["node"]) != 0 {
		t.Errorf("left: %v", l)
	}
}

func TestMetalReaches(t *testing.T) {
	c := start(t, Options{Speed: math.Inf(1), Metal: MetalNodes(1)})
	tenant := login(t, c, "demo", "demo")
	m := login(t, c, "admin", "admin").metal(t, c)
	l := tenant.lan(t, "n", "10.0.0.0/24")
	m.allocate("n1")
	m.deploy("bm0", tenant.port(t, l, "10.0.0.7").ID, tenant.imageID(t, "cirros"), `{}`)
	node := m.await("bm0", "active").str("uuid")
	group := must[*groups.SecGroup](t)(groups.Create(t.Context(), tenant.network, groups.CreateOpts{Name: "open"}).Extract())
	must[*rules.SecGroupRule](t)(rules.Create(t.Context(), tenant.network, rules.CreateOpts{SecGroupID: group.ID, Direction: "ingress", EtherType: "IPv4"}).Extract())
	server, _ := tenant.host(t, c, l, "server", "10.0.0.8", group.ID)
	speaks(c, node, "metal", 6443) // whatever its groups say
	for _, test := range []struct{ name, from, to, want string }{{"server to metal", server, "10.0.0.7:6443", "metal"}, {"metal to server", node, "10.0.0.8:6443", "server"}, {"itself", node, "127.0.0.1:6443", "metal"}} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := hostHears(t, c, test.from, test.to); got != test.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestMetalFaults(t *testing.T) {
	c := start(t, Options{Speed: math.Inf(1), Metal: MetalNodes(2), Latency: Latency{NodeTimeout: time.Minute}})
	tenant := login(t, c, "demo", "demo")
	m := login(t, c, "admin", "admin").metal(t, c)
	image := tenant.imageID(t, "cirros")
	m.do("PATCH", "/nodes/bm0", `[{"op":"add","path":"/instance_info/image_source","value":"`+image+`"}]`, 200, "")
	m.do("PATCH", "/nodes/bm1", `[{"op":"add","path":"/instance_info/image_source","value":"`+image+`"}]`, 200, "")
	provision := func(node, target string, action *Action, status int, words string) {
		t.Helper()
		c.ClearFaults()
		if action != nil {
			ok(t, c.Inject(Rule{Service: "ironic", Method: "PUT", PathRegexp: "/states/provision", Action: *action}))
		}
		m.do("PUT", "/nodes/"+node+"/states/provision", `{"target":"`+target+`"}`, status, words)
	}
	provision("bm0", "active", nil, 202, "")
	m.await("bm0", "active")
	provision("bm1", "active", &Action{Status: 503}, 503, "lack of free")
	provision("bm1", "active", &Action{Fault: "Deploy step deploy.write_image failed: no disk"}, 202, "")
	if n := m.await("bm1", "deploy failed"); !strings.Contains(n.str("last_error"), "no disk") || n.str("target_provision_state") != "active" {
		t.Errorf("after a failed deploy: %v", n)
	}
	m.do("PATCH", "/nodes/bm1", `[{"op":"add","path":"/extra/x","value":1}]`, 200, "")
	provision("bm1", "active", &Action{Stuck: true}, 202, "")
	if n := m.await("bm1", "deploy failed"); !strings.Contains(n.str("last_error"), "Timeout reached") {
		t.Errorf("after no call-back: %v", n)
	}
	provision("bm1", "deleted", &Action{Fault: "the disk does not erase"}, 202, "")
	if n := m.await("bm1", "clean failed"); !n.flag("maintenance", false) || n.str("fault") != "clean failure" || n.str("last_error") != "the disk does not erase" {
		t.Errorf("after failed cleaning: %v", n)
	}
	provision("bm1", "deleted", nil, 400, "can not be performed")
	provision("bm1", "manage", nil, 202, "")
	m.await("bm1", "manageable")
	provision("bm1", "provide", nil, 400, "maintenance mode")
	m.do("DELETE", "/nodes/bm1/maintenance", "", 202, "")
	if n := m.node("bm1"); n.has("fault") || n.has("maintenance_reason") {
		t.Errorf("out of maintenance: %v", n)
	}
	provision("bm1", "provide", &Action{Stuck: true}, 202, "")
	eventually(t, "clean wait", func() bool { return m.node("bm1").str("provision_state") == "clean wait" })
	provision("bm1", "abort", nil, 202, "")
	m.await("bm1", "clean failed")
	ok(t, c.Inject(Rule{Service: "ironic", PathRegexp: "/states/power", Action: Action{Fault: "no answer of the BMC"}}))
	m.do("PUT", "/nodes/bm0/states/power", `{"target":"rebooting"}`, 202, "")
	eventually(t, "failed reboot", func() bool { return strings.Contains(m.node("bm0").str("last_error"), "no answer of the BMC") })
}

func TestMetalWorkers(t *testing.T) {
	c := start(t, Options{Speed: math.Inf(1), ConductorWorkers: 1, Latency: Latency{NodePower: 24 * time.Hour}})
	m := login(t, c, "admin", "admin").metal(t, c)
	m.do("PUT", "/nodes/bm0/states/power", `{"target":"power on"}`, 202, "")
	m.do("PUT", "/nodes/bm1/states/power", `{"target":"power on"}`, 503, "lack of free")
	m.do("PATCH", "/nodes/bm0", `[{"op":"add","path":"/extra/a","value":1}]`, 409, "is locked by host")
	m.do("PATCH", "/nodes/bm1", `[{"op":"add","path":"/extra/a","value":1}]`, 200, "")
}

func TestMetalChanges(t *testing.T) {
	c := start(t, Options{Speed: math.Inf(1)})
	m := login(t, c, "admin", "admin").metal(t, c)
	for _, test := range []struct {
		name, patch string
		status      int
		words       string
	}{
		{"add", `[{"op":"add","path":"/extra/a","value":{"b":1}},{"op":"add","path":"/extra/a/c","value":2}]`, 200, `"a":{"b":1,"c":2}`},
		{"remove", `[{"op":"remove","path":"/extra/a"}]`, 200, `"extra":{}`},
		{"remove what is not there", `[{"op":"remove","path":"/extra/a"}]`, 400, "Couldn't apply patch"},
		{"a field of its own", `[{"op":"add","path":"/nonsense","value":1}]`, 400, "Cannot patch /nonsense"},
		{"state", `[{"op":"replace","path":"/provision_state","value":"active"}]`, 400, "Cannot patch"},
		{"traits", `[{"op":"add","path":"/traits","value":["CUSTOM_A"]}]`, 400, "node traits API"},
		{"test", `[{"op":"test","path":"/extra","value":{}}]`, 400, "is not one of"},
		{"no list", `{"op":"add"}`, 400, "array"},
		{"name of another", `[{"op":"replace","path":"/name","value":"bm1"}]`, 409, "already exists"},
		{"instance", `[{"op":"add","path":"/instance_uuid","value":"8c8b8b3e-5c3c-4a3b-9e0b-0d7c5ad1b4d1"}]`, 200, "8c8b8b3e"},
		{"another instance", `[{"op":"add","path":"/instance_uuid","value":"8c8b8b3e-5c3c-4a3b-9e0b-0d7c5ad1b4d2"}]`, 409, "is associated with instance"},
		{"no instance", `[{"op":"remove","path":"/instance_uuid"}]`, 200, `"instance_uuid":null`},
		{"protected", `[{"op":"replace","path":"/protected","value":true}]`, 409, "provision states 'active'"},
		{"reason without retirement", `[{"op":"replace","path":"/retired_reason","value":"old"}]`, 400, "when retired is True"},
		{"no object", `[{"op":"replace","path":"/extra","value":"x"}]`, 400, "is not of type 'object'"},
		{"lessee away", `[{"op":"remove","path":"/lessee"}]`, 200, `"lessee":null`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := m
			m.t = t
			m.do("PATCH", "/nodes/bm0", test.patch, test.status, test.words)
		})
	}
	m.do("POST", "/nodes", `{"driver":"fake-hardware","owner":"x"}`, 400, "other than your own project")
	made := m.do("POST", "/nodes", `{"driver":"fake-hardware","name":"own","resource_class":"mine","properties":{"rack":"r9"}}`, 201, `"provision_state":"enroll"`)
	m.do("POST", "/nodes", `{"driver":"fake-hardware","name":"own"}`, 409, "already exists")
	m.do("POST", "/nodes", `{"driver":"redfish"}`, 400, "No conductor service")
	m.do("POST", "/ports", `{"node_uuid":"`+made.str("uuid")+`","address":"52:54:00:00:99:00"}`, 201, "")
	m.do("POST", "/ports", `{"node_uuid":"`+made.str("uuid")+`","address":"52:54:00:00:99:00"}`, 409, "already exists")
	m.do("PUT", "/nodes/own/states/provision", `{"target":"provide"}`, 400, "can not be performed")
	m.do("PUT", "/nodes/own/states/provision", `{"target":"manage"}`, 202, "")
	m.await("own", "manageable")
	m.do("PUT", "/nodes/own/states/provision", `{"target":"provide"}`, 202, "")
	m.await("own", "available")
	m.do("PUT", "/nodes/own/states/provision", `{"target":"nonsense"}`, 400, "can not be performed")
	m.do("DELETE", "/nodes/own", "", 204, "")
	m.do("GET", "/ports?address=52:54:00:00:99:00", "", 200, `{"ports":[]}`)
}

func TestMetalBonds(t *testing.T) {
	c := start(t, Options{Metal: MetalNodes(1)})
	tenant := login(t, c, "demo", "demo")
	m := login(t, c, "admin", "admin").metal(t, c)
	l := tenant.lan(t, "n", "10.0.0.0/24")
	p1, p2, p3 := tenant.port(t, l, ""), tenant.port(t, l, ""), tenant.port(t, l, "")
	node := m.node("bm0").str("uuid")
	card := m.do("GET", "/nodes/bm0/ports", "", 200, "").docs("ports")[0].str("uuid")
	bond := m.do("POST", "/portgroups", `{"node_uuid":"`+node+`","name":"bond0","address":"52:54:00:aa:00:00","mode":"802.3ad"}`, 201, "").str("uuid")
	m.do("POST", "/ports", `{"node_uuid":"`+node+`","address":"52:54:00:00:99:01","portgroup_uuid":"`+bond+`"}`, 201, "")
	m.do("POST", "/nodes/bm0/vifs", `{"id":"`+p1.ID+`","port_uuid":"a","portgroup_uuid":"b"}`, 400, "both")
	m.do("POST", "/nodes/bm0/vifs", `{"id":"8c8b8b3e-5c3c-4a3b-9e0b-0d7c5ad1b4d1"}`, 500, "Unable to attach VIF")
	m.do("POST", "/nodes/bm0/vifs", `{"id":"`+p1.ID+`"}`, 204, "")
	if g := m.do("GET", "/portgroups/bond0", "", 200, ""); g.sub("internal_info").str(vifKey) != p1.ID {
		t.Errorf("the bond is preferred: %v", g)
	}
	m.do("POST", "/nodes/bm0/vifs", `{"id":"`+p2.ID+`","port_uuid":"`+card+`"}`, 204, "")
	m.do("POST", "/nodes/bm0/vifs", `{"id":"`+p3.ID+`"}`, 400, "not enough free physical ports")
	m.do("DELETE", "/ports/"+card, "", 409, "bound to VIF")
	m.do("DELETE", "/portgroups/"+bond, "", 409, "bound to VIF")
	m.do("DELETE", "/nodes/bm0/vifs/"+p1.ID, "", 204, "")
	m.do("DELETE", "/nodes/bm0/vifs/"+p1.ID, "", 400, "not attached")
	m.do("DELETE", "/portgroups/"+bond, "", 400, "contains ports")
}

func TestMetalRights(t *testing.T) {
	c := start(t, Options{})
	admin, tenant := login(t, c, "admin", "admin"), login(t, c, "demo", "demo")
	m, d := admin.metal(t, c), tenant.metal(t, c)
	d.do("GET", "/nodes/bm0", "", 404, "could not be found")
	d.do("GET", "/nodes", "", 200, `{"nodes":[]}`)
	d.do("POST", "/allocations", `{"name":"of-nobody","resource_class":"baremetal"}`, 201, `"owner":"`+tenant.project+`"`)
	m.do("PATCH", "/nodes/bm0", `[{"op":"replace","path":"/lessee","value":"`+tenant.project+`"}]`, 200, "")
	m.do("PATCH", "/nodes/bm1", `[{"op":"replace","path":"/owner","value":"`+tenant.project+`"}]`, 200, "")
	if l := d.do("GET", "/nodes", "", 200, "").docs("nodes"); len(l) != 2 {
		t.Errorf("his own: %v", l)
	}
	if n := d.node("bm0"); !strings.Contains(n.str("last_error"), "Redacted") {
		t.Errorf("a lessee sees %v", n)
	}
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		words                    string
	}{
		{"a lessee notes", "PATCH", "/nodes/bm0", `[{"op":"add","path":"/extra/a","value":1}]`, 200, `"a":1`},
		{"a lessee does not deploy", "PUT", "/nodes/bm0/states/provision", `{"target":"active"}`, 403, "set_provision_state"},
		{"a lessee keeps the lessee", "PATCH", "/nodes/bm0", `[{"op":"remove","path":"/lessee"}]`, 403, "update:lessee"},
		{"a lessee switches", "PUT", "/nodes/bm0/states/power", `{"target":"power on"}`, 202, ""},
		{"an owner deploys", "PUT", "/nodes/bm1/states/provision", `{"target":"active"}`, 400, "image_source"},
		{"an owner keeps the owner", "PATCH", "/nodes/bm1", `[{"op":"remove","path":"/owner"}]`, 403, "update:owner"},
		{"an owner allocates his own", "POST", "/allocations", `{"name":"a","resource_class":"baremetal","owner":"` + tenant.project + `"}`, 201, ""},
		{"or others'", "POST", "/allocations", `{"name":"b","resource_class":"baremetal","owner":"x"}`, 201, ""},
		{"conductors are the system's", "GET", "/conductors", "", 403, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := d
			d.t = t
			d.do(test.method, test.path, test.body, test.status, test.words)
		})
	}
	other := login(t, c, "alt_demo", "alt_demo").metal(t, c)
	other.do("GET", "/allocations/a", "", 404, "")
	if l := other.do("GET", "/allocations", "", 200, "").docs("allocations"); len(l) != 0 {
		t.Errorf("of others: %v", l)
	}
}

func TestMetalSecureRBAC(t *testing.T) {
	c := start(t, Options{SecureRBAC: true})
	for _, a := range []*actor{login(t, c, "admin", "admin"), login(t, c, "jeroboam", "service")} { // neither admin nor service are for a project
		m := a.metal(t, c)
		m.do("GET", "/nodes/bm0", "", 404, "")
		m.do("GET", "/nodes", "", 200, `{"nodes":[]}`)
		m.do("GET", "/conductors", "", 500, "requires a scope")
		m.do("POST", "/allocations", `{"resource_class":"baremetal"}`, 201, `"owner":"`+a.project+`"`)
	}
	login(t, c, "demo", "demo").metal(t, c).do("POST", "/allocations", `{"resource_class":"baremetal","owner":"x"}`, 403, "create_restricted")
	systemAdmin(t, c).metal(t, c).do("GET", "/nodes/bm0", "", 200, "")
}

// systemAdmin is the administrator with a token for the whole system.
func systemAdmin(t *testing.T, c *Cloud) *actor {
	t.Helper()
	return &actor{provider: must[*gophercloud.ProviderClient](t)(openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: c.AuthURL(), Username: "admin", Password: "secret", DomainName: "Default", Scope: &gophercloud.AuthScope{System: true},
	}))}
}

func TestMetalFlavor(t *testing.T) {
	c := start(t, Options{})
	a := login(t, c, "demo", "demo")
	id := a.flavorID(t, "bm.general")
	for _, test := range []struct{ path, version string }{{"/flavors/" + id, "2.61"}, {"/flavors/" + id + "/os-extra_specs", "2.1"}, {"/flavors/detail", "2.61"}} {
		_, _, raw := ask(t, http.MethodGet, c.URL()+"/compute/v2.1"+test.path, "", map[string]string{"X-Auth-Token": a.provider.Token(), "OpenStack-API-Version": "compute " + test.version})
		if !strings.Contains(string(raw), `"resources:CUSTOM_BAREMETAL":"1"`) {
			t.Errorf("%s: %s", test.path, raw)
		}
	}
}

func TestConfigDrive(t *testing.T) {
	c := start(t, Options{})
	m := login(t, c, "admin", "admin").metal(t, c)
	put := func(target, drive string, status int, words string) {
		t.Helper()
		m.do("PUT", "/nodes/bm0/states/provision", `{"target":"`+target+`","configdrive":`+drive+`}`, status, words)
	}
	put("active", `{"nonsense":1}`, 400, "Additional properties")
	put("active", `{"meta_data":"x"}`, 400, "not of type 'object'")
	put("active", `"no base64!"`, 400, "base64")
	put("manage", `{"user_data":"x"}`, 400, "only supported when")
	m.version = "1.55"
	put("active", `{"user_data":"x"}`, 400, "1.56")
	image := isoImage(t, map[string]string{"USER_DATA.;1": "#cloud-config\n", "META_DATA.JSON;1": `{"hostname":"h"}`})
	drive := must[doc](t)(readDriveImage(base64.StdEncoding.EncodeToString(image)))
	if raw, _ := drive["user_data"].([]byte); string(raw) != "#cloud-config\n" || drive.sub("meta_data").str("hostname") != "h" {
		t.Errorf("the image has %v", drive)
	}
}
