package ops

// What becomes of the volumes of PersistentVolumeClaims, with their snapshots, when a cluster is deleted.
const (
	KeepVolumes   = "keep" // they hold what no template can bring back
	DeleteVolumes = "delete"
)

// How pods of different nodes reach each other.
const (
	// PodsOverlay is the business of what its owner applies to the cluster.
	PodsOverlay = "overlay"
	// PodsRouted gives pods addresses that the cluster's router knows the way to.
	PodsRouted = "routed"
)

// ClusterSpec is what a create request was resolved to when it was accepted: ids instead of names, and the defaults of
// that day. It is stored with the cluster (db.Cluster.Spec), so nothing that is edited later changes a cluster.
type ClusterSpec struct {
	KubernetesVersion string `json:"kubernetes_version"`
	Distro            string `json:"distro"`

	ExternalNetworkID string   `json:"external_network_id,omitempty"`
	NetworkID         string   `json:"network_id,omitempty"` // the caller's own
	SubnetID          string   `json:"subnet_id,omitempty"`
	SubnetCIDR        string   `json:"subnet_cidr"`
	DNSNameservers    []string `json:"dns_nameservers,omitempty"`
	PodCIDR           string   `json:"pod_cidr"`
	ServiceCIDR       string   `json:"service_cidr"`
	DNSDomain         string   `json:"dns_domain"`
	NetworkDriver     string   `json:"network_driver"`
	PodNetworkMode    string   `json:"pod_network_mode,omitempty"` // "": PodsOverlay

	APIPort           int      `json:"api_port"`
	APIFloatingIP     bool     `json:"api_floating_ip"`
	APIAllowedCIDRs   []string `json:"api_allowed_cidrs,omitempty"`
	APICertSANs       []string `json:"api_cert_sans,omitempty"`
	LBProvider        string   `json:"lb_provider,omitempty"`
	ServerGroupPolicy string   `json:"server_group_policy,omitempty"`

	// VolumeDeletePolicy is what becomes of the volumes of PersistentVolumeClaims when the cluster is deleted.
	VolumeDeletePolicy string `json:"volume_delete_policy,omitempty"` // "": KeepVolumes

	HTTPProxy       string `json:"http_proxy,omitempty"`
	HTTPSProxy      string `json:"https_proxy,omitempty"`
	NoProxy         string `json:"no_proxy,omitempty"`
	ImageRepository string `json:"image_repository,omitempty"` // label container_infra_prefix

	// NTPServers are where hosts take the time from; none: where their image does.
	NTPServers []string `json:"ntp_servers,omitempty"`
	// Addons are those that the cluster is to have, by name; AddonSettings are the labels of their details.
	Addons        []string          `json:"addons,omitempty"`
	AddonSettings map[string]string `json:"addon_settings,omitempty"`

	// ContainerInfraURL is this service's API as clusters reach it, for those whose users come with tokens of Keystone.
	ContainerInfraURL string `json:"container_infra_url,omitempty"`

	// ServerType is the template's: what node groups without a label server_type are made of.
	ServerType string `json:"server_type,omitempty"` // "": vm

	// RoleNames are the roles that the service user gets on the project: the configured ones that the caller holds.
	RoleNames []string `json:"role_names,omitempty"`
}

// GroupSpec is what a node group's flavour, image and labels were resolved to (db.NodeGroup.Spec).
type GroupSpec struct {
	FlavorID          string   `json:"flavor_id"`
	ImageID           string   `json:"image_id"`
	Distro            string   `json:"distro"`
	KubeVersion       string   `json:"kube_version"`
	AvailabilityZones []string `json:"availability_zones,omitempty"` // hosts take turns
	BootVolumeSize    int      `json:"boot_volume_size,omitempty"`   // GiB
	BootVolumeType    string   `json:"boot_volume_type,omitempty"`
	DockerVolumeType  string   `json:"docker_volume_type,omitempty"`
	// Runtime of the containers, where it is not runc; see Runtimes.
	Runtime string `json:"runtime,omitempty"`

	// Of bare metal, from the flavour's extra specs and the label root_device_hints.
	ResourceClass string            `json:"resource_class,omitempty"` // CUSTOM_BAREMETAL
	Traits        []string          `json:"traits,omitempty"`
	RootDevice    map[string]string `json:"root_device,omitempty"`
}
