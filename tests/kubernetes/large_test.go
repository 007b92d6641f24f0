package kubernetes

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
)

const changeTimeout = 30 * time.Minute

// TestHighlyAvailable is the life of a cluster of three control planes behind a load balancer and two workers.
func TestHighlyAvailable(t *testing.T) {
	b := newBed(t, impatient)
	version := binaries.Releases()[0].Kubernetes
	c := b.create("large", b.template(version), 3, 2, true, map[string]string{"auto_healing_enabled": "true"})
	within(t, c, "every node is ready", func(c *cluster) { c.has(3, 2, version) })
	within(t, c, "time to ready", func(c *cluster) { c.timeToReady() })
	within(t, c, "pods and Services", func(c *cluster) {
		c.namedByTwo()
		c.deploy(4)
		c.connected()
	})
	within(t, c, "the price of a virtual machine", func(c *cluster) { c.measured() })
	within(t, c, "the API outlives a control plane, which is healed", func(c *cluster) { c.loseControlPlane() })
	within(t, c, "resize up and down", func(c *cluster) {
		for _, count := range []int{3, 2} {
			c.resize(count)
			c.has(3, count, version)
		}
		c.served(4)
		c.connected()
	})
	within(t, c, "a disruption budget is kept", func(c *cluster) { c.guarded(version) })
	within(t, c, "new authorities", func(c *cluster) {
		c.rotate()
		c.has(3, 2, version)
		c.connected()
	})
	within(t, c, "a kubelet that was killed is healed", func(c *cluster) { c.healed() })
	within(t, c, "delete", func(c *cluster) { c.remove() })
}

// rotate replaces the cluster's authorities.
func (c *cluster) rotate() {
	c.Helper()
	authority := func() string {
		return c.do("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}")
	}
	before, silent := authority(), c.silences(time.Second, func(c *cluster) error {
		_, err := c.try("", "get", "--raw", "/readyz")
		return err
	})
	if err := c.ask(c.infra, http.MethodPatch, c.infra.ResourceBase+"certificates/"+c.id, nil, nil); err != nil {
		c.Fatal(err)
	}
	c.settled("UPDATE_COMPLETE", changeTimeout)
	worst := silent()
	c.Logf("the API did not answer for %.1f s at most: %v", worst.longest.Seconds(), worst.said)
	if worst.longest > 20*time.Second {
		c.Error("it has gone away")
	}
	c.access()
	if authority() == before {
		c.Error("the authority is the old one")
	}
}

// errNotSeen is the answer of who could not ask: it begins no silence, and ends none.
var errNotSeen = errors.New("nothing could be seen")

// silence is the longest time between two good answers with none in between, and the last that was said in it instead.
type silence struct {
	longest time.Duration
	said    error
}

func (s *silence) lasted(d time.Duration, said error) {
	if d > s.longest {
		*s = silence{d, said}
	}
}

// silences asks again and again until the result is called. The one who asks gets a new kubeconfig whenever the old one does
// not do.
func (c *cluster) silences(every time.Duration, ask func(c *cluster) error) (stop func() silence) {
	c.Helper()
	own := *c
	own.kubeconfig = filepath.Join(c.TempDir(), "kubeconfig")
	own.access()
	end, result := make(chan struct{}), make(chan silence, 1)
	go func() {
		var worst silence
		var failed error
		good := time.Now()
		for tick := time.NewTicker(every); ; {
			switch err := ask(&own); {
			case errors.Is(err, errNotSeen):
			case err == nil:
				if failed != nil {
					worst.lasted(time.Since(good), failed)
				}
				good, failed = time.Now(), nil
			default:
				failed = err
				if config, err := own.credentials(); err == nil {
					_ = os.WriteFile(own.kubeconfig, config, 0o600)
				}
			}
			select {
			case <-end:
				tick.Stop()
				if failed != nil {
					worst.lasted(time.Since(good), failed)
				}
				result <- worst
				return
			case <-tick.C:
			}
		}
	}()
	return func() silence { close(end); return <-result }
}

// resize sets the number of workers.
func (c *cluster) resize(count int) {
	c.Helper()
	if _, err := clusters.Resize(c.Context(), c.infra, c.id, clusters.ResizeOpts{NodeCount: &count}).Extract(); err != nil {
		c.Fatal(err)
	}
	c.settled("UPDATE_COMPLETE", changeTimeout)
}

// loseControlPlane lets the kernel of one panic, sees the API answer all the same, and the conductor start it again.
func (c *cluster) loseControlPlane() {
	c.Helper()
	var lost node
	for _, n := range c.nodes() {
		if n.master {
			lost = n
		}
	}
	var id string
	for _, s := range c.servers() {
		if s.name == lost.name {
			id = s.id
		}
	}
	if err := c.hosts.Panic(id); err != nil {
		c.Fatal(err)
	}
	is := func(status string) func(string) bool { return func(out string) bool { return out == status } }
	ready := []string{"get", "node", lost.name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`}
	c.eventually(3*time.Minute, "node "+lost.name+" to be missed", is("Unknown"), ready...)
	c.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: written-meanwhile}\n")
	c.eventually(10*time.Minute, "node "+lost.name+" to be back", is("True"), ready...)
	c.settled("UPDATE_COMPLETE", changeTimeout)
}

// guarded: what a budget protects stays as long as the time of a drain lasts; a worker goes when there is room elsewhere.
func (c *cluster) guarded(version string) {
	c.Helper()
	c.apply("apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {minAvailable: 3, selector: {matchLabels: {app: web}}}\n")
	stop, fewest := make(chan struct{}), make(chan int, 1)
	go func() {
		least := 4
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-stop:
				tick.Stop()
				fewest <- least
				return
			case <-tick.C:
				if out, err := c.try("", "get", "deployment", "web", "-o", "jsonpath={.status.availableReplicas}"); err == nil && out != "" {
					least = min(least, int(out[0]-'0'))
				}
			}
		}
	}()
	c.resize(1)
	close(stop)
	if least := <-fewest; least < 3 {
		c.Errorf("only %d of 4 pods were there at times, and the budget wants 3", least)
	}
	c.has(3, 1, version)
	c.resize(2)
	c.do("delete", "poddisruptionbudget", "web")
}

// healed stops a worker's kubelet for good, and waits until the conductor has done something about it.
func (c *cluster) healed() {
	c.Helper()
	var sick string
	for _, n := range c.nodes() {
		if !n.master {
			sick = n.name
		}
	}
	if out, err := c.on(sick, "systemctl", "stop", "kubelet"); err != nil {
		c.Fatal(err, out)
	}
	ready := func() int {
		n := 0
		for _, x := range c.nodes() {
			if x.ready {
				n++
			}
		}
		return n
	}
	began := time.Now()
	c.eventually(5*time.Minute, "the node to be missed", func(string) bool { return ready() == 4 }, "version")
	c.eventually(20*time.Minute, "five nodes to be ready again", func(string) bool { return ready() == 5 }, "version")
	c.Logf("healed after %.0f s", time.Since(began).Seconds())
	c.settled("UPDATE_COMPLETE", changeTimeout)
}
