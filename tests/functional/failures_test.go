package functional

import (
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// failures makes clusters that the cloud lets down: they fail with the step and the cloud's own words, and delete takes
// everything away. The rules of the simulator go by the names of objects, so they meet these clusters only.
func failures(t *testing.T, s *stack.Stack) {
	id := template(t, s.Two, "failing", nil)
	tests := []struct {
		name  string // of the cluster as well
		more  map[string]any
		rule  sim.Rule
		says  []string // in the reason: the step and the cloud's words
		group string   // that has the fault
	}{
		{name: "novalidhost", rule: sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "^novalidhost-.*worker",
			Action: sim.Action{Fault: "No valid host was found. There are not enough hosts available."}},
			says: []string{"host novalidhost-", "No valid host was found. There are not enough hosts available."}, group: "default-worker"},
		{name: "lberror", more: map[string]any{"master_lb_enabled": true}, rule: sim.Rule{Service: "load-balancer", Method: "POST", PathRegexp: "/loadbalancers$", Name: "^lberror-",
			Action: sim.Action{Fault: "amphora"}}, says: []string{"load balancer", "lberror-", "ERROR"}, group: "default-master"},
		{name: "refused", rule: sim.Rule{Service: "network", Method: "POST", PathRegexp: "/routers$", Name: "^refused-",
			Action: sim.Action{Status: 409, Body: `{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['router'].", "detail": ""}}`}},
			says: []string{"network", "router", "Quota exceeded for resources: ['router']."}, group: "default-master"},
		{name: "stuck", more: map[string]any{"create_timeout": 1}, rule: sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "^stuck-",
			Action: sim.Action{Stuck: true}}, says: []string{"create timeout of 1 minutes", "stuck-", "BUILD"}, group: "default-worker"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s.Inject(t, test.rule)
			body := with(map[string]any{"name": test.name, "cluster_template_id": id}, test.more)
			uuid, _ := s.Two.Want(t, 202, "POST", "/v1/clusters", body).JSON(t)["uuid"].(string)
			c := s.Two.Settled(t, uuid, "CREATE_FAILED", settling)
			reason, _ := c["status_reason"].(string)
			faults, _ := c["faults"].(map[string]any)
			for _, part := range test.says {
				if fault, _ := faults[test.group].(string); !strings.Contains(reason, part) || !strings.Contains(fault, part) {
					t.Errorf("%q is not in the reason or the fault of %s:\n%s\n%v", part, test.group, reason, faults)
				}
			}
			if a := s.Two.Do(t, "POST", "/v1/clusters/"+uuid+"/actions/resize", map[string]any{"node_count": 2}); a.Status != 400 || !strings.Contains(a.Detail(t), "CREATE_FAILED") {
				t.Errorf("resizing what was never there: %d: %s", a.Status, a.Body)
			}
			s.Two.Want(t, 204, "DELETE", "/v1/clusters/"+uuid, nil)
			s.Two.Gone(t, uuid, settling)
			testenv.Eventually(t, settling, "nothing of the cluster to be left", func() bool { return !mentions(s.Left(t, s.Two.ProjectID), test.name) })
		})
	}
}

// mentions tells whether objects of a cluster are there.
func mentions(left map[string][]string, name string) bool {
	for _, l := range left {
		for _, x := range l {
			if strings.Contains(x, " "+name+"-") {
				return true
			}
		}
	}
	return false
}
