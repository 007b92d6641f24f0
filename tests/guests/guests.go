// Package guests is what runs on the servers of a real OpenStack whose hypervisor only pretends. It reads every server's
// user data from Nova, as the metadata service would hand it out, lets the simulator's Kubernetes side boot from it, and
// carries connections as Neutron's ports, floating IPs and Octavia's pools say. Security groups are Neutron's own matter:
// they are not enforced here.
package guests

import (
	"context"
	"encoding/base64"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// lookInterval is how often the cloud is asked what there is.
const lookInterval = 2 * time.Second

// Options of the guests.
type Options struct {
	// Image has the properties of the image that all servers boot.
	Image map[string]string
	// Baremetal asks Ironic, which shows machines to an administrator of the whole system only where its policies have their
	// new form; nil: who asks the others.
	Baremetal *gophercloud.ProviderClient
	// Speed is how many times faster than real hosts they are.
	Speed float64
}

// Guests are the hosts. Everything in it is guarded by mu.
type Guests struct {
	kube.Clusters
	options                    Options
	clock                      sim.Clock
	compute, network, balancer *gophercloud.ServiceClient
	baremetal                  *gophercloud.ServiceClient // nil: there is none
	life                       context.Context            //nolint:containedctx // of the hosts, not of a request

	mu        sync.Mutex
	nodes     map[string]*kube.Node
	disks     map[string]string                 // of machines: what was written to them last
	listening map[string]map[int]func(net.Conn) // by server and port
	seen      picture
	sockets   map[string]net.Listener // by address and port
	turn      int                     // of load balancing
}

var _ kube.Fabric = (*Guests)(nil)

// Run lets guests live until the test ends. The provider is an administrator's.
func Run(t testing.TB, admin *gophercloud.ProviderClient, region string, o Options) *Guests {
	t.Helper()
	eo := gophercloud.EndpointOpts{Region: region}
	ctx, cancel := context.WithCancel(context.Background())
	g := &Guests{options: o, clock: sim.NewClock(o.Speed), life: ctx, nodes: map[string]*kube.Node{}, disks: map[string]string{}, listening: map[string]map[int]func(net.Conn){}, sockets: map[string]net.Listener{}}
	for _, s := range []struct {
		client **gophercloud.ServiceClient
		make   func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{{&g.compute, openstack.NewComputeV2}, {&g.network, openstack.NewNetworkV2}, {&g.balancer, openstack.NewLoadBalancerV2}} {
		var err error
		if *s.client, err = s.make(admin, eo); err != nil {
			t.Fatal(err)
		}
	}
	if o.Baremetal == nil {
		o.Baremetal = admin
	}
	g.baremetal = ironic(func() (*gophercloud.ServiceClient, error) { return openstack.NewBareMetalV1(o.Baremetal, eo) })
	g.compute.Microversion = "2.73" // from 2.3 on an administrator is shown user data
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(lookInterval); ; {
			if err := g.look(); err != nil && ctx.Err() == nil {
				t.Logf("the guests see nothing: %v", err)
			}
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done; g.close() })
	return g
}

// look sees what there is now, boots what is new and stops what is gone.
func (g *Guests) look() error {
	pages, err := servers.List(g.compute, servers.ListOpts{AllTenants: true}).AllPages(g.life)
	if err != nil {
		return err
	}
	list, err := servers.ExtractServers(pages)
	if err != nil {
		return err
	}
	seen, err := g.take()
	if err != nil {
		return err
	}
	machines, err := g.machines(seen)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.seen = seen
	there := map[string]bool{}
	var gone []string
	for _, s := range list {
		there[s.ID] = true
		if s.Status == "ACTIVE" && g.nodes[s.ID] == nil && s.Userdata != nil {
			g.boot(s)
		}
	}
	for id := range g.nodes {
		if !there[id] && g.disks[id] == "" {
			gone = append(gone, id)
		}
	}
	g.mu.Unlock()
	for _, id := range gone {
		g.stop(id)
	}
	g.attend(machines)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open()
	return nil
}

// boot switches a host on.
func (g *Guests) boot(s servers.Server) {
	data, err := base64.StdEncoding.DecodeString(*s.Userdata)
	if err != nil {
		return // it never becomes a node, and its cluster says so
	}
	host := kube.Host{ID: s.ID, Name: s.Name, UserData: data, MetaData: s.Metadata, Image: g.options.Image}
	for _, p := range g.seen.ports {
		if p.device == s.ID {
			host.FixedIPs = append(host.FixedIPs, p.address)
		}
	}
	if len(host.FixedIPs) == 0 {
		return // its port is not seen yet
	}
	if node, err := kube.Boot(g.life, host, g, g.clock); err == nil {
		g.nodes[s.ID] = node
	}
}

// stop cuts a host's power and forgets its disk.
func (g *Guests) stop(id string) {
	g.mu.Lock()
	node := g.nodes[id]
	delete(g.nodes, id)
	g.mu.Unlock()
	node.Stop() // takes mu on its way
	g.Forget(id)
}

func (g *Guests) close() {
	g.mu.Lock()
	ids := make([]string, 0, len(g.nodes))
	for id := range g.nodes {
		ids = append(ids, id)
	}
	for _, l := range g.sockets {
		_ = l.Close()
	}
	g.mu.Unlock()
	for _, id := range ids {
		g.stop(id)
	}
}

// Consoles are the last lines of every host, for a test that failed.
func (g *Guests) Consoles() map[string][]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string][]string{}
	for id, n := range g.nodes {
		out[id+" "+n.State()] = n.Console()
	}
	return out
}
