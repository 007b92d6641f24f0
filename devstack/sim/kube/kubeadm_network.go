package kube

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// an API server cannot have fewer service addresses, by kubeadm
	minServiceAddresses = 10
	// nor more bits of them, by the API server
	maxServiceBits = 20
	// bits between pod subnet and a node's share of it, by the controller manager
	maxPodMaskDifference = 16
)

func validateNetworking(c *clusterConfiguration, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, problem := range validation.IsDNS1123Subdomain(c.Networking.DNSDomain) {
		errs = append(errs, field.Invalid(at.Child("dnsDomain"), c.Networking.DNSDomain, problem))
	}
	services, serviceErrs := parseSubnets(c.Networking.ServiceSubnet, at.Child("serviceSubnet"))
	errs = append(errs, serviceErrs...)
	for _, s := range services {
		switch size := s.Addr().BitLen() - s.Bits(); {
		case size < 64 && 1<<size < minServiceAddresses:
			errs = append(errs, field.Invalid(at.Child("serviceSubnet"), s.String(), "subnet is too small"))
		case size > maxServiceBits:
			errs = append(errs, field.Invalid(at.Child("serviceSubnet"), s.String(),
				fmt.Sprintf("specified service subnet is too large; for %d-bit addresses, the mask must be >= %d",
					s.Addr().BitLen(), s.Addr().BitLen()-maxServiceBits)))
		}
	}
	if c.Networking.PodSubnet == "" {
		return errs
	}
	pods, podErrs := parseSubnets(c.Networking.PodSubnet, at.Child("podSubnet"))
	errs = append(errs, podErrs...)
	for _, p := range pods {
		errs = append(errs, validateNodeMask(p, c, at.Child("podSubnet"))...)
		for _, s := range services {
			if p.Overlaps(s) {
				errs = append(errs, field.Invalid(at.Child("podSubnet"), p.String(), "it overlaps with the service subnet "+s.String()))
			}
		}
	}
	return errs
}

// nodeMask is how much of a pod subnet each node gets.
func nodeMask(pods netip.Prefix, c *clusterConfiguration) int {
	name, mask := "node-cidr-mask-size-ipv4", 24
	if pods.Addr().Is6() {
		name, mask = "node-cidr-mask-size-ipv6", 64
	}
	for _, a := range c.ControllerManager.ExtraArgs {
		if a.Name == name || a.Name == "node-cidr-mask-size" {
			if value, err := strconv.Atoi(a.Value); err == nil {
				mask = value
			}
		}
	}
	return mask
}

func validateNodeMask(pods netip.Prefix, c *clusterConfiguration, at *field.Path) field.ErrorList {
	switch mask := nodeMask(pods, c); {
	case pods.Bits() > mask:
		return field.ErrorList{field.Invalid(at, pods.String(),
			fmt.Sprintf("the size of pod subnet with mask %d is smaller than the size of node subnet with mask %d", pods.Bits(), mask))}
	case mask-pods.Bits() > maxPodMaskDifference:
		return field.ErrorList{field.Invalid(at, pods.String(),
			fmt.Sprintf("pod subnet mask (%d) and node-mask (%d) difference is greater than %d", pods.Bits(), mask, maxPodMaskDifference))}
	default:
		return nil
	}
}

func parseSubnets(text string, at *field.Path) ([]netip.Prefix, field.ErrorList) {
	var subnets []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		subnet, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, field.ErrorList{field.Invalid(at, text, "couldn't parse subnet")}
		}
		if subnet != subnet.Masked() {
			return nil, field.ErrorList{field.Invalid(at, text, "the address is not that of a network")}
		}
		subnets = append(subnets, subnet)
	}
	if len(subnets) > 2 || len(subnets) == 2 && subnets[0].Addr().Is4() == subnets[1].Addr().Is4() {
		return nil, field.ErrorList{field.Invalid(at, text,
			"expected one (IPv4 or IPv6) CIDR or two CIDRs from each family for dual-stack networking")}
	}
	return subnets, nil
}
