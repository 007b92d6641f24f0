// Package ironic makes hosts that are bare-metal nodes of Ironic. It implements drivers.Machines.
//
// A host is an allocation of Ironic's under the host's own name, which is unique: who asks twice is told of the first one.
// Its id is the node's instance_uuid and ends when the node is given back, so that a machine that serves somebody else by
// then is never taken for ours. The port comes before it, as with virtual machines, and is attached to whatever node the
// allocation comes to. The service itself acts on Ironic, not the cluster's user; the cluster's project becomes the lessee.
package ironic

import (
	"context"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// Name of the driver, as node groups name it.
const Name = "ironic"

// Config of the driver.
type Config struct {
	Pool         cloud.Pool
	AvoidFor     time.Duration // a node that could not be deployed
	RackProperty string        // of a node: where it stands
}

// How long steps on metal may take, from their first start.
const (
	deployTime = 2 * time.Hour    // three nodes in turn, each within Ironic's own half an hour and a bit
	rebootTime = 20 * time.Minute // firmware takes its time
)

// Machines implements drivers.Machines on Ironic.
type Machines struct {
	cfg     Config
	clouds  *cloud.Factory
	ports   infra.HostPorts
	onExtra func(kind, id string)
	now     func() time.Time
}

var _ drivers.Machines = (*Machines)(nil)

// New makes the driver. Duplicate is told of each object that was found twice; nil is fine.
func New(cfg Config, clouds *cloud.Factory, network drivers.Infrastructure, duplicate func(kind, id string)) *Machines {
	return &Machines{cfg: cfg, clouds: clouds, onExtra: duplicate, now: time.Now,
		ports: infra.HostPorts{Clouds: clouds, Network: network, Duplicate: duplicate, Baremetal: true}}
}

// Name of the driver.
func (m *Machines) Name() string { return Name }

// Times are how long a host may take to be deployed, all attempts together, and to come back after a reboot.
func (m *Machines) Times() (deploy, reboot time.Duration) { return deployTime, rebootTime }

// baremetal is Ironic for the service itself.
func (m *Machines) baremetal(ctx context.Context) (*cloud.Baremetal, error) {
	return m.clouds.Baremetal(ctx)
}

// EnsureGroup: a group's hosts share nothing. They are spread over racks when each is chosen.
func (m *Machines) EnsureGroup(context.Context, *drivers.Site, string) drivers.Result {
	return drivers.Done()
}

// EnsureAddress makes the host's port.
func (m *Machines) EnsureAddress(ctx context.Context, s *drivers.Site, h drivers.Host) drivers.Result {
	return m.ports.Ensure(ctx, s, h)
}

// Attributes of an allocation's record.
const (
	attrNode     = "node_id"
	attrNodeName = "node"
	attrGroup    = "node_group"
	attrFailures = "failures"     // what became of earlier nodes, one a line
	attrRefusals = "refusals"     // of allocations, one a line
	attrGivenUp  = "given_up"     // the id of an allocation whose node is being given back
	attrRebuild  = "rebuild"      // who asked for the last rebuild
	attrSince    = "rebuilt_from" // when the node's state had changed last by then
	attrUndeploy = "undeploy"     // why the node could not be given back when it was asked for last
)

// clusterKey is the mark of a cluster in the extra of its allocations.
const clusterKey = "jeroboam-cluster"

func ours(s *drivers.Site, a cloud.Allocation) bool { return a.Extra[clusterKey] == s.Cluster.UUID }

// nodes lists the nodes that are somebody's, by their instance_uuid, once per slice.
func (m *Machines) nodes(ctx context.Context, s *drivers.Site, b *cloud.Baremetal) (map[string]cloud.BaremetalNode, error) {
	return drivers.Once(s.Memo, "baremetal nodes", func() (map[string]cloud.BaremetalNode, error) {
		l, err := b.Nodes(ctx, cloud.NodeFilter{Pool: m.cfg.Pool, Associated: true})
		byInstance := map[string]cloud.BaremetalNode{}
		for _, n := range l {
			byInstance[n.InstanceID] = n
		}
		return byInstance, err
	})
}

// verdict is infra's, but that a node which somebody is busy with, and a conductor without a free worker, are waited for.
func verdict(err error) drivers.Result {
	if cloud.IsConflict(err) || cloud.IsNotFound(err) {
		return drivers.Transient(err)
	}
	return infra.Verdict(err)
}
