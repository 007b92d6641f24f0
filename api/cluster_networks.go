package api

import (
	"net/netip"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// routable refuses routed pods where there is no router of the cluster's own to route them.
func routable(spec *ops.ClusterSpec) error {
	if spec.PodNetworkMode == ops.PodsRouted && (spec.NetworkID != "" || spec.ExternalNetworkID == "") {
		return about("labels.pod_network_mode", badRequest("Label pod_network_mode=%s wants a network and router that are made for the cluster: a template with an external network, and no fixed_network.", ops.PodsRouted))
	}
	return nil
}

// overlap refuses networks that would shadow each other on the nodes.
func overlap(cl *db.Cluster, spec *ops.ClusterSpec, podLabel string) error {
	type net struct{ field, name, cidr string }
	label := func(name, cidr string) net { return net{"labels." + name, "Label " + name, cidr} }
	hosts := label("fixed_subnet_cidr", spec.SubnetCIDR)
	switch {
	case cl.FixedSubnet != nil:
		hosts = net{"fixed_subnet", "Subnet " + *cl.FixedSubnet, spec.SubnetCIDR}
	case cl.FixedNetwork != nil:
		hosts = net{"fixed_network", "Network " + *cl.FixedNetwork, spec.SubnetCIDR}
	}
	nets := []net{hosts, label(podLabel, spec.PodCIDR), label("service_cluster_ip_range", spec.ServiceCIDR)}
	for i, a := range nets {
		for _, b := range nets[i+1:] {
			x, err1 := netip.ParsePrefix(a.cidr)
			y, err2 := netip.ParsePrefix(b.cidr)
			if err1 == nil && err2 == nil && x.Overlaps(y) {
				return about(a.field, badRequest("%s (%s) and %s (%s) overlap.", a.name, a.cidr, strings.ToLower(b.name[:1])+b.name[1:], b.cidr))
			}
		}
	}
	return nil
}

// networks resolves the external network and the caller's own.
func (k *checks) networks(cl *db.Cluster, t *db.ClusterTemplate, spec *ops.ClusterSpec) error {
	var found findings
	if t.ExternalNetworkID != nil {
		x, err := k.externalNetwork(*t.ExternalNetworkID)
		if fatal := found.add(about("cluster_template_id", err)); fatal != nil {
			return fatal
		}
		spec.ExternalNetworkID = x.ID
	} else if spec.APIFloatingIP {
		found.err = about("floating_ip_enabled", badRequest("floating_ip_enabled needs an external network: set external_network_id in the cluster template."))
	}
	if cl.FixedNetwork != nil {
		x, err := k.networkByName("fixed_network", *cl.FixedNetwork)
		if fatal := found.add(about("fixed_network", err)); fatal != nil {
			return fatal
		}
		spec.NetworkID = x.ID
	}
	switch {
	case cl.FixedSubnet != nil:
		x, err := k.subnet(*cl.FixedSubnet, spec.NetworkID)
		if fatal := found.add(about("fixed_subnet", err)); fatal != nil {
			return fatal
		}
		spec.SubnetID, spec.NetworkID, spec.SubnetCIDR = x.ID, x.NetworkID, x.CIDR
	case spec.NetworkID != "": // the conductor takes this one, too
		x, err := k.firstSubnet(spec.NetworkID, *cl.FixedNetwork)
		if fatal := found.add(about("fixed_network", err)); fatal != nil {
			return fatal
		}
		spec.SubnetCIDR = x.CIDR
	}
	return found.err
}
