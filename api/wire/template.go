package wire

import "github.com/jeroboam-cloud/jeroboam/db"

// Template is a cluster template.
type Template struct {
	UUID                string            `json:"uuid"`
	Name                string            `json:"name"`
	COE                 string            `json:"coe"`
	ImageID             string            `json:"image_id"`
	FlavorID            *string           `json:"flavor_id"`
	MasterFlavorID      *string           `json:"master_flavor_id"`
	DNSNameserver       *string           `json:"dns_nameserver"`
	KeypairID           *string           `json:"keypair_id"`
	ExternalNetworkID   *string           `json:"external_network_id"`
	FixedNetwork        *string           `json:"fixed_network"`
	FixedSubnet         *string           `json:"fixed_subnet"`
	NetworkDriver       string            `json:"network_driver"`
	APIServerPort       *int              `json:"apiserver_port"`
	DockerVolumeSize    *int              `json:"docker_volume_size"`
	ClusterDistro       string            `json:"cluster_distro"`
	Links               []Link            `json:"links"`
	HTTPProxy           *string           `json:"http_proxy"`
	HTTPSProxy          *string           `json:"https_proxy"`
	NoProxy             *string           `json:"no_proxy"`
	VolumeDriver        *string           `json:"volume_driver"`
	RegistryEnabled     bool              `json:"registry_enabled"`
	Labels              map[string]string `json:"labels"`
	TLSDisabled         bool              `json:"tls_disabled"`
	Public              bool              `json:"public"`
	ServerType          string            `json:"server_type"`
	InsecureRegistry    *string           `json:"insecure_registry"`
	DockerStorageDriver *string           `json:"docker_storage_driver"`
	MasterLBEnabled     bool              `json:"master_lb_enabled"`
	FloatingIPEnabled   bool              `json:"floating_ip_enabled"`
	ProjectID           string            `json:"project_id"`
	UserID              string            `json:"user_id"`
	Hidden              bool              `json:"hidden"`
	Tags                *string           `json:"tags"`
	Driver              *string           `json:"driver"`
	CreatedAt           string            `json:"created_at"`
	UpdatedAt           *string           `json:"updated_at"`
}

// NewTemplate views a row.
func NewTemplate(t *db.ClusterTemplate, base string) Template {
	return Template{UUID: t.UUID, Name: t.Name, COE: t.COE, ImageID: t.ImageID, FlavorID: t.FlavorID, MasterFlavorID: t.MasterFlavorID,
		DNSNameserver: t.DNSNameserver, KeypairID: t.KeypairID, ExternalNetworkID: t.ExternalNetworkID, FixedNetwork: t.FixedNetwork, FixedSubnet: t.FixedSubnet,
		NetworkDriver: t.NetworkDriver, APIServerPort: t.APIServerPort, DockerVolumeSize: t.DockerVolumeSize, ClusterDistro: t.ClusterDistro,
		Links: Links(base, "clustertemplates/"+t.UUID), HTTPProxy: t.HTTPProxy, HTTPSProxy: t.HTTPSProxy, NoProxy: t.NoProxy, VolumeDriver: t.VolumeDriver,
		RegistryEnabled: t.RegistryEnabled, Labels: strings(t.Labels), TLSDisabled: t.TLSDisabled, Public: t.Public, ServerType: t.ServerType,
		InsecureRegistry: t.InsecureRegistry, DockerStorageDriver: t.DockerStorageDriver, MasterLBEnabled: t.MasterLBEnabled, FloatingIPEnabled: t.FloatingIPEnabled,
		ProjectID: t.ProjectID, UserID: t.UserID, Hidden: t.Hidden, Tags: t.Tags, Driver: t.Driver, CreatedAt: Time(t.CreatedAt), UpdatedAt: timeOrNull(t.UpdatedAt)}
}
