package addons

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	manilaDriver = "nfs.manila.csi.openstack.org"
	manilaSecret = "manila-csi" //nolint:gosec // its name
)

// shareClasses gives a StorageClass for each share type. None is the default: a share costs more than a volume. Types whose
// shares want a share network have one only where the label names that network.
func (c Cluster) shareClasses() []*unstructured.Unstructured {
	types := slices.SortedFunc(slices.Values(c.Storage.ShareTypes), func(a, b ShareType) int { return cmp.Compare(a.Name, b.Name) })
	network := c.setting("manila_csi_share_network_id", "")
	var out []*unstructured.Unstructured
	taken := map[string]bool{}
	for _, t := range types {
		if t.OwnServers && network == "" {
			continue
		}
		parameters := map[string]any{"type": t.Name}
		if t.OwnServers {
			parameters["shareNetworkID"] = network
		}
		for _, call := range []string{"provisioner", "controller-expand", "node-stage", "node-publish"} {
			parameters["csi.storage.k8s.io/"+call+"-secret-name"] = manilaSecret
			parameters["csi.storage.k8s.io/"+call+"-secret-namespace"] = "kube-system"
		}
		out = append(out, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
			"metadata":    map[string]any{"name": className("manila", t.Name, taken)},
			"provisioner": manilaDriver, "parameters": parameters,
			"reclaimPolicy":        c.setting("csi_manila_reclaim_policy", "Delete"),
			"volumeBindingMode":    "Immediate",
			"allowVolumeExpansion": true,
		}})
	}
	return out
}
