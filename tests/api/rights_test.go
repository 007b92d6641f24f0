package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// TestLoadBalancersNeedRights: Octavia has roles of its own, and who lacks them is told so by the create.
func TestLoadBalancersNeedRights(t *testing.T) {
	b := newBed(t)
	template := b.one.template(nil)
	forbid := func(path string) {
		if err := b.Cloud.Inject(sim.Rule{Service: "load-balancer", Method: "GET", PathRegexp: path, Action: sim.Action{Status: http.StatusForbidden}}); err != nil {
			t.Fatal(err)
		}
	}
	body := object{"cluster_template_id": template, "master_lb_enabled": true}
	forbid("/quotas/")
	b.one.want(202, "POST", "/v1/clusters", body) // quotas may be an administrator's business
	forbid("/loadbalancers$")
	if d := b.one.want(403, "POST", "/v1/clusters", body).detail(); !strings.Contains(d, "load-balancer_member") {
		t.Errorf("refused with %q", d)
	}
	problems := b.one.refusedFor(body)
	if len(problems) != 1 || problems[0]["field"] != "master_lb_enabled" {
		t.Errorf("preflight: %v", problems)
	}
	b.one.want(202, "POST", "/v1/clusters", object{"cluster_template_id": template, "master_lb_enabled": false})
}
