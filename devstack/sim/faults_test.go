package sim

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"go.uber.org/goleak"
)

func TestFaultRules(t *testing.T) {
	create := Rule{Service: "network", Method: "POST", PathRegexp: "/networks$", Name: "^bad$"}
	for _, test := range []struct {
		name    string
		change  func(*Rule)
		results []int // of requests in turn: 0 is success, -1 no answer
		left    int
	}{
		{"every time", func(r *Rule) { r.Action = Action{Status: 503} }, []int{503, 503}, 0},
		{"second and third", func(r *Rule) { r.Nth, r.Times, r.Action = 2, 2, Action{Status: 500} }, []int{0, 500, 500, 0}, 2},
		{"own body", func(r *Rule) { r.Times, r.Action = 1, Action{Status: 429, Body: `{"x":1}`} }, []int{429, 0}, 1},
		{"answer lost at the proxy", func(r *Rule) { r.Times, r.Action = 1, Action{Lose: LoseTimeout} }, []int{504, 0}, 2},
		{"connection cut", func(r *Rule) { r.Times, r.Action = 1, Action{Lose: LoseDrop} }, []int{-1}, 1},
		{"other name", func(r *Rule) { r.Name, r.Action = "^good$", Action{Status: 500} }, []int{0}, 1},
		{"delay", func(r *Rule) { r.Action = Action{Delay: time.Second} }, []int{0}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := start(t, Options{})
			a := login(t, c, "demo", "demo")
			r := create
			test.change(&r)
			ok(t, c.Inject(r))
			for i, want := range test.results {
				_, err := networks.Create(t.Context(), a.network, networks.CreateOpts{Name: "bad"}).Extract()
				switch {
				case want == 0 && err != nil, want != 0 && err == nil:
					t.Fatalf("request %d: %v", i, err)
				case want > 0:
					refused(t, err, want, "")
				}
			}
			if n := len(c.Resources(a.project)["network"]); n != test.left {
				t.Errorf("%d networks, want %d", n, test.left)
			}
			c.ClearFaults()
			ok(t, networks.Create(t.Context(), a.network, networks.CreateOpts{Name: "bad"}).Err)
		})
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	c := start(t, Options{})
	a := login(t, c, "demo", "demo")
	send := func(method, path, body string) (int, []byte) {
		t.Helper()
		status, _, out := ask(t, method, c.URL()+path, body, nil)
		return status, out
	}
	for _, bad := range []string{"{", `{"action":{}}`, `{"path":"(","action":{"status":1}}`, `{"unknown":1,"action":{"status":500}}`} {
		if status, _ := send("POST", "/_sim/faults", bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status, _ := send("POST", "/_sim/faults", `{"service":"neutron","method":"post","times":1,"action":{"lose":"504"}}`); status != 204 {
		t.Fatal(status)
	}
	refused(t, networks.Create(t.Context(), a.network, networks.CreateOpts{Name: "n"}).Err, 504, "")
	var left map[string][]string
	_, raw := send("GET", "/_sim/resources?project="+a.project, "")
	ok(t, json.Unmarshal(raw, &left))
	if len(left["network"]) != 1 {
		t.Errorf("left: %v", left)
	}
	var calls map[string]map[string]int
	_, raw = send("GET", "/_sim/calls", "")
	ok(t, json.Unmarshal(raw, &calls))
	if calls["network"]["POST /networks"] != 1 {
		t.Errorf("calls: %v", calls)
	}
	if status, _ := send("DELETE", "/_sim/faults", ""); status != 204 {
		t.Error(status)
	}
	if status, _ := send("POST", "/_sim/endpoints", `{"Type":"container-infra","Name":"magnum","URL":"http://127.0.0.1:1"}`); status != 204 || len(c.Endpoints()) != 12 {
		t.Errorf("%d %v", status, c.Endpoints())
	}
}

func TestRunEndsCleanly(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	err := Run(ctx, Options{PublicCIDR: "127.96.0.0/16", LANCIDR: "127.97.0.0/16"}, "127.0.0.1:0", func(c *Cloud) {
		if c.URL() == "" {
			t.Error("it has no address")
		}
		cancel()
	})
	ok(t, err)
}
