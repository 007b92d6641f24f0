package ops

import "slices"

// Names of add-ons: what a cluster may have beside what kubeadm puts into it.
const (
	AddonNetwork       = "network" // of the pods; which one is the template's network_driver
	AddonCloudProvider = "cloud-provider"
	AddonCinderCSI     = "cinder-csi"
	AddonManilaCSI     = "manila-csi"
	AddonMetricsServer = "metrics-server"
	AddonNodeLocalDNS  = "node-local-dns"
	AddonAutoscaler    = "cluster-autoscaler"
	AddonIngress       = "ingress" // which one is the value of its label
	AddonKeystoneAuth  = "keystone-auth"
)

// Labels of add-ons that mean more than on and off.
const (
	LabelCloudProvider     = "cloud_provider_enabled"
	LabelKeystoneAuth      = "keystone_auth_enabled"
	LabelIngressController = "ingress_controller"
	LabelDefaultVolumeType = "csi_cinder_default_volume_type"
	LabelShareNetwork      = "manila_csi_share_network_id"
)

// KeystonePrefix is what the names of users and groups who come with tokens of Keystone start with: nobody who makes a user, a
// role or a group in Keystone gets the rights of one of Kubernetes' own, such as system:masters.
const KeystonePrefix = "keystone:"

// TokenReviewPath is where the API answers a cluster's API servers about tokens.
func TokenReviewPath(cluster string) string { return "/v1/clusters/" + cluster + "/tokenreviews" }

// NoNetwork is the network driver of clusters whose users bring their own.
const NoNetwork = "none"

// Addon is what API and conductor agree on about one.
type Addon struct {
	Name string
	// Label turns it on and off, where labels do.
	Label string
	// Settings are the labels of its details.
	Settings []string
	// Catalogued: its manifest is one of the operator's catalogue, not our own.
	Catalogued bool
	// Credential: it acts in the cloud, as the cluster's service user.
	Credential bool
	// Lasting: hosts are made with or without it, so it stays as it was at the create.
	Lasting bool
}

// Addons are all that there are, in the order in which they are applied.
func Addons() []Addon {
	return []Addon{
		{Name: AddonNetwork, Catalogued: true, Lasting: true},
		{Name: AddonCloudProvider, Label: LabelCloudProvider, Credential: true, Lasting: true,
			Settings: []string{"cloud_provider_tag", "octavia_lb_algorithm", "octavia_lb_healthcheck"}},
		{Name: AddonCinderCSI, Label: "cinder_csi_enabled", Credential: true, Settings: []string{"cinder_csi_plugin_tag", "csi_attacher_tag", "csi_provisioner_tag",
			"csi_resizer_tag", "csi_node_driver_registrar_tag", "csi_liveness_probe_tag", LabelDefaultVolumeType, "csi_cinder_reclaim_policy",
			"csi_cinder_volume_binding_mode", "csi_cinder_fstype", "csi_cinder_allow_volume_expansion", "csi_cinder_availability_zone"}},
		{Name: AddonManilaCSI, Label: "manila_csi_enabled", Credential: true, Settings: []string{"manila_csi_plugin_tag", "csi_nfs_plugin_tag", LabelShareNetwork,
			"csi_manila_reclaim_policy", "csi_provisioner_tag", "csi_resizer_tag", "csi_node_driver_registrar_tag"}},
		{Name: AddonMetricsServer, Label: "metrics_server_enabled", Settings: []string{"metrics_server_tag"}},
		{Name: AddonKeystoneAuth, Label: LabelKeystoneAuth, Lasting: true},
		{Name: AddonNodeLocalDNS, Label: "node_local_dns_enabled", Catalogued: true},
		{Name: AddonAutoscaler, Label: "auto_scaling_enabled", Catalogued: true},
		{Name: AddonIngress, Label: LabelIngressController, Catalogued: true},
	}
}

// AddonNames are their names, for the option that turns them on where no label speaks of them. Those that are one of
// several are chosen by name, and cannot be turned on like that.
func AddonNames() []string {
	var names []string
	for _, a := range Addons() {
		if a.Label != "" && a.Label != LabelIngressController {
			names = append(names, a.Name)
		}
	}
	return names
}

// Has tells whether an add-on is on.
func (s ClusterSpec) Has(addon string) bool { return slices.Contains(s.Addons, addon) }

// Entry is the name under which the catalogue has the manifest of an add-on of the cluster.
func (s ClusterSpec) Entry(addon string) string {
	switch addon {
	case AddonNetwork:
		return s.NetworkDriver
	case AddonIngress:
		return s.AddonSettings[LabelIngressController]
	}
	return addon
}

// ActsInCloud tells whether an add-on of the cluster has its service user's credential.
func (s ClusterSpec) ActsInCloud() bool {
	return slices.ContainsFunc(Addons(), func(a Addon) bool { return a.Credential && s.Has(a.Name) })
}
