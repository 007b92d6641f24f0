package engine

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// TestWhatCannotBeSeenIsNotGone: Neutron says «not found» also of what somebody may not see. A delete takes nothing for gone
// then, says who lacks a right, and does its work when it is there.
func TestWhatCannotBeSeenIsNotGone(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		blind      func(b *bed, id string)
		see        func(b *bed)
	}{
		{"the project was deleted, and the service is no administrator", "the service's own user nothing of project",
			func(b *bed, _ string) {
				b.person("admin").must(http.MethodDelete, "/identity/v3/projects/"+b.project, nil, nil)
				b.clouds = b.factory("alt_demo", "alt_demo")
			},
			func(b *bed) { b.clouds = b.factory("jeroboam", "service") }},
		{"the cluster's user has no role that Neutron knows", "Neutron shows the cluster's user nothing of project",
			func(b *bed, _ string) {
				for path, answer := range map[string]sim.Action{"/security-groups$": {Status: 200, Body: `{"security_groups": []}`}, "/[0-9a-f-]{36}$": {Status: 404}} {
					if err := b.cloud.Inject(sim.Rule{Service: "network", Method: http.MethodGet, PathRegexp: path, Action: answer}); err != nil {
						b.t.Fatal(err)
					}
				}
			},
			func(b *bed) { b.cloud.ClearFaults() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{Speed: 100})
			b.secrets = b.rows()
			stop := b.run(b.conductor("one"))
			id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
			stop()
			kinds := func() (l []string) {
				for _, kind := range []string{drivers.KindNetwork, drivers.KindSubnet, drivers.KindRouter, drivers.KindPort, drivers.KindSecurityGroup, drivers.KindServer, drivers.KindLoadBalancer} {
					l = append(l, fmt.Sprint(kind, " ", len(b.recorded(id, kind))))
				}
				return l
			}
			tc.blind(b, id)
			before, there := kinds(), b.cloud.Resources(b.project)
			stop = b.run(b.conductor("two"))
			b.request(id, ops.ClusterDelete, "", nil)
			if reason := brief(b.reaches(id, ops.DeleteFailed)); !strings.Contains(reason, tc.says) {
				t.Errorf("the reason is %q", reason)
			}
			stop()
			if diff := cmp.Diff(before, kinds()); diff != "" {
				t.Errorf("what the ledger had (-) and has (+):\n%s", diff)
			}
			if diff := cmp.Diff(there, b.cloud.Resources(b.project), cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Errorf("what was in the cloud (-) and is (+):\n%s", diff)
			}
			tc.see(b)
			b.run(b.conductor("three"))
			b.deleted(id)
		})
	}
}
