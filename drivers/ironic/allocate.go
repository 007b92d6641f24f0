package ironic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/infra"
)

// rackTrait is the beginning of a trait that says where a node stands: CUSTOM_RACK_R1.
const rackTrait = "CUSTOM_RACK_"

// rack of a node, "" when nothing says it.
func (m *Machines) rack(n cloud.BaremetalNode) string {
	if r, ok := n.Properties[m.cfg.RackProperty]; ok && m.cfg.RackProperty != "" {
		return fmt.Sprint(r)
	}
	for _, t := range n.Traits {
		if r, ok := strings.CutPrefix(t, rackTrait); ok {
			return strings.ToLower(r)
		}
	}
	return ""
}

// allocate asks Ironic for a node. What it may choose from is said here, since it shuffles: the nodes of the rack that has
// the fewest hosts of the group.
func (m *Machines) allocate(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host) drivers.Result {
	if res := m.checkImage(ctx, s, h); !res.IsDone() {
		return res
	}
	old, _ := s.Ledger.Find(drivers.KindAllocation, h.Name)
	attrs := with(old.Attrs, attrGroup, h.NodeGroup)
	_, err := drivers.Ensure(ctx, s.Ledger, drivers.Object{Kind: drivers.KindAllocation, Name: h.Name, Node: h.Name, Duplicate: m.onExtra,
		Find: func(ctx context.Context) ([]drivers.Found, error) { return m.find(ctx, s, b, h.Name, attrs) },
		Create: func(ctx context.Context) (drivers.Found, error) {
			spec, err := m.choose(ctx, s, b, h, old)
			if err != nil {
				return drivers.Found{}, err
			}
			a, err := b.Allocate(ctx, spec)
			if cloud.IsConflict(err) { // the name is taken: by a request of ours that the look-up came before
				l, err2 := m.find(ctx, s, b, h.Name, attrs)
				if err2 != nil {
					return drivers.Found{}, err2
				}
				if len(l) > 0 {
					return l[0], nil
				}
			}
			return drivers.Found{ID: a.ID, Attrs: attrs}, err
		},
		Delete: b.DeleteAllocation})
	var fault *drivers.Fault
	switch {
	case errors.As(err, &fault):
		return drivers.FromError(err)
	case err != nil:
		return verdict(err)
	}
	return drivers.Continue(drivers.PollInterval, "a node for host %s was asked for", h.Name)
}

// find looks an allocation up by its name, which is unique.
func (m *Machines) find(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, name string, attrs map[string]string) ([]drivers.Found, error) {
	a, err := b.Allocation(ctx, name)
	switch {
	case cloud.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case !ours(s, a):
		return nil, &drivers.Fault{Class: drivers.ClassInternal, Err: fmt.Errorf("allocation %s (%s) does not carry the mark of this cluster: left alone", name, a.ID)}
	}
	return []drivers.Found{{ID: a.ID, Attrs: attrs}}, nil
}

// stock is what can be had, read once per slice, less what this slice has taken of it.
type stock struct {
	mu    sync.Mutex
	nodes []cloud.BaremetalNode
	taken map[string]int // by node group and rack
}

func (m *Machines) stock(ctx context.Context, s *drivers.Site, b *cloud.Baremetal) (*stock, error) {
	return drivers.Once(s.Memo, "baremetal stock", func() (*stock, error) {
		l, err := b.Nodes(ctx, cloud.NodeFilter{Pool: m.cfg.Pool, State: "available"})
		return &stock{nodes: l, taken: map[string]int{}}, err
	})
}

// choice parts the nodes that would do.
type choice struct {
	usable []cloud.BaremetalNode // they can be had
	why    []string              // the others cannot
	lacks  error                 // what the image lacks for some that could be had otherwise
}

// fitting looks for nodes for a host. Those that its image cannot be deployed on are not among them: no other node is tried
// for that, and none is to blame.
func (m *Machines) fitting(ctx context.Context, s *drivers.Site, st *stock, h drivers.Host) (choice, error) {
	want, count := machine(h), map[string]int{}
	var c choice
	for _, n := range st.nodes {
		if !want.Fits(n) {
			continue
		}
		if reason := n.Unusable(m.now()); reason != "" {
			count[reason]++
			continue
		}
		lacks, err := m.lacks(ctx, s, h, n)
		switch {
		case err != nil:
			return c, err
		case lacks != nil:
			c.lacks = lacks
		default:
			c.usable = append(c.usable, n)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(count)) {
		c.why = append(c.why, fmt.Sprintf("%d %s", count[reason], reason))
	}
	return c, nil
}

func machine(h drivers.Host) cloud.Machine {
	return cloud.Machine{ResourceClass: h.ResourceClass, Traits: h.Traits}
}

// choose says which nodes an allocation may come to. Where there is none, what became of those that the host had is why.
func (m *Machines) choose(ctx context.Context, s *drivers.Site, b *cloud.Baremetal, h drivers.Host, old drivers.Resource) (cloud.AllocationSpec, error) {
	st, err := m.stock(ctx, s, b)
	if err != nil {
		return cloud.AllocationSpec{}, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	c, err := m.fitting(ctx, s, st, h)
	switch {
	case err != nil:
		return cloud.AllocationSpec{}, err
	case len(c.usable) == 0 && c.lacks != nil:
		return cloud.AllocationSpec{}, &drivers.Fault{Class: drivers.ClassUser, Err: fmt.Errorf("%w%s", c.lacks, listed("; tried: ", lines(old.Attrs[attrFailures])))}
	case len(c.usable) == 0:
		return cloud.AllocationSpec{}, &drivers.Fault{Class: drivers.ClassCapacity, Err: fmt.Errorf("baremetal: no node of resource class %s%s is available%s%s",
			h.ResourceClass, listed(" with ", h.Traits), listed("; there are: ", c.why), listed("; tried: ", lines(old.Attrs[attrFailures])))}
	}
	racks := map[string][]cloud.BaremetalNode{}
	for _, n := range c.usable {
		racks[m.rack(n)] = append(racks[m.rack(n)], n)
	}
	rack := emptiest(racks, func(rack string) int { return m.hostsIn(s, h.NodeGroup, rack) + st.taken[h.NodeGroup+"/"+rack] })
	st.taken[h.NodeGroup+"/"+rack]++
	spec := cloud.AllocationSpec{Name: h.Name, ResourceClass: racks[rack][0].ResourceClass, Traits: h.Traits, Owner: m.cfg.Pool.Owner,
		Extra: map[string]any{clusterKey: s.Cluster.UUID, "jeroboam-nodegroup": h.NodeGroup}}
	for _, n := range racks[rack] {
		spec.Candidates = append(spec.Candidates, n.ID)
	}
	return spec, nil
}

// emptiest rack for a group: the one with the fewest of its hosts, and of those the one with the most nodes to choose from.
func emptiest(racks map[string][]cloud.BaremetalNode, hosts func(rack string) int) string {
	return slices.MinFunc(slices.Sorted(maps.Keys(racks)), func(a, b string) int {
		if d := hosts(a) - hosts(b); d != 0 {
			return d
		}
		return len(racks[b]) - len(racks[a])
	})
}

// hostsIn counts the hosts of a group that stand in a rack.
func (m *Machines) hostsIn(s *drivers.Site, group, rack string) int {
	n := 0
	for _, r := range s.Ledger.All() {
		if r.Kind == drivers.KindAllocation && r.Attrs[attrGroup] == group && r.Attrs[attrNode] != "" && r.Attrs[drivers.AttrRack] == rack {
			n++
		}
	}
	return n
}

func listed(before string, l []string) string {
	if len(l) == 0 {
		return ""
	}
	return before + strings.Join(l, ", ")
}

// Spare tells how many more hosts like this one could be had now.
func (m *Machines) Spare(ctx context.Context, s *drivers.Site, h drivers.Host) (int, error) {
	b, err := m.baremetal(ctx)
	if err != nil {
		return 0, err
	}
	st, err := m.stock(ctx, s, b)
	if err != nil {
		return 0, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	c, err := m.fitting(ctx, s, st, h)
	return len(c.usable), err
}

// image reads the image with the eyes of the cluster's user, once per slice. It is one image or none.
func (m *Machines) image(ctx context.Context, s *drivers.Site, h drivers.Host) ([]cloud.ImageInfo, error) {
	return drivers.Once(s.Memo, "image "+h.ImageID, func() ([]cloud.ImageInfo, error) {
		c, err := infra.Clients(ctx, m.clouds, s)
		if err != nil {
			return nil, err
		}
		g, err := c.Image()
		if err != nil {
			return nil, err
		}
		return g.Images(ctx, h.ImageID)
	})
}

// checkImage looks at the image before a machine is taken for it. Ironic deploys none that has no checksum.
func (m *Machines) checkImage(ctx context.Context, s *drivers.Site, h drivers.Host) drivers.Result {
	l, err := m.image(ctx, s, h)
	switch {
	case err != nil:
		return infra.Verdict(err)
	case len(l) != 1:
		return drivers.Failed(drivers.ClassUser, "image: there is no image %s", h.ImageID)
	case l[0].Checksum == "" && l[0].Properties["os_hash_value"] == "":
		return drivers.Failed(drivers.ClassUser, "image: image %s has no checksum, without which it cannot be deployed on bare metal", l[0].Name)
	}
	return drivers.Done()
}

// lacks says what the image of a host lacks to be deployed on a node, nil when it can be.
func (m *Machines) lacks(ctx context.Context, s *drivers.Site, h drivers.Host, n cloud.BaremetalNode) (lacks, err error) {
	if n.DeployInterface != cloud.RamdiskDeploy {
		return nil, nil
	}
	l, err := m.image(ctx, s, h)
	if err != nil || len(l) != 1 {
		return fmt.Errorf("image: there is no image %s", h.ImageID), err
	}
	if missing := n.Lacks(l[0]); len(missing) > 0 {
		return fmt.Errorf("image: image %s has no %s: a node whose deploy interface is %s, such as %s, boots the images that these properties name",
			l[0].Name, strings.Join(missing, " and no "), cloud.RamdiskDeploy, n.Title()), nil
	}
	return nil, nil
}

// checkParts looks at the image with the node that it is to be deployed on. What it lacks is no fault of the node.
func (m *Machines) checkParts(ctx context.Context, s *drivers.Site, h drivers.Host, n cloud.BaremetalNode) drivers.Result {
	switch lacks, err := m.lacks(ctx, s, h, n); {
	case err != nil:
		return infra.Verdict(err)
	case lacks != nil:
		return drivers.Failed(drivers.ClassUser, "%w", lacks)
	}
	return drivers.Done()
}
