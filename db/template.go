package db

import (
	"time"

	"github.com/uptrace/bun"
)

// ClusterTemplate is a row of cluster_template: what a cluster starts from. Field meanings are Magnum's.
type ClusterTemplate struct {
	bun.BaseModel `bun:"table:cluster_template,alias:t"`

	ID        int64  `bun:"id,pk,autoincrement"`
	Seq       int64  `bun:"seq"` // raised by every change, and by every cluster that is made of it
	UUID      string `bun:"uuid"`
	ProjectID string `bun:"project_id"`
	UserID    string `bun:"user_id"`
	Name      string `bun:"name"`

	COE                 string  `bun:"coe"`
	ImageID             string  `bun:"image_id"`
	FlavorID            *string `bun:"flavor_id"`
	MasterFlavorID      *string `bun:"master_flavor_id"`
	DNSNameserver       *string `bun:"dns_nameserver"`
	KeypairID           *string `bun:"keypair_id"`
	ExternalNetworkID   *string `bun:"external_network_id"`
	FixedNetwork        *string `bun:"fixed_network"`
	FixedSubnet         *string `bun:"fixed_subnet"`
	NetworkDriver       string  `bun:"network_driver"`
	APIServerPort       *int    `bun:"apiserver_port"`
	DockerVolumeSize    *int    `bun:"docker_volume_size"`
	DockerStorageDriver *string `bun:"docker_storage_driver"`
	ClusterDistro       string  `bun:"cluster_distro"`
	HTTPProxy           *string `bun:"http_proxy"`
	HTTPSProxy          *string `bun:"https_proxy"`
	NoProxy             *string `bun:"no_proxy"`
	VolumeDriver        *string `bun:"volume_driver"`
	RegistryEnabled     bool    `bun:"registry_enabled"`
	InsecureRegistry    *string `bun:"insecure_registry"`
	Labels              Strings `bun:"labels,type:text"`
	TLSDisabled         bool    `bun:"tls_disabled"`
	Public              bool    `bun:"public"`
	Hidden              bool    `bun:"hidden"`
	ServerType          string  `bun:"server_type"`
	MasterLBEnabled     bool    `bun:"master_lb_enabled"`
	FloatingIPEnabled   bool    `bun:"floating_ip_enabled"`
	Tags                *string `bun:"tags"`
	Driver              *string `bun:"driver"`

	CreatedAt time.Time  `bun:"created_at"`
	UpdatedAt *time.Time `bun:"updated_at"`
}
