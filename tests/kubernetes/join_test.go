package kubernetes

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestAJoinThatIsCutShort: kubeadm ends when the others' etcd knows the new member, which has data or not. It goes on with the
// same member: one whose data is taken away would never come back, and keep the next one out for ever.
func TestAJoinThatIsCutShort(t *testing.T) {
	b := newBed(t, "")
	version := binaries.Releases()[0].Kubernetes
	masters, workers, balanced, began := 3, 0, true, time.Now()
	id, err := clusters.Create(t.Context(), b.infra, clusters.CreateOpts{Name: "struck", ClusterTemplateID: b.template(version), MasterCount: &masters, NodeCount: &workers, MasterLBEnabled: &balanced}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, createTimeout, "the hosts to be there", func() bool { return len(b.servers()) == masters })
	var strikes sync.WaitGroup
	struck := make([]bool, masters)
	for i, s := range b.servers() {
		strikes.Go(func() {
			again := time.NewTicker(100 * time.Millisecond)
			defer again.Stop()
			for until := time.Now().Add(createTimeout); !struck[i] && time.Now().Before(until); <-again.C {
				out, _ := b.on(s.name, "sh", "-c", strike) // it does not run yet, or the time for a command is over
				if strings.Contains(out, "makes the cluster") {
					return
				}
				struck[i] = strings.Contains(out, "struck")
			}
		})
	}
	c := b.made(id, "struck", began)
	strikes.Wait()
	c.access()
	c.has(masters, workers, version)
	joined := 0
	for i, s := range b.servers() {
		out, err := b.on(s.name, "grep", "-c", "going on in place", "/var/log/jeroboam-bootstrap.log")
		if struck[i] && (err != nil || strings.TrimSpace(out) == "0") {
			t.Errorf("%s was struck, and has not gone on in place: %v %s", s.name, err, out)
		}
		if struck[i] {
			joined++
		}
	}
	if joined != masters-1 {
		t.Errorf("%d hosts were struck, want %d", joined, masters-1)
	}
	within(t, c, "delete", func(c *cluster) { c.remove() })
}

// strike kills kubeadm on a control plane that joins as soon as it has announced itself.
const strike = `until [ -e /etc/kubernetes/kubeadm.yaml ]; do sleep 0.1; done
if grep -q '^kind: InitConfiguration' /etc/kubernetes/kubeadm.yaml; then echo makes the cluster; exit; fi
until [ -e /etc/kubernetes/manifests/etcd.yaml ]; do sleep 0.02; done
kill -KILL $(pidof kubeadm) && echo struck`
