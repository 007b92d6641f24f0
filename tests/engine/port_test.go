package engine

import (
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// TestTheAPIAtAnotherPort: a template's apiserver_port is where the API is, behind a load balancer and without one.
func TestTheAPIAtAnotherPort(t *testing.T) {
	for name, balanced := range map[string]bool{"behind a load balancer": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			b.run(b.conductor("one"))
			id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: balanced, cluster: func(s *ops.ClusterSpec) { s.APIPort = 8443 }})
			if v := b.view(id); v.APIAddress == nil || !strings.HasSuffix(*v.APIAddress, ":8443") {
				t.Errorf("the API is at %v", v.APIAddress)
			}
			b.deleted(id)
		})
	}
}
