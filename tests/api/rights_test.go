package api

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/api/policy"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// TestRuleForAdmins: an operator can take from admins what is of other projects.
func TestRuleForAdmins(t *testing.T) {
	b := newBed(t)
	template := "/v1/clustertemplates/" + b.one.template(nil)
	b.admin.want(200, "GET", template, nil)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(`"clustertemplate:get_one_all_projects": "!"`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.server.Policy = must(policy.New(policy.Config{Dir: dir, PolicyFile: "policy.yaml", EnforceScope: true, EnforceNewDefaults: true}, t.Logf))(t)
	b.admin.want(403, "GET", template, nil)
	b.one.want(200, "GET", template, nil)
}

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
