package kube

import (
	"crypto/rand"
	"sync"
)

// Clusters is what the hosts on one Fabric have on their disks: the clusters that they are in. Its zero value is ready
// for use, and a Fabric embeds it. It does not keep anything running.
type Clusters struct {
	mu      sync.Mutex
	disks   map[string]disk
	invited map[string]*cluster
	schema  *schema
}

// disk is what a host finds there when it is switched on again.
type disk struct{ machine *machine }

func (c *Clusters) memory() *Clusters { return c }

// Forget drops the disk of a host: its server was deleted or is being rebuilt. The host must have been stopped. The last
// control plane of a cluster takes the cluster along.
func (c *Clusters) Forget(hostID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, there := c.disks[hostID]; there {
		d.machine.cluster.forget(hostID)
	}
	delete(c.disks, hostID)
}

func (c *Clusters) disk(hostID string) (disk, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, there := c.disks[hostID]
	return d, there
}

func (c *Clusters) install(hostID string, d disk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.disks == nil {
		c.disks = map[string]disk{}
	}
	c.disks[hostID] = d
}

// invite returns what a host that may join shows to find the cluster in memory, once.
func (c *Clusters) invite(to *cluster) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.invited == nil {
		c.invited = map[string]*cluster{}
	}
	invitation := rand.Text()
	c.invited[invitation] = to
	return invitation
}

func (c *Clusters) accept(invitation string) (*cluster, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, there := c.invited[invitation]
	delete(c.invited, invitation)
	return found, there
}

// types returns the schema of all kinds. It is large, so all clusters share one, made when the first one starts.
func (c *Clusters) types() *schema {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.schema == nil {
		c.schema = newSchema()
	}
	return c.schema
}
