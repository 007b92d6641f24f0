package cloud

import (
	"context"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
)

// Rule of a security group; ingress, IPv4.
type Rule struct {
	Protocol      string // "": any
	Min, Max      int    // ports; 0: any
	RemoteCIDR    string
	RemoteGroupID string
	Description   string
}

// SecurityGroup with its ingress rules.
type SecurityGroup struct {
	ID, Name, Description, ProjectID string
	Rules                            []Rule
}

// FindSecurityGroups lists the groups with this name and mark.
func (n *Network) FindSecurityGroups(ctx context.Context, name, mark string) ([]string, error) {
	pages, err := groups.List(n.c, groups.ListOpts{Name: name, ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "looking for security group %s", name)
	}
	l, err := groups.ExtractGroups(pages)
	return mapSlice(l, func(x groups.SecGroup) string { return x.ID }), wrap(network, err, "reading security groups")
}

// Sees tells whether the actor is shown what the project has. Neutron says of what somebody may not see that it is not
// there, and leaves it out of its lists. The security group "default" each project has; it is made when it is looked for.
func (n *Network) Sees(ctx context.Context) (bool, error) {
	l, err := n.FindSecurityGroups(ctx, "default", "")
	return len(l) > 0, err
}

// CreateSecurityGroup makes a group with Neutron's default rules (all egress).
func (n *Network) CreateSecurityGroup(ctx context.Context, name, mark string) (string, error) {
	x, err := groups.Create(ctx, n.c, groups.CreateOpts{Name: name, Description: mark, ProjectID: n.projectID}).Extract()
	if err != nil {
		return "", wrap(network, err, "creating security group %s", name)
	}
	return x.ID, nil
}

// SecurityGroup reads one.
func (n *Network) SecurityGroup(ctx context.Context, id string) (SecurityGroup, error) {
	x, err := groups.Get(ctx, n.c, id).Extract()
	if err != nil {
		return SecurityGroup{}, wrap(network, err, "reading security group %s", id)
	}
	return securityGroup(*x), nil
}

func securityGroup(x groups.SecGroup) SecurityGroup {
	g := SecurityGroup{ID: x.ID, Name: x.Name, Description: x.Description, ProjectID: x.ProjectID}
	for _, r := range x.Rules {
		if r.Direction == "ingress" && r.EtherType == "IPv4" {
			g.Rules = append(g.Rules, Rule{Protocol: r.Protocol, Min: r.PortRangeMin, Max: r.PortRangeMax, RemoteCIDR: r.RemoteIPPrefix, RemoteGroupID: r.RemoteGroupID, Description: r.Description})
		}
	}
	return g
}

// SecurityGroups lists the project's groups with their rules, all or those with this mark.
func (n *Network) SecurityGroups(ctx context.Context, mark string) ([]SecurityGroup, error) {
	pages, err := groups.List(n.c, groups.ListOpts{ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "listing security groups")
	}
	l, err := groups.ExtractGroups(pages)
	return mapSlice(l, securityGroup), wrap(network, err, "reading security groups")
}

// AddRule adds an ingress rule. One that is there already is no error.
func (n *Network) AddRule(ctx context.Context, groupID string, r Rule) error {
	_, err := rules.Create(ctx, n.c, rules.CreateOpts{SecGroupID: groupID, ProjectID: n.projectID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.RuleProtocol(r.Protocol),
		PortRangeMin: r.Min, PortRangeMax: r.Max, RemoteIPPrefix: r.RemoteCIDR, RemoteGroupID: r.RemoteGroupID, Description: r.Description}).Extract()
	err = wrap(network, err, "adding a rule to security group %s", groupID)
	if IsConflict(err) {
		return nil
	}
	return err
}

// DeleteSecurityGroup deletes a group.
func (n *Network) DeleteSecurityGroup(ctx context.Context, id string) error {
	return wrap(network, groups.Delete(ctx, n.c, id).ExtractErr(), "deleting security group %s", id)
}
