package guests

import (
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
)

// machine is a deployed node of Ironic's.
type machine struct {
	nodes.Node
	disk string // what was written to it last: when it became active
}

// machines lists those that are deployed, and notes which ports of Neutron they have: hardware that only pretends has
// nobody bind them. Ironic shows an administrator their config drives only where its policy show_instance_secrets says so.
func (g *Guests) machines(p picture) ([]machine, error) {
	if g.baremetal == nil {
		return nil, nil
	}
	pages, err := nodes.ListDetail(g.baremetal, nodes.ListOpts{ProvisionState: nodes.Active}).AllPages(g.life)
	if err != nil {
		return nil, err
	}
	all, err := nodes.ExtractNodes(pages)
	if err != nil {
		return nil, err
	}
	var l []machine
	for _, n := range all {
		vifs, err := nodes.ListVirtualInterfaces(g.life, g.baremetal, n.UUID).Extract()
		if err != nil {
			return nil, err
		}
		for _, v := range vifs {
			if x, ok := p.ports[v.ID]; ok {
				x.device = n.UUID
				p.ports[v.ID] = x
			}
		}
		l = append(l, machine{n, fmt.Sprint(n.InstanceUUID, " ", n.ProvisionUpdatedAt)})
	}
	return l, nil
}

// attend boots machines that were deployed, anew after they were rebuilt, and has those off that have no power.
func (g *Guests) attend(l []machine) {
	g.mu.Lock()
	there, known := map[string]machine{}, map[string]string{}
	for _, m := range l {
		there[m.UUID] = m
	}
	for id, disk := range g.disks {
		known[id] = disk
	}
	g.mu.Unlock()
	for id, disk := range known {
		if there[id].disk != disk { // it was undeployed or rebuilt
			g.off(id)
			g.Forget(id)
			g.mu.Lock()
			delete(g.disks, id)
			g.mu.Unlock()
		}
	}
	for _, m := range l {
		switch on := m.PowerState == string(nodes.PowerOn); {
		case !on && known[m.UUID] == m.disk:
			g.off(m.UUID)
		case !on: // hardware that only pretends is not switched on by being deployed
			_ = nodes.ChangePowerState(g.life, g.baremetal, m.UUID, nodes.PowerStateOpts{Target: nodes.PowerOn}).ExtractErr() // looked at again
		default:
			g.bootMachine(m)
		}
	}
}

func (g *Guests) bootMachine(m machine) {
	g.mu.Lock()
	defer g.mu.Unlock()
	drive, _ := m.InstanceInfo["configdrive"].(map[string]any) // nobody has made an image of it
	meta, _ := drive["meta_data"].(map[string]any)
	data, _ := drive["user_data"].(string)
	name, _ := meta["name"].(string)
	if g.nodes[m.UUID] != nil || name == "" {
		return
	}
	host := kube.Host{ID: m.UUID, Name: name, UserData: []byte(data), Image: g.options.Image}
	for _, p := range g.seen.ports {
		if p.device == m.UUID {
			host.FixedIPs = append(host.FixedIPs, p.address)
		}
	}
	if len(host.FixedIPs) == 0 {
		return // its port is not seen yet
	}
	if node, err := kube.Boot(g.life, host, g, g.clock); err == nil {
		g.nodes[m.UUID], g.disks[m.UUID] = node, m.disk
	}
}

// off cuts a host's power, and keeps its disk.
func (g *Guests) off(id string) {
	g.mu.Lock()
	node := g.nodes[id]
	delete(g.nodes, id)
	g.mu.Unlock()
	if node != nil {
		node.Stop() // takes mu on its way
	}
}

// ironic is Ironic, if the cloud has one.
func ironic(make func() (*gophercloud.ServiceClient, error)) *gophercloud.ServiceClient {
	c, err := make()
	if err != nil {
		return nil
	}
	c.Microversion = "1.78"
	return c
}
