package infra

import (
	"context"
	"fmt"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// verifier collects the differences of one comparison. The first error ends it: what could not be seen is not gone.
type verifier struct {
	i     *Infrastructure
	s     *drivers.Site
	n     *cloud.Network
	found []drivers.Drift
	err   error
}

// Verify compares what the ledger holds with the cloud.
func (i *Infrastructure) Verify(ctx context.Context, s *drivers.Site, nodes map[string]bool) ([]drivers.Drift, error) {
	n, err := i.network(ctx, s)
	if cloud.IsForbidden(err) || cloud.IsNotFound(err) {
		return i.lostUser(ctx, s, err)
	}
	if err != nil {
		return nil, err
	}
	v := &verifier{i: i, s: s, n: n}
	mark := s.Cluster.Tag()
	v.objects(ctx, drivers.KindNetwork, func() ([]string, error) { return n.FindNetworks(ctx, "", mark) })
	v.objects(ctx, drivers.KindSubnet, func() ([]string, error) { return n.FindSubnets(ctx, "", mark) })
	v.objects(ctx, drivers.KindRouter, func() ([]string, error) { return n.FindRouters(ctx, "", mark) })
	v.gateway(ctx)
	v.objects(ctx, drivers.KindRouterPort, func() ([]string, error) { return v.interfaces(ctx) })
	v.securityGroups(ctx)
	v.ports(ctx, nodes)
	v.balancer(ctx, nodes)
	v.floatingIPs(ctx)
	return v.found, v.err
}

// lostUser tells whether the login was refused because the service user is gone. One that was disabled, or whose project
// was, is somebody's will: that stays the error that it is.
func (i *Infrastructure) lostUser(ctx context.Context, s *drivers.Site, refused error) ([]drivers.Drift, error) {
	v := &verifier{i: i, s: s}
	for _, r := range v.rows(drivers.KindUser) {
		if r.ID == s.Credential.UserID {
			v.missing(ctx, r)
		}
	}
	if v.err == nil && len(v.found) == 0 {
		v.err = refused
	}
	return v.found, v.err
}

func (v *verifier) add(r drivers.Resource, gone bool, what string, args ...any) {
	v.found = append(v.found, drivers.Drift{Kind: r.Kind, Name: r.Name, Node: r.Node, Gone: gone, What: fmt.Sprintf(what, args...)})
}

// rows of the ledger that are of a kind and were seen to exist.
func (v *verifier) rows(kind string) []drivers.Resource {
	return slices.DeleteFunc(v.s.Ledger.All(), func(r drivers.Resource) bool { return r.Kind != kind || r.ID == "" })
}

// objects looks for those that are in no list, by one list of the kind.
func (v *verifier) objects(ctx context.Context, kind string, list func() ([]string, error)) {
	rows := v.rows(kind)
	if len(rows) == 0 || v.err != nil {
		return
	}
	var there []string
	if there, v.err = list(); v.err != nil {
		return
	}
	for _, r := range rows {
		if !slices.Contains(there, r.ID) {
			v.missing(ctx, r)
		}
	}
}

// missing asks for an object by its id before it is said to be gone.
func (v *verifier) missing(ctx context.Context, r drivers.Resource) {
	m, err := v.i.remover(ctx, v.s, r)
	if err == nil {
		_, err = m.own(ctx)
	}
	switch {
	case cloud.IsNotFound(err):
		v.add(r, true, "is gone")
	case err != nil && v.err == nil:
		v.err = err
	}
}

// gateway looks at the router's way out.
func (v *verifier) gateway(ctx context.Context) {
	r, ok := v.s.Ledger.Find(drivers.KindRouter, name(v.s, "router"))
	if !ok || r.ID == "" || v.err != nil {
		return
	}
	outside, err := v.n.RouterGateway(ctx, r.ID)
	switch {
	case cloud.IsNotFound(err): // said already
	case err != nil:
		v.err = err
	case outside != v.s.Cluster.ExternalNetworkID:
		v.add(r, false, "has lost its gateway")
	}
}

// interfaces lists the subnets that the cluster's router is in.
func (v *verifier) interfaces(ctx context.Context) ([]string, error) {
	router, ok := v.s.Ledger.Find(drivers.KindRouter, name(v.s, "router"))
	subnet, known := v.s.Ledger.Find(drivers.KindSubnet, name(v.s, "subnet"))
	if !ok || !known {
		return nil, nil
	}
	has, err := v.n.RouterHasSubnet(ctx, router.ID, subnet.ID)
	if err != nil || !has {
		return nil, err
	}
	return []string{subnet.ID}, nil
}

func (v *verifier) securityGroups(ctx context.Context) {
	var there []cloud.SecurityGroup
	v.objects(ctx, drivers.KindSecurityGroup, func() ([]string, error) {
		var err error
		there, err = v.n.SecurityGroups(ctx, v.s.Cluster.Tag())
		var ids []string
		for _, g := range there {
			ids = append(ids, g.ID)
		}
		return ids, err
	})
	ids := map[bool]string{}
	for _, controlPlane := range []bool{true, false} {
		r, _ := v.s.Ledger.Find(drivers.KindSecurityGroup, GroupName(v.s, controlPlane))
		ids[controlPlane] = r.ID
	}
	for _, controlPlane := range []bool{true, false} {
		i := slices.IndexFunc(there, func(g cloud.SecurityGroup) bool { return g.ID == ids[controlPlane] })
		if i < 0 {
			continue
		}
		if lost := missingRules(there[i], wanted(v.s, controlPlane, ids)); len(lost) > 0 {
			v.add(drivers.Resource{Kind: drivers.KindSecurityGroup, Name: there[i].Name}, false, "has lost %d of its rules", len(lost))
		}
	}
}

func (v *verifier) ports(ctx context.Context, nodes map[string]bool) {
	var there []cloud.Port
	rows := slices.DeleteFunc(v.rows(drivers.KindPort), func(r drivers.Resource) bool { _, has := nodes[r.Node]; return !has })
	if v.err != nil || len(rows) == 0 {
		return
	}
	if there, v.err = v.n.FindPorts(ctx, "", v.s.Cluster.Tag()); v.err != nil {
		return
	}
	var secure bool
	if secure, v.err = portSecurity(ctx, v.s, v.n, v.s.Cluster.NetworkID); v.err != nil {
		return
	}
	for _, r := range rows {
		i := slices.IndexFunc(there, func(p cloud.Port) bool { return p.ID == r.ID })
		if i < 0 {
			_, err := v.n.Port(ctx, r.ID)
			if cloud.IsNotFound(err) {
				v.add(r, true, "is gone")
			} else if err != nil {
				v.err = err
				return
			}
			continue
		}
		if g, ok := v.s.Ledger.Find(drivers.KindSecurityGroup, GroupName(v.s, nodes[r.Node])); ok && secure && !slices.Contains(there[i].SecurityGroups, g.ID) {
			v.add(drivers.Resource{Kind: r.Kind, Name: r.Name}, false, "has lost its security group")
		}
	}
}

// balancer looks at the API's load balancer and what is below it, unless it is being changed: then the next look tells.
func (v *verifier) balancer(ctx context.Context, nodes map[string]bool) {
	r, ok := v.s.Ledger.Find(drivers.KindLoadBalancer, LoadBalancerName(v.s))
	if !ok || r.ID == "" || v.err != nil {
		return
	}
	o, err := v.i.loadBalancer(ctx, v.s)
	if err != nil {
		v.err = err
		return
	}
	x, err := o.Get(ctx, r.ID)
	switch {
	case cloud.IsNotFound(err) || err == nil && (x.Status == "DELETED" || x.Status == "PENDING_DELETE"):
		v.add(r, true, "is gone")
		return
	case err != nil:
		v.err = err
		return
	case x.Status != "ACTIVE":
		return
	case len(x.ListenerIDs) == 0:
		v.add(r, false, "has lost its listener")
		return
	case len(x.PoolIDs) == 0:
		v.add(r, false, "has lost its pool")
		return
	}
	monitored, err := o.HasMonitor(ctx, x.PoolIDs[0])
	if err != nil {
		v.err = err
		return
	}
	if !monitored {
		v.add(r, false, "has lost its monitor")
	}
	have, err := o.Members(ctx, x.PoolIDs[0])
	if err != nil {
		v.err = err
		return
	}
	for node, controlPlane := range nodes {
		if p, ok := v.s.Ledger.Find(drivers.KindPort, node); ok && controlPlane && !slices.Contains(have, p.Attrs[drivers.AttrAddress]) {
			v.add(r, false, "has lost its member %s", p.Attrs[drivers.AttrAddress])
		}
	}
}

func (v *verifier) floatingIPs(ctx context.Context) {
	for _, r := range v.rows(drivers.KindFloatingIP) {
		if v.err != nil {
			return
		}
		x, err := v.n.FloatingIP(ctx, r.ID)
		switch {
		case cloud.IsNotFound(err):
			v.add(r, true, "is gone")
		case err != nil:
			v.err = err
		case x.PortID != r.Attrs[drivers.AttrPortID]:
			v.add(r, false, "was taken from its port")
		}
	}
}

// Disown makes intents again of records whose objects are gone. A floating IP that is on no port of ours is noted so: it is
// attached again like one whose port has changed. So is a router without its gateway.
func (i *Infrastructure) Disown(ctx context.Context, s *drivers.Site, found []drivers.Drift) error {
	for _, d := range found {
		r, ok := s.Ledger.Find(d.Kind, d.Name)
		if !ok || d.Node != "" {
			continue
		}
		id, attrs := r.ID, r.Attrs
		switch {
		case d.Kind == drivers.KindUser: // nobody is there to put anything back
			return &drivers.Fault{Class: drivers.ClassCloud, Err: fmt.Errorf("identity: %s: another credential is needed", d)}
		case d.Gone:
			id = ""
		case d.Kind == drivers.KindFloatingIP:
			attrs = map[string]string{drivers.AttrAddress: r.Attrs[drivers.AttrAddress]}
		case d.Kind == drivers.KindRouter:
			attrs = map[string]string{attrGateway: gatewayLost}
		default:
			continue
		}
		if err := s.Ledger.Confirm(ctx, r.Kind, r.Name, id, attrs); err != nil {
			return fmt.Errorf("recording that %s %s is gone: %w", r.Kind, r.Name, err)
		}
	}
	return nil
}

// EnsurePorts gives ports their security groups; others that somebody added stay.
func (i *Infrastructure) EnsurePorts(ctx context.Context, s *drivers.Site, nodes map[string]bool) drivers.Result {
	n, err := i.network(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	secure, err := portSecurity(ctx, s, n, s.Cluster.NetworkID)
	if err != nil {
		return Verdict(err)
	}
	there, err := n.FindPorts(ctx, "", s.Cluster.Tag())
	if err != nil {
		return Verdict(err)
	}
	for _, p := range there {
		if !secure {
			break
		}
		r, ok := s.Ledger.Find(drivers.KindPort, p.Name)
		controlPlane, wanted := nodes[p.Name]
		g, known := s.Ledger.Find(drivers.KindSecurityGroup, GroupName(s, controlPlane))
		if !ok || r.ID != p.ID || !wanted || !known || g.ID == "" || slices.Contains(p.SecurityGroups, g.ID) {
			continue
		}
		if err := n.SetPortGroups(ctx, p.ID, append(slices.Clone(p.SecurityGroups), g.ID)); err != nil {
			return Verdict(err)
		}
	}
	return drivers.Done()
}
