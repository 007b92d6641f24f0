package infra

import (
	"context"
	"errors"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

var errNoSubnet = errors.New("network: the given network has no IPv4 subnet")

// GroupName is the name of the security group of a cluster's control plane or workers.
func GroupName(s *drivers.Site, controlPlane bool) string {
	if controlPlane {
		return name(s, "control-plane")
	}
	return name(s, "worker")
}

// EnsureSecurityGroups makes one group for the control plane and one for workers. Members of the two talk to each other
// freely; from outside only the API is reached, and node ports on workers.
func (i *Infrastructure) EnsureSecurityGroups(ctx context.Context, s *drivers.Site) drivers.Result {
	n, err := i.network(ctx, s)
	if err != nil {
		return Verdict(err)
	}
	ids := map[bool]string{}
	for _, controlPlane := range []bool{true, false} {
		group := GroupName(s, controlPlane)
		r, err := i.tagged(ctx, s, n, "security-groups", drivers.Object{Kind: drivers.KindSecurityGroup, Name: group,
			Find: func(ctx context.Context) ([]drivers.Found, error) {
				ids, err := n.FindSecurityGroups(ctx, group, s.Cluster.Tag())
				return found(ids), err
			},
			Create: func(ctx context.Context) (drivers.Found, error) {
				id, err := n.CreateSecurityGroup(ctx, group, s.Cluster.Tag())
				return drivers.Found{ID: id}, err
			},
			Delete: n.DeleteSecurityGroup})
		if err != nil {
			return Verdict(err)
		}
		ids[controlPlane] = r.ID
	}
	for _, controlPlane := range []bool{true, false} {
		if err := rules(ctx, n, ids[controlPlane], wanted(s, controlPlane, ids)); err != nil {
			return Verdict(err)
		}
	}
	return drivers.Done()
}

// rules adds those that are missing; a second run adds none.
func rules(ctx context.Context, n *cloud.Network, groupID string, want []cloud.Rule) error {
	g, err := n.SecurityGroup(ctx, groupID)
	if err != nil {
		return err
	}
	for _, r := range missingRules(g, want) {
		if err := n.AddRule(ctx, groupID, r); err != nil {
			return err
		}
	}
	return nil
}

func missingRules(g cloud.SecurityGroup, want []cloud.Rule) []cloud.Rule {
	return slices.DeleteFunc(want, func(r cloud.Rule) bool {
		return slices.ContainsFunc(g.Rules, func(x cloud.Rule) bool {
			x.Description, r.Description = "", ""
			return canonical(x) == canonical(r)
		})
	})
}

// canonical evens out two ways to say the same: «from anywhere» is an empty prefix for Neutron.
func canonical(r cloud.Rule) cloud.Rule {
	if r.RemoteCIDR == "0.0.0.0/0" {
		r.RemoteCIDR = ""
	}
	return r
}

func wanted(s *drivers.Site, controlPlane bool, ids map[bool]string) []cloud.Rule {
	var l []cloud.Rule
	for _, from := range []bool{true, false} {
		l = append(l, cloud.Rule{RemoteGroupID: ids[from], Description: "nodes of the cluster"})
	}
	if s.Cluster.PodCIDR != "" {
		l = append(l, cloud.Rule{RemoteCIDR: s.Cluster.PodCIDR, Description: "pods of the cluster"})
	}
	if controlPlane {
		// Behind a load balancer the allowed CIDRs are the listener's business: its own address is what arrives here.
		from := s.Cluster.AllowedCIDRs
		if s.Cluster.LoadBalancer || len(from) == 0 {
			from = []string{"0.0.0.0/0"}
		}
		for _, cidr := range from {
			l = append(l, cloud.Rule{Protocol: "tcp", Min: s.Cluster.APIPort, Max: s.Cluster.APIPort, RemoteCIDR: cidr, Description: "Kubernetes API"})
		}
		return l
	}
	for _, protocol := range []string{"tcp", "udp"} {
		l = append(l, cloud.Rule{Protocol: protocol, Min: 30000, Max: 32767, RemoteCIDR: "0.0.0.0/0", Description: "node ports"})
	}
	return l
}
