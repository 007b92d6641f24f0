package infra

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// LoadBalancerName is the name of the API's load balancer.
func LoadBalancerName(s *drivers.Site) string { return name(s, "api") }

// EnsureLoadBalancer makes the API's load balancer and what is below it. The members are set by EnsureMembers when there
// are hosts.
func (i *Infrastructure) EnsureLoadBalancer(ctx context.Context, s *drivers.Site) drivers.Result {
	c, err := i.clients(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	o, err := c.LoadBalancer()
	if err != nil {
		return Verdict(err)
	}
	lb, address := LoadBalancerName(s), ""
	r, err := i.ensure(ctx, s, drivers.Object{Kind: drivers.KindLoadBalancer, Name: lb,
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			l, err := o.Find(ctx, lb, s.Cluster.Tag())
			var out []drivers.Found
			for _, x := range l {
				out = append(out, vip(x))
			}
			return out, err
		},
		Create: func(ctx context.Context) (found drivers.Found, err error) {
			found, address, err = i.createLoadBalancer(ctx, s, o)
			return found, err
		},
		Delete: o.Delete})
	if cloud.IsConflict(err) { // the chosen address is taken: another one is chosen next time
		return i.avoid(ctx, s, address, err)
	}
	if err != nil {
		return Verdict(err)
	}
	x, err := look(ctx, s, o, r.ID)
	if err != nil {
		return Verdict(err)
	}
	if x.Status != "ACTIVE" {
		return lbState(x)
	}
	return populate(ctx, s, o, x)
}

// look reads a load balancer, once per slice: several steps ask for the same one, and each that changes it waits afterwards.
func look(ctx context.Context, s *drivers.Site, o *cloud.LoadBalancer, id string) (cloud.LoadBalancerInfo, error) {
	return drivers.Once(s.Memo, "load balancer "+id, func() (cloud.LoadBalancerInfo, error) { return o.Get(ctx, id) })
}

// populate adds what is missing below a load balancer that is ACTIVE. Each addition makes it busy for a while; one whose
// answer was lost is seen at the next look, and can not be made twice.
func populate(ctx context.Context, s *drivers.Site, o *cloud.LoadBalancer, x cloud.LoadBalancerInfo) drivers.Result {
	var err error
	var what string
	switch {
	case len(x.ListenerIDs) == 0:
		what = "listener"
		spec := cloud.ListenerSpec{LoadBalancerID: x.ID, Name: x.Name, Tag: s.Cluster.Tag(), Port: s.Cluster.APIPort, AllowedCIDRs: s.Cluster.AllowedCIDRs}
		if len(x.PoolIDs) > 0 { // it outlives a listener that somebody deletes
			spec.PoolID = x.PoolIDs[0]
		}
		err = o.AddListener(ctx, spec)
	case len(x.PoolIDs) == 0:
		what = "pool"
		err = o.AddPool(ctx, x.ListenerIDs[0], x.Name, s.Cluster.Tag())
	default:
		has, lookErr := o.HasMonitor(ctx, x.PoolIDs[0])
		if lookErr != nil {
			return Verdict(lookErr)
		}
		if has {
			return drivers.Done()
		}
		// It looks for a connection, as kubeadm's manual has it, and not for /readyz, though that answers without a name: OVN's
		// provider has no HTTPS monitors, an etcd without a quorum would take all members away and with them the words of why,
		// and an API server that has lost etcd is no longer alive either, so that its kubelet ends it within a minute or two.
		what = "monitor"
		err = o.AddMonitor(ctx, cloud.MonitorSpec{PoolID: x.PoolIDs[0], Name: x.Name, Delay: 5, Timeout: 3, Retries: 3})
	}
	if err != nil && !cloud.IsConflict(err) { // busy, or it is there already
		return Verdict(err)
	}
	return drivers.Continue(drivers.PollInterval, "load balancer %s gets its %s", x.Name, what)
}

// RemoveFailedLoadBalancer takes a load balancer in ERROR away.
func (i *Infrastructure) RemoveFailedLoadBalancer(ctx context.Context, s *drivers.Site) drivers.Result {
	r, ok := s.Ledger.Find(drivers.KindLoadBalancer, LoadBalancerName(s))
	if !ok || r.ID == "" {
		return drivers.Done()
	}
	c, err := i.clients(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	o, err := c.LoadBalancer()
	if err != nil {
		return Verdict(err)
	}
	switch x, err := look(ctx, s, o, r.ID); {
	case err == nil && x.Status != "ERROR" && x.Status != "PENDING_DELETE":
		return drivers.Done()
	case err != nil && !cloud.IsNotFound(err):
		return Verdict(err)
	}
	return i.Remove(ctx, s, r)
}

func lbState(x cloud.LoadBalancerInfo) drivers.Result {
	switch x.Status {
	case "ACTIVE":
		return drivers.Done()
	case "ERROR":
		return drivers.Failed(drivers.ClassCloud, "load-balancer: load balancer %s is in status ERROR", x.Name)
	default:
		return drivers.Continue(drivers.PollInterval, "load balancer %s is %s", x.Name, x.Status)
	}
}

// attrRefused are addresses that were refused, with spaces, as often as they were. On a network that several projects share
// nobody sees the ports of the others. One that is refused now and then may be that of a load balancer of ours whose answer
// was lost, and which the list shows soon.
const (
	attrRefused = "refused"
	mostRefused = 4
)

// avoid notes that an address was not to be had.
func (i *Infrastructure) avoid(ctx context.Context, s *drivers.Site, address string, refusal error) drivers.Result {
	if address == "" {
		return drivers.Transient(refusal)
	}
	r, _ := s.Ledger.Find(drivers.KindLoadBalancer, LoadBalancerName(s))
	attrs := maps.Clone(r.Attrs)
	if attrs == nil {
		attrs = map[string]string{}
	}
	attrs[attrRefused] += address + " "
	if err := s.Ledger.Confirm(ctx, drivers.KindLoadBalancer, LoadBalancerName(s), "", attrs); err != nil {
		return drivers.FromError(err)
	}
	return drivers.Transient(refusal)
}

func vip(x cloud.LoadBalancerInfo) drivers.Found {
	return drivers.Found{ID: x.ID, Attrs: map[string]string{drivers.AttrAddress: x.VIPAddress, drivers.AttrPortID: x.VIPPortID,
		drivers.AttrSubnetID: x.VIPSubnetID, drivers.AttrNetworkID: x.VIPNetworkID}}
}

func (i *Infrastructure) createLoadBalancer(ctx context.Context, s *drivers.Site, o *cloud.LoadBalancer) (found drivers.Found, address string, err error) {
	n, err := i.network(ctx, s)
	if err != nil {
		return found, "", err
	}
	_, subnetID, ok := i.Network(ctx, s)
	if !ok {
		return found, "", fmt.Errorf("the cluster has no network yet")
	}
	subnet, err := n.Subnet(ctx, subnetID)
	if err != nil {
		return found, "", err
	}
	used, err := n.Addresses(ctx, subnetID)
	if err != nil {
		return found, "", err
	}
	before, _ := s.Ledger.Find(drivers.KindLoadBalancer, LoadBalancerName(s)) // one that is gone: everybody knows its address
	refused := map[string]int{}
	for _, a := range strings.Fields(before.Attrs[attrRefused]) {
		refused[a]++
		used[a] = used[a] || refused[a] >= mostRefused
	}
	address = before.Attrs[drivers.AttrAddress]
	if address == "" || used[address] {
		if address, err = chooseAddress(subnet, used, s.Cluster.UUID); err != nil {
			return found, "", &drivers.Fault{Class: drivers.ClassUser, Err: err}
		}
	}
	x, err := o.Create(ctx, cloud.LoadBalancerSpec{Name: LoadBalancerName(s), Tag: s.Cluster.Tag(), Provider: s.Cluster.LBProvider,
		SubnetID: subnetID, Address: address})
	if err != nil {
		return found, address, err
	}
	// What it is now has just been told.
	x, err = drivers.Once(s.Memo, "load balancer "+x.ID, func() (cloud.LoadBalancerInfo, error) { return x, nil })
	return vip(x), address, err
}

// chooseAddress picks a free address from the upper end of the subnet's pool. A chosen address is what keeps a repeated
// request from making a second load balancer: Octavia takes the port at once, and the second one is refused. The start is
// derived from the cluster, so clusters that share a network rarely meet.
func chooseAddress(subnet cloud.Subnet, used map[string]bool, seed string) (string, error) {
	for _, pool := range slices.Backward(subnet.Pools) {
		first, err1 := netip.ParseAddr(pool.Start)
		last, err2 := netip.ParseAddr(pool.End)
		if err1 != nil || err2 != nil || !first.Is4() {
			continue
		}
		h := fnv.New32a()
		h.Write([]byte(seed)) //nolint:errcheck // a hash does not fail
		skip := int(h.Sum32() % 32)
		for a := last; a.Compare(first) >= 0; a = a.Prev() {
			if skip--; skip < 0 && !used[a.String()] {
				return a.String(), nil
			}
		}
		for a := last; a.Compare(first) >= 0; a = a.Prev() {
			if !used[a.String()] {
				return a.String(), nil
			}
		}
	}
	return "", fmt.Errorf("network: subnet %s has no free address for the load balancer", subnet.ID)
}

// EnsureMembers makes the pool's members exactly these addresses; a second call writes nothing.
func (i *Infrastructure) EnsureMembers(ctx context.Context, s *drivers.Site, addresses []string) drivers.Result {
	c, err := i.clients(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	o, err := c.LoadBalancer()
	if err != nil {
		return Verdict(err)
	}
	r, ok := s.Ledger.Find(drivers.KindLoadBalancer, LoadBalancerName(s))
	if !ok || r.ID == "" {
		return drivers.Failed(drivers.ClassInternal, "the cluster has no load balancer")
	}
	x, err := look(ctx, s, o, r.ID)
	if err != nil {
		return Verdict(err)
	}
	if x.Status != "ACTIVE" {
		return lbState(x)
	}
	if len(x.PoolIDs) == 0 {
		return drivers.Failed(drivers.ClassCloud, "load-balancer: load balancer %s has lost its pool", x.Name)
	}
	have, err := o.Members(ctx, x.PoolIDs[0])
	if err != nil {
		return Verdict(err)
	}
	slices.Sort(have)
	if want := slices.Sorted(slices.Values(addresses)); slices.Equal(have, want) {
		return drivers.Done()
	}
	if err := o.SetMembers(ctx, x.PoolIDs[0], addresses, s.Cluster.APIPort); err != nil && !cloud.IsConflict(err) {
		return Verdict(err)
	}
	return drivers.Continue(drivers.PollInterval, "load balancer %s takes its members", x.Name)
}

// EnsureFloatingIP gives the port a floating IP, which moves along when the port is another one than before. Floating IPs
// have no name: the mark carries it.
func (i *Infrastructure) EnsureFloatingIP(ctx context.Context, s *drivers.Site, ipName, portID string) drivers.Result {
	n, err := i.network(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	mark := s.Cluster.Tag() + " " + ipName
	r, err := i.tagged(ctx, s, n, "floatingips", drivers.Object{Kind: drivers.KindFloatingIP, Name: ipName,
		Find: func(ctx context.Context) ([]drivers.Found, error) {
			l, err := n.FindFloatingIPs(ctx, mark)
			var out []drivers.Found
			for _, x := range l {
				out = append(out, drivers.Found{ID: x.ID, Attrs: map[string]string{drivers.AttrAddress: x.Address, drivers.AttrPortID: x.PortID}})
			}
			return out, err
		},
		Create: func(ctx context.Context) (drivers.Found, error) {
			x, err := i.createFloatingIP(ctx, s, n, mark, ipName, portID)
			return drivers.Found{ID: x.ID, Attrs: map[string]string{drivers.AttrAddress: x.Address, drivers.AttrPortID: portID}}, err
		},
		Delete: n.DeleteFloatingIP})
	if err != nil || r.Attrs[drivers.AttrPortID] == portID {
		return Verdict(err)
	}
	if err := n.AttachFloatingIP(ctx, r.ID, portID); err != nil {
		return Verdict(err)
	}
	return Verdict(s.Ledger.Confirm(ctx, r.Kind, r.Name, r.ID, map[string]string{drivers.AttrAddress: r.Attrs[drivers.AttrAddress], drivers.AttrPortID: portID}))
}

// createFloatingIP asks for the address that a floating IP which is gone had: clients know it, and it is in certificates.
// Only administrators may choose one, so the service itself asks for that; when it is not to be had another one does.
func (i *Infrastructure) createFloatingIP(ctx context.Context, s *drivers.Site, n *cloud.Network, mark, ipName, portID string) (cloud.FloatingIP, error) {
	before, _ := s.Ledger.Find(drivers.KindFloatingIP, ipName)
	if address := before.Attrs[drivers.AttrAddress]; address != "" {
		if c, err := i.clouds.Service(ctx); err == nil {
			if own, err := c.ForProject(s.Cluster.ProjectID).Network(); err == nil {
				if x, err := own.CreateFloatingIP(ctx, mark, s.Cluster.ExternalNetworkID, portID, address); err == nil || cloud.IsUnreachable(err) {
					return x, err
				}
			}
		}
	}
	return n.CreateFloatingIP(ctx, mark, s.Cluster.ExternalNetworkID, portID, "")
}
