package userdata

import (
	"slices"
	"strings"
)

// SplitLabels parts labels into those that a kubelet may give its own node, and those that only a cluster's administrator
// may: the kubelet refuses to start with one of the latter.
func SplitLabels(labels map[string]string) (kubelet, administrator map[string]string) {
	kubelet, administrator = map[string]string{}, map[string]string{}
	for key, value := range labels {
		if kubeletMaySet(key) {
			kubelet[key] = value
		} else {
			administrator[key] = value
		}
	}
	return kubelet, administrator
}

// kubeletMaySet follows the kubelet's own rule: anything outside of Kubernetes' domains, and there only what is meant for it.
func kubeletMaySet(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	if !found || (!within(domain, "kubernetes.io") && !within(domain, "k8s.io")) {
		return true
	}
	if within(domain, "kubelet.kubernetes.io") || within(domain, "node.kubernetes.io") {
		return true
	}
	return slices.Contains([]string{
		"kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os",
		"beta.kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type",
		"topology.kubernetes.io/region", "topology.kubernetes.io/zone",
		"failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
		"failure-domain.kubernetes.io/region", "failure-domain.kubernetes.io/zone",
	}, key)
}

func within(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}
