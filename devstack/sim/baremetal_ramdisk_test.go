package sim

import (
	"math"
	"strings"
	"testing"
	"time"
)

// TestMetalRamdisk: a node that boots a kernel and a ramdisk is told both by themselves.
func TestMetalRamdisk(t *testing.T) {
	nodes := MetalNodes(1)
	nodes[0].Ramdisk = true
	c := start(t, Options{Speed: math.Inf(1), Metal: nodes, Images: []Image{{Name: "whole"}, {Name: "kernel"}, {Name: "initrd"}}})
	tenant := login(t, c, "demo", "demo")
	m := login(t, c, "admin", "admin").metal(t, c)
	change := func(patch string) { t.Helper(); m.do("PATCH", "/nodes/bm0", patch, 200, "") }
	refused := func(words string) {
		t.Helper()
		bad := m.do("GET", "/nodes/bm0/validate", "", 200, "").sub("deploy")
		if bad.flag("result", true) || !strings.Contains(bad.str("reason"), words) {
			t.Errorf("validated: %v, want %q", bad, words)
		}
		m.do("PUT", "/nodes/bm0/states/provision", `{"target":"active"}`, 400, words)
	}
	refused("Missing are: ['kernel', 'ramdisk']")
	change(`[{"op":"add","path":"/instance_info/image_source","value":"` + tenant.imageID(t, "whole") + `"}]`)
	refused("Missing are: ['kernel', 'ramdisk']")
	change(`[{"op":"add","path":"/instance_info/kernel","value":"` + tenant.imageID(t, "kernel") + `"}]`)
	refused("Missing are: ['ramdisk']")
	change(`[{"op":"add","path":"/instance_info/ramdisk","value":"no-image"}]`)
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"active"}`, 202, "")
	if n := m.await("bm0", "deploy failed"); !strings.Contains(n.str("last_error"), "no-image could not be found") {
		t.Errorf("of an image that is not there: %v", n["last_error"])
	}
	ramdisk := `[{"op":"add","path":"/instance_info/ramdisk","value":"` + tenant.imageID(t, "initrd") + `"}]`
	change(ramdisk)
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"active"}`, 202, "")
	m.await("bm0", "active")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"rebuild"}`, 400, "['kernel', 'ramdisk']") // forgotten, for an image is named
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"deleted"}`, 202, "")
	m.await("bm0", "available")
	change(`[{"op":"add","path":"/instance_info/kernel","value":"` + tenant.imageID(t, "kernel") + `"}]`)
	change(ramdisk)
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"active"}`, 202, "")
	m.await("bm0", "active")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"rebuild"}`, 202, "")
	m.await("bm0", "active")

	m.do("PATCH", "/nodes/bm0", `[{"op":"add","path":"/deploy_interface","value":"direct"}]`, 400, "Valid interfaces are ['fake', 'ramdisk']")
	m.do("POST", "/nodes", `{"driver":"fake-hardware","boot_interface":"ipxe"}`, 400, "Valid interfaces are")
	m.do("PUT", "/nodes/bm0/states/provision", `{"target":"deleted"}`, 202, "")
	m.await("bm0", "available")
	change(`[{"op":"add","path":"/driver_info","value":{"deploy_kernel":"k","deploy_ramdisk":"r"}}]`)
	refused("'redfish_address'")
	change(`[{"op":"add","path":"/driver_info","value":{}}]`)
	refused("['deploy_kernel', 'deploy_ramdisk']")
	change(`[{"op":"add","path":"/automated_clean","value":false}]`) // then nothing is asked of the agent
	refused("Missing are: ['kernel', 'ramdisk']")
	change(`[{"op":"add","path":"/boot_interface","value":"fake"}]`)
	refused("`ramdisk_boot` capability")
}

// TestMetalTearDown: what cannot be undeployed is in «error», and asked again from there.
func TestMetalTearDown(t *testing.T) {
	for _, test := range []struct {
		name    string
		action  Action
		words   string
		forgets bool // the instance
	}{
		{"fails", Action{Fault: "the BMC does not answer", Step: StepTearDown}, "Failed to tear down: the BMC does not answer", true},
		{"its conductor dies", Action{Stuck: true, Step: StepTearDown}, "state can't be resumed by conductor", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := start(t, Options{Speed: math.Inf(1), Metal: MetalNodes(1), Latency: Latency{NodeTimeout: time.Minute}})
			tenant := login(t, c, "demo", "demo")
			m := login(t, c, "admin", "admin").metal(t, c)
			m.allocate("n1")
			m.deploy("bm0", tenant.port(t, tenant.lan(t, "n", "10.0.0.0/24"), "10.0.0.7").ID, tenant.imageID(t, "cirros"), `{}`)
			m.await("bm0", "active")
			ok(t, c.Inject(Rule{Service: "ironic", PathRegexp: "/states/provision", Times: 1, Action: test.action}))
			m.do("PUT", "/nodes/bm0/states/provision", `{"target":"deleted"}`, 202, "")
			n := m.await("bm0", "error")
			if !strings.Contains(n.str("last_error"), test.words) || n.has("target_provision_state") || n.has("instance_uuid") == test.forgets || len(m.do("GET", "/allocations", "", 200, "").docs("allocations")) == 0 != test.forgets {
				t.Errorf("afterwards: %v", n)
			}
			m.do("PUT", "/nodes/bm0/states/provision", `{"target":"deleted"}`, 202, "")
			if n := m.await("bm0", "available"); n.has("instance_uuid") || len(m.do("GET", "/allocations", "", 200, "").docs("allocations")) > 0 {
				t.Errorf("in the end: %v", n)
			}
		})
	}
	c := start(t, Options{})
	for _, a := range []Action{{Step: StepTearDown}, {Fault: "x", Step: "clean"}} {
		if err := c.Inject(Rule{Action: a}); err == nil {
			t.Errorf("rule %+v is one", a)
		}
	}
}
