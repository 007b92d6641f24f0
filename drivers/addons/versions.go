package addons

import (
	"cmp"
	"fmt"
	"slices"
)

// release is what cloud-provider-openstack's manifests of one release name: it has one for each minor version of Kubernetes.
type release struct {
	minor                                                          int // of Kubernetes 1
	provider, attacher, provisioner, resizer, registrar, liveProbe string
	metrics                                                        string // metrics-server, by its matrix of versions
	nfs                                                            string // csi-driver-nfs, which mounts what Manila's plug-in has made
}

// releases are pinned, the oldest first. A Kubernetes that is newer than all of them gets the last one.
func releases() []release {
	return []release{
		{31, "v1.31.4", "v4.7.0", "v5.1.0", "v1.12.0", "v2.12.0", "v2.14.0", "v0.8.1", "v4.9.0"},
		{32, "v1.32.1", "v4.7.0", "v5.1.0", "v1.12.0", "v2.12.0", "v2.14.0", "v0.8.1", "v4.9.0"},
		{33, "v1.33.1", "v4.7.0", "v5.1.0", "v1.12.0", "v2.12.0", "v2.14.0", "v0.8.1", "v4.9.0"},
		{34, "v1.34.1", "v4.10.0", "v5.3.0", "v1.14.0", "v2.15.0", "v2.17.0", "v0.9.0", "v4.12.1"},
		{35, "v1.35.0", "v4.10.0", "v5.3.0", "v1.14.0", "v2.15.0", "v2.17.0", "v0.9.0", "v4.12.1"},
		{36, "v1.36.0", "v4.10.0", "v5.3.0", "v1.14.0", "v2.15.0", "v2.17.0", "v0.9.0", "v4.12.1"},
	}
}

// versions that go with the cluster's Kubernetes.
func (c Cluster) versions() (release, error) {
	var minor int
	if _, err := fmt.Sscanf(c.minor(), "1.%d", &minor); err != nil {
		return release{}, fmt.Errorf("%q is no version of Kubernetes", c.KubernetesVersion)
	}
	all := releases()
	i, found := slices.BinarySearchFunc(all, minor, func(r release, minor int) int { return cmp.Compare(r.minor, minor) })
	if !found {
		i = max(i-1, 0)
	}
	return all[i], nil
}
